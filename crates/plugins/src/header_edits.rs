//! `headers: {add, set, remove}` of proxy-rewrite and response-rewrite.

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use model::Fault;
use plugin_api::{Exchange, Template};
use serde_json::{Map, Value, json};
use smallvec::SmallVec;

/// Edits of headers, names resolved and values read.
#[derive(Default)]
pub(crate) struct HeaderEdits {
    add: Vec<(HeaderName, Content)>,
    /// With all lines of each header.
    set: Vec<(HeaderName, Vec<Content>)>,
    remove: Vec<HeaderName>,
}

/// Which headers are edited.
#[derive(Clone, Copy)]
pub(crate) enum Side {
    /// Those that the upstream gets.
    Request,
    /// Those that the client gets.
    Response,
}

/// A header's value before its variables are known.
enum Content {
    Constant(HeaderValue),
    Parts(Vec<Part>),
}

enum Part {
    Template(Template),
    /// `$1`: what a regular expression captured.
    Capture(usize),
}

/// The schema of headers by name, each with a text or a number.
pub(crate) fn values() -> Value {
    by_name(json!({ "oneOf": [{ "type": "string" }, { "type": "number" }] }))
}

/// The schema of headers by name, each with a text, a number, or a list of them: a line each.
pub(crate) fn lines() -> Value {
    let one = json!({ "oneOf": [{ "type": "string" }, { "type": "number" }] });
    let several = json!({ "type": "array", "minItems": 1, "items": one });
    by_name(json!({ "oneOf": [{ "type": "string" }, { "type": "number" }, several] }))
}

fn by_name(content: Value) -> Value {
    json!({ "type": "object", "minProperties": 1, "patternProperties": { "^[^:]+$": content } })
}

/// The schemas of `add`, `set` and `remove`; the first two differ between the two plugins.
pub(crate) fn actions(add: Value, set: Value) -> Value {
    let remove = json!({ "type": "array", "minItems": 1, "items": { "type": "string", "pattern": "^[^:]+$" } });
    json!({ "add": add, "set": set, "remove": remove })
}

/// The schema of `headers`: by action, or the older flat form.
pub(crate) fn schema(by_action: Value) -> Value {
    json!({
        "description": "headers to add, set and remove, in this order; the older flat form sets",
        "anyOf": [by_action, values()],
    })
}

impl HeaderEdits {
    /// Reads `{add: {..} | [..], set: {..}, remove: [..]}`, or the older flat form, which sets.
    pub(crate) fn parse(headers: Option<&Value>) -> Result<Self, Fault> {
        let Some(Value::Object(map)) = headers else { return Ok(Self::default()) };
        if !is_by_action(map) {
            let other = map.iter().find(|(_, value)| !value.is_string() && !value.is_number());
            if let Some((key, _)) = other {
                return Err(Fault::new(format!("/headers/{key}"), "invalid type as header value"));
            }
            return Ok(Self { set: replacements(headers, "/headers")?, ..Self::default() });
        }
        let names = map.get("remove").and_then(Value::as_array).into_iter().flatten().enumerate();
        let remove = names.map(|(n, text)| name(text.as_str().unwrap_or_default(), &format!("/headers/remove/{n}")));
        Ok(Self {
            add: contents(map.get("add"), "/headers/add")?,
            set: replacements(map.get("set"), "/headers/set")?,
            remove: remove.collect::<Result<_, _>>()?,
        })
    }

    /// Whether any value has a `$1`.
    pub(crate) fn use_captures(&self) -> bool {
        let added = self.add.iter().map(|(_, content)| content);
        let mut all = added.chain(self.set.iter().flat_map(|(_, contents)| contents));
        all.any(Content::uses_captures)
    }

    /// Edits one side's headers, in APISIX's order: add, set, remove. Setting to the empty text removes.
    pub(crate) fn apply(&self, exchange: &mut Exchange, side: Side, captures: &[String]) {
        for (name, content) in &self.add {
            if let Some(value) = content.fill(exchange, captures) {
                side.headers(exchange).append(name, value);
            }
        }
        for (name, contents) in &self.set {
            // What cannot stand in a header takes the old value away too: it was to be replaced. Values are made before, for
            // they may be of the old one.
            let fill = |content: &Content| content.fill(exchange, captures).filter(|value| !value.is_empty());
            let values: SmallVec<[HeaderValue; 1]> = contents.iter().filter_map(fill).collect();
            side.remove(exchange, name);
            for value in values {
                side.headers(exchange).append(name, value);
            }
        }
        for name in &self.remove {
            side.remove(exchange, name);
        }
    }
}

