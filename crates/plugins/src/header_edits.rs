//! `headers: {set, add, remove}` of proxy-rewrite and response-rewrite.

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use model::Fault;
use plugin_api::{Exchange, Template};
use serde_json::Value;

/// Edits of headers, names resolved and values read.
#[derive(Default)]
pub(crate) struct HeaderEdits {
    add: Vec<(HeaderName, Template)>,
    set: Vec<(HeaderName, Template)>,
    remove: Vec<HeaderName>,
}

/// Edits with the variables filled in, ready to be applied.
pub(crate) struct Resolved<'e> {
    add: Vec<(HeaderName, HeaderValue)>,
    set: Vec<(HeaderName, Option<HeaderValue>)>,
    remove: &'e [HeaderName],
}

impl HeaderEdits {
    /// Reads `{set: {..}, add: {..} | [..], remove: [..]}`, or the older flat form, which sets.
    pub(crate) fn parse(headers: Option<&Value>) -> Result<Self, Fault> {
        let Some(Value::Object(map)) = headers else { return Ok(Self::default()) };
        let is_new = ["set", "add", "remove"]
            .iter()
            .any(|key| matches!(map.get(*key), Some(Value::Object(_) | Value::Array(_))));
        if !is_new {
            return Ok(Self { set: pairs(headers, "/headers")?, ..Self::default() });
        }
        let names = map.get("remove").and_then(Value::as_array).into_iter().flatten();
        let remove =
            names.enumerate().map(|(n, text)| name(text.as_str().unwrap_or_default(), &format!("/headers/remove/{n}")));
        Ok(Self {
            add: pairs(map.get("add"), "/headers/add")?,
            set: pairs(map.get("set"), "/headers/set")?,
            remove: remove.collect::<Result<_, _>>()?,
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.add.is_empty() && self.set.is_empty() && self.remove.is_empty()
    }

    /// Fills the variables in, and `$1`, `$2` with what a regular expression captured.
    pub(crate) fn resolve(&self, exchange: &Exchange, captures: &[String]) -> Resolved<'_> {
        let value = |template: &Template| HeaderValue::try_from(fill(template.render(exchange), captures)).ok();
        Resolved {
            add: self.add.iter().filter_map(|(name, template)| Some((name.clone(), value(template)?))).collect(),
            set: self.set.iter().map(|(name, template)| (name.clone(), value(template))).collect(),
            remove: &self.remove,
        }
    }
}

impl Resolved<'_> {
    /// APISIX's order: add, set, remove. Setting to the empty text removes.
    pub(crate) fn apply(self, headers: &mut HeaderMap) {
        for (name, value) in self.add {
            headers.append(name, value);
        }
        for (name, value) in self.set {
            match value.filter(|value| !value.is_empty()) {
                Some(value) => drop(headers.insert(name, value)),
                None => drop(headers.remove(name)),
            }
        }
        for name in self.remove {
            headers.remove(name);
        }
    }
}

/// Captures keep their place in a template as notes `$1`: the template leaves unknown names empty, so they are
/// written with a private mark by [`pairs`].
fn fill(mut text: String, captures: &[String]) -> String {
    if text.contains(MARK) {
        for (n, capture) in captures.iter().enumerate() {
            text = text.replace(&format!("{MARK}{n}{MARK}"), capture);
        }
    }
    text
}

/// Stands around a capture's number; no header may contain it.
const MARK: char = '\u{1}';

fn pairs(value: Option<&Value>, pointer: &str) -> Result<Vec<(HeaderName, Template)>, Fault> {
    match value {
        Some(Value::Object(map)) => {
            let pair =
                |(key, value): (&String, &Value)| Ok((name(key, &format!("{pointer}/{key}"))?, template(&text(value))));
            map.iter().map(pair).collect()
        }
        Some(Value::Array(items)) => {
            let pair = |(n, item): (usize, &Value)| {
                let pointer = format!("{pointer}/{n}");
                let wrong = || Fault::new(pointer.clone(), "must be \"Name: value\"");
                let (key, value) = item.as_str().and_then(|item| item.split_once(':')).ok_or_else(wrong)?;
                Ok((name(key.trim(), &pointer)?, template(value.trim())))
            };
            items.iter().enumerate().map(pair).collect()
        }
        _ => Ok(Vec::new()),
    }
}

fn template(text: &str) -> Template {
    let mut marked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, after) = (&rest[..at], &rest[at + 1..]);
        marked.push_str(before);
        let digits = after.chars().take_while(char::is_ascii_digit).count();
        if digits == 0 {
            marked.push('$');
        } else {
            marked.extend([MARK].into_iter().chain(after[..digits].chars()).chain([MARK]));
        }
        rest = &after[digits..];
    }
    marked.push_str(rest);
    Template::parse(&marked)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn name(text: &str, pointer: &str) -> Result<HeaderName, Fault> {
    HeaderName::try_from(text).map_err(|_| Fault::new(pointer, format!("{text:?} must be a header's name")))
}
