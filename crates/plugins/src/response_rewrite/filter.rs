//! One of `filters`: a regular expression, and what takes the place of its matches in the body.

use std::borrow::Cow;

use bytes::Bytes;
use model::Fault;
use regex::bytes::{Regex, RegexBuilder};
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

/// As it runs.
pub(super) struct Filter {
    regex: Regex,
    replacement: Replacement,
    scope: Scope,
}

impl Filter {
    /// Options are nginx's: `i`, `s`, `m`, `x` and `a` change what matches; the others are about its engine.
    pub(super) fn compile(conf: &FilterConf) -> Result<Self, Fault> {
        if let Some(unknown) = conf.options.chars().find(|option| !"adDijJmosuUx".contains(*option)) {
            return Err(Fault::new("/options", format!("unknown flag {unknown:?} (flags {:?})", conf.options)));
        }
        let wrong = |reason| Fault::new("/regex", format!("regex {:?} validation failed: {reason}", conf.regex));
        // The first names what this engine does not have; the second is compiled as it will run.
        model::vars::compile_regex(&conf.regex).map_err(wrong)?;
        let has = |option| conf.options.contains(option);
        let anchored = format!(r"\A(?:{})", conf.regex);
        let regex = RegexBuilder::new(if has('a') { &anchored } else { &conf.regex })
            .case_insensitive(has('i'))
            .dot_matches_new_line(has('s'))
            .multi_line(has('m'))
            .ignore_whitespace(has('x'))
            .build();
        Ok(Self {
            regex: regex.map_err(|error| wrong(error.to_string()))?,
            replacement: Replacement::parse(&conf.replace).map_err(|reason| Fault::new("/replace", reason))?,
            scope: conf.scope,
        })
    }

    pub(super) fn apply(&self, body: &mut Bytes) {
        if let Cow::Owned(changed) = self.replacement.replace(&self.regex, body, self.scope == Scope::Global) {
            *body = changed.into();
        }
    }
}