impl Side {
    fn headers(self, exchange: &mut Exchange) -> &mut HeaderMap {
        match self {
            Side::Request => &mut exchange.headers,
            Side::Response => &mut exchange.response.headers,
        }
    }

    fn remove(self, exchange: &mut Exchange, name: &HeaderName) {
        self.headers(exchange).remove(name);
        if matches!(self, Side::Request) && name.as_str().starts_with("x-forwarded-") {
            exchange.target.withheld.push(name.clone());
        }
    }
}

impl Content {
    fn parse(text: &str, pointer: &str) -> Result<Self, Fault> {
        let parts = split_captures(text);
        let constant = match parts.as_slice() {
            [] => Some(""),
            [Part::Template(template)] => template.as_constant(),
            _ => None,
        };
        let Some(constant) = constant else { return Ok(Self::Parts(parts)) };
        let value = HeaderValue::from_bytes(constant.as_bytes());
        value.map(Self::Constant).map_err(|_| Fault::new(pointer, "invalid value character in header"))
    }

    fn uses_captures(&self) -> bool {
        match self {
            Self::Constant(_) => false,
            Self::Parts(parts) => parts.iter().any(|part| matches!(part, Part::Capture(_))),
        }
    }

    /// The value; `None` when what variables gave cannot stand in a header.
    fn fill(&self, exchange: &Exchange, captures: &[String]) -> Option<HeaderValue> {
        let parts = match self {
            Self::Constant(value) => return Some(value.clone()),
            Self::Parts(parts) => parts,
        };
        let mut text = String::new();
        for part in parts {
            match part {
                Part::Template(template) => text += &template.render(exchange),
                Part::Capture(group) => text += captures.get(*group).map(String::as_str).unwrap_or_default(),
            }
        }
        HeaderValue::from_bytes(text.as_bytes()).ok()
    }
}

/// Parts a text at `$1`, `$2`; what stands between is read as a template. `\$1` is no capture.
fn split_captures(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        plain.push_str(before);
        let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        let (number, remaining) = after.split_at(digits);
        match number.parse() {
            Ok(group) if !before.ends_with('\\') => {
                if !plain.is_empty() {
                    parts.push(Part::Template(Template::parse(&std::mem::take(&mut plain))));
                }
                parts.push(Part::Capture(group));
                rest = remaining;
            }
            _ => {
                plain.push('$');
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        parts.push(Part::Template(Template::parse(&plain)));
    }
    parts
}

fn is_by_action(map: &Map<String, Value>) -> bool {
    ["set", "add", "remove"].iter().any(|key| matches!(map.get(*key), Some(Value::Object(_) | Value::Array(_))))
}

fn contents(value: Option<&Value>, pointer: &str) -> Result<Vec<(HeaderName, Content)>, Fault> {
    match value {
        Some(Value::Object(map)) => {
            let lines = map.iter().flat_map(|(key, value)| each_line(value).map(move |line| (key, line)));
            lines.map(|(key, line)| pair(key, &text(line), &format!("{pointer}/{key}"))).collect()
        }
        Some(Value::Array(items)) => {
            let parse = |(n, item): (usize, &Value)| line(item, &format!("{pointer}/{n}"));
            items.iter().enumerate().map(parse).collect()
        }
        _ => Ok(Vec::new()),
    }
}

/// What takes a header's place, by name.
fn replacements(value: Option<&Value>, pointer: &str) -> Result<Vec<(HeaderName, Vec<Content>)>, Fault> {
    let fields = value.and_then(Value::as_object).into_iter().flatten();
    let replacement = |(key, value): (&String, &Value)| {
        let pointer = format!("{pointer}/{key}");
        let contents = each_line(value).map(|line| Content::parse(&text(line), &pointer));
        Ok((name(key, &pointer)?, contents.collect::<Result<_, _>>()?))
    };
    fields.map(replacement).collect()
}

/// The lines that a header gets: one, or those of a list.
fn each_line(value: &Value) -> std::slice::Iter<'_, Value> {
    match value {
        Value::Array(lines) => lines.iter(),
        one => std::slice::from_ref(one).iter(),
    }
}

