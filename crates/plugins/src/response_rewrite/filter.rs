//! One of `filters`: a regular expression, and what takes the place of its matches in the body.

use std::borrow::Cow;

use bytes::Bytes;
use model::Fault;
use model::regex::{Groups, Regex, Undecided};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::replacement::Replacement;

/// As it is configured.
#[derive(Deserialize)]
pub(super) struct FilterConf {
    regex: String,
    #[serde(default)]
    scope: Scope,
    replace: String,
    #[serde(default = "jo")]
    options: String,
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Scope {
    #[default]
    Once,
    Global,
}

fn jo() -> String {
    "jo".to_owned()
}

pub(super) fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "regex": { "type": "string", "minLength": 1 },
            "scope": { "type": "string", "enum": ["once", "global"], "default": "once" },
            "replace": { "type": "string" },
            "options": { "type": "string", "default": "jo" },
        },
        "required": ["regex", "replace"],
    })
}

/// Steps for a body, which is longer than what a client asks with.
const MOST_STEPS: usize = 1_000_000;

/// As it runs.
pub(super) struct Filter {
    engine: Engine,
    replacement: Replacement,
    scope: Scope,
}

enum Engine {
    /// Of any bytes.
    Bytes(regex::bytes::Regex),
    /// Of text, for what the first does not have: look-around and back references.
    Text(Regex),
}

impl Filter {
    /// Options are nginx's: `i`, `s`, `m`, `x` and `a` change what matches; the others are about its engine.
    pub(super) fn compile(conf: &FilterConf) -> Result<Self, Fault> {
        if let Some(unknown) = conf.options.chars().find(|option| !"adDijJmosuUx".contains(*option)) {
            return Err(Fault::new("/options", format!("unknown flag {unknown:?} (flags {:?})", conf.options)));
        }
        let wrong = |reason| Fault::new("/regex", format!("regex {:?} validation failed: {reason}", conf.regex));
        // Faults are told of what was written, not of what is made of it.
        Regex::new(&conf.regex).map_err(wrong)?;
        Ok(Self {
            engine: Engine::compile(&with_options(conf)).map_err(wrong)?,
            replacement: Replacement::parse(&conf.replace).map_err(|reason| Fault::new("/replace", reason))?,
            scope: conf.scope,
        })
    }

    pub(super) fn apply(&self, body: &mut Bytes) {
        let most = if self.scope == Scope::Global { usize::MAX } else { 1 };
        let changed = match &self.engine {
            Engine::Bytes(regex) => {
                let matches = regex.captures_iter(body).take(most);
                self.replacement.replace(body, matches, |found, group| Some(found.get(group)?.range()))
            }
            Engine::Text(regex) => {
                let Ok(text) = std::str::from_utf8(body) else { return };
                let Ok(matches) = matches(regex, text, most) else {
                    tracing::warn!(pattern = regex.as_str(), "response-rewrite: {Undecided}");
                    return;
                };
                self.replacement.replace(body, matches, Groups::group)
            }
        };
        if let Cow::Owned(changed) = changed {
            *body = changed.into();
        }
    }
}

impl Engine {
    fn compile(pattern: &str) -> Result<Self, String> {
        match regex::bytes::Regex::new(pattern) {
            Ok(regex) => Ok(Self::Bytes(regex)),
            Err(_) => Regex::with_steps(pattern, MOST_STEPS).map(Self::Text),
        }
    }
}

fn with_options(conf: &FilterConf) -> String {
    let flags: String = conf.options.chars().filter(|option| "ismx".contains(*option)).collect();
    let flags = if flags.is_empty() { flags } else { format!("(?{flags})") };
    if !conf.options.contains('a') {
        return format!("{flags}{}", conf.regex);
    }
    // Option `x` allows comments, which a line feed ends; it then means nothing itself.
    let end = if conf.options.contains('x') { "\n" } else { "" };
    format!("{flags}\\A(?:{}{end})", conf.regex)
}

fn matches(regex: &Regex, text: &str, most: usize) -> Result<Vec<Groups>, Undecided> {
    let (mut found, mut from) = (Vec::new(), 0);
    while found.len() < most
        && let Some(groups) = regex.find_at(text, from)?
    {
        let whole = groups.whole();
        // Behind an empty match the next begins a character later.
        let step = text.get(whole.end..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
        from = if whole.is_empty() { whole.end + step } else { whole.end };
        found.push(groups);
    }
    Ok(found)
}