/// `Name: value`, as response-rewrite's `add` has it.
fn line(item: &Value, pointer: &str) -> Result<(HeaderName, Content), Fault> {
    let parts = item.as_str().and_then(|item| item.split_once(':'));
    let (key, value) = parts.ok_or_else(|| Fault::new(pointer, "must be \"Name: value\""))?;
    pair(key.trim(), value.trim(), pointer)
}

fn pair(key: &str, value: &str, pointer: &str) -> Result<(HeaderName, Content), Fault> {
    Ok((name(key, pointer)?, Content::parse(value, pointer)?))
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn name(text: &str, pointer: &str) -> Result<HeaderName, Fault> {
    let part = if text.is_empty() { "length" } else { "character" };
    HeaderName::try_from(text).map_err(|_| Fault::new(pointer, format!("invalid field {part} in header")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn edited(headers: Value, captures: &[&str]) -> Exchange {
        let mut exchange = testing::exchange("/", &[("x-old", "1"), ("x-gone", "1")]);
        let captures: Vec<_> = captures.iter().map(|&text| text.to_owned()).collect();
        HeaderEdits::parse(Some(&headers)).expect("edits").apply(&mut exchange, Side::Request, &captures);
        exchange
    }

    #[test]
    fn values_have_variables_and_captures() {
        let cases = [
            ("plain", Some("plain")),
            ("$remote_addr", Some("192.0.2.7")),
            ("${remote_addr}:$1", Some("192.0.2.7:one")),
            ("$2-$1-$9", Some("two-one-")),
            (r"\$1", Some(r"\$1")),
            ("$", Some("$")),
            ("$http_x_nothing", None),
            ("", None),
        ];
        for (value, expected) in cases {
            let exchange = edited(json!({ "set": { "x-old": value } }), &["all", "one", "two"]);
            assert_eq!(exchange.header("x-old"), expected, "{value}");
        }
    }

    #[test]
    fn a_captured_dollar_is_no_variable() {
        let exchange = edited(json!({ "set": { "x-a": "$1" } }), &["", "$remote_addr"]);
        assert_eq!(exchange.header("x-a"), Some("$remote_addr"));
    }

    #[test]
    fn a_value_that_cannot_stand_in_a_header_is_left_out() {
        let exchange = edited(json!({ "set": { "x-old": "$1" }, "add": { "x-new": "$1" } }), &["", "a\r\nb: c"]);
        assert_eq!((exchange.header("x-old"), exchange.header("x-new")), (None, None));
    }

    #[test]
    fn actions_run_in_order_and_a_flat_list_sets() {
        let actions = json!({ "remove": ["x-gone", "X-Set"], "set": { "X-Set": 1, "X-Both": 2 }, "add": { "X-Both": "1", "X-Old": "2" } });
        let exchange = edited(actions, &[]);
        assert!(!exchange.headers.contains_key("x-gone") && !exchange.headers.contains_key("x-set"));
        assert_eq!(exchange.header("x-both"), Some("2"));
        assert_eq!(exchange.headers.get_all("x-old").iter().count(), 2);
        assert_eq!(edited(json!({ "X-Old": "new" }), &[]).header("x-old"), Some("new"));
    }

    #[test]
    fn a_list_is_a_line_each() {
        let actions =
            json!({ "add": { "x-old": ["$remote_addr", "", 3] }, "set": { "x-gone": ["a-$http_x_gone", "", "b"] } });
        let exchange = edited(actions, &[]);
        let lines = |name: &str| {
            exchange.headers.get_all(name).iter().map(|value| value.to_str().expect("text")).collect::<Vec<_>>()
        };
        assert_eq!(lines("x-old"), ["1", "192.0.2.7", "", "3"]);
        assert_eq!(lines("x-gone"), ["a-1", "b"]);
        let captures = HeaderEdits::parse(Some(&json!({ "set": { "a": ["b", "$1"] } }))).expect("edits");
        assert!(captures.use_captures());
    }

    #[test]
    fn what_is_no_header_is_named() {
        let pointer = |headers: Value| HeaderEdits::parse(Some(&headers)).err().expect("a fault").pointer;
        assert_eq!(pointer(json!({ "set": { "a b": "1" } })), "/headers/set/a b");
        assert_eq!(pointer(json!({ "set": { "a": "\n" } })), "/headers/set/a");
        assert_eq!(pointer(json!({ "add": ["a: 1", "b"] })), "/headers/add/1");
        assert_eq!(pointer(json!({ "remove": ["a", "\u{e9}"] })), "/headers/remove/1");
        assert_eq!(pointer(json!({ "x-a": true })), "/headers/x-a");
    }
}
