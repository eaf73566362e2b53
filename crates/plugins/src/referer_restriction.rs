//! `referer-restriction`: who may call, by the host in the Referer header.
//!
//! ```json
//! { "whitelist": ["xx.com", "*.xx.com"], "bypass_missing": true, "message": "Your referer host is not allowed" }
//! ```
//! Source: <https://apisix.apache.org/docs/apisix/plugins/referer-restriction/>

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use http::StatusCode;
use model::Fault;
use plugin_api::schema::with_meta;
use plugin_api::{CompileInput, Exchange, Flow, Phases, Plugin, PluginType, Reply};
use serde::Deserialize;
use serde_json::{Value, json};

/// The plugin by name.
pub(crate) struct RefererRestriction;

#[derive(Deserialize)]
struct Conf {
    #[serde(default)]
    bypass_missing: bool,
    whitelist: Option<Vec<String>>,
    #[serde(default)]
    blacklist: Vec<String>,
    #[serde(default = "not_allowed")]
    message: String,
}

fn not_allowed() -> String {
    "Your referer host is not allowed".to_owned()
}

impl PluginType for RefererRestriction {
    fn name(&self) -> &'static str {
        "referer-restriction"
    }

    fn priority(&self) -> i32 {
        2990
    }

    fn schema(&self) -> &'static Value {
        static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
            let host = json!({ "type": "string", "pattern": r"^\*?[0-9a-zA-Z-._\[\]:]+$" });
            let list = json!({ "type": "array", "items": host, "minItems": 1 });
            with_meta(json!({
                "type": "object",
                "properties": {
                    "bypass_missing": { "type": "boolean", "default": false },
                    "whitelist": list,
                    "blacklist": list,
                    "message": { "type": "string", "minLength": 1, "maxLength": 1024, "default": not_allowed() },
                },
                "oneOf": [{ "required": ["whitelist"] }, { "required": ["blacklist"] }],
            }))
        });
        &SCHEMA
    }

    fn compile(&self, input: &CompileInput<'_>) -> Result<Arc<dyn Plugin>, Fault> {
        let conf: Conf = crate::read(input.conf)?;
        let list = match &conf.whitelist {
            Some(whitelist) => List::Allowed(Hosts::of(whitelist)),
            None => List::Denied(Hosts::of(&conf.blacklist)),
        };
        let refusal = Reply::message(StatusCode::FORBIDDEN, &conf.message);
        Ok(Arc::new(Compiled { list, bypass_missing: conf.bypass_missing, refusal }))
    }
}

struct Compiled {
    list: List,
    bypass_missing: bool,
    refusal: Reply,
}

enum List {
    Allowed(Hosts),
    Denied(Hosts),
}

struct Hosts {
    exact: HashSet<Box<str>, foldhash::fast::RandomState>,
    /// What follows the `*`.
    suffixes: Vec<Box<str>>,
}

impl Hosts {
    fn of(texts: &[String]) -> Self {
        let suffixes = texts.iter().filter_map(|text| text.strip_prefix('*')).map(Box::from).collect();
        let exact = texts.iter().filter(|text| !text.starts_with('*')).map(|text| text.as_str().into()).collect();
        Self { exact, suffixes }
    }

    fn contain(&self, host: &str) -> bool {
        self.exact.contains(host) || self.suffixes.iter().any(|suffix| host.ends_with(&**suffix))
    }
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases::ACCESS
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Flow<'a> {
        let may_pass = match (exchange.header("referer").and_then(host), &self.list) {
            (None, _) => self.bypass_missing,
            (Some(host), List::Allowed(hosts)) => hosts.contain(host),
            (Some(host), List::Denied(hosts)) => !hosts.contain(host),
        };
        if may_pass { Flow::CONTINUE } else { Flow::reply(self.refusal.clone()) }
    }
}

/// The host of `http://host:port/...`, `https://...` or `//...`; `None` when the text is none of these.
fn host(referer: &str) -> Option<&str> {
    let rest = ["http://", "https://", "//"].iter().find_map(|prefix| referer.strip_prefix(prefix))?;
    let end = match rest.strip_prefix('[') {
        Some(literal) => literal.find(']')? + 2,
        None => rest.find([':', '/', '?', '[', ']']).unwrap_or(rest.len()),
    };
    rest.get(..end).filter(|host| !host.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, answer_of, compile};

    const REFUSED: &str = "{\"message\":\"Your referer host is not allowed\"}\n";

    fn run(conf: &str, referer: Option<&str>) -> Option<(u16, String)> {
        let headers: Vec<_> = referer.map(|referer| ("referer", referer)).into_iter().collect();
        let mut exchange = testing::exchange("/", &headers);
        answer_of(compile(&RefererRestriction, conf).access(&mut exchange))
    }

    #[test]
    fn lists_decide_by_the_host() {
        let whitelist = r#"{"whitelist": ["*.xx.com", "yy.com", "[::1]"]}"#;
        let blacklist = r#"{"blacklist": ["*.xx.com", "yy.com", "[::1]"]}"#;
        let cases = [
            ("http://xx.com", false),
            ("http://a.xx.com/path?q", true),
            ("https://yy.com", true),
            ("https://yy.com:8443/x", true),
            ("//yy.com/x", true),
            ("https://yy.com.evil.com", false),
            ("https://www.yy.com", false),
            ("http://[::1]:80/", true),
        ];
        for (referer, is_listed) in cases {
            let refused = Some((403, REFUSED.to_owned()));
            assert_eq!(run(whitelist, Some(referer)).is_none(), is_listed, "{referer}");
            assert_eq!(run(blacklist, Some(referer)), refused.filter(|_| is_listed), "{referer}");
        }
    }

    #[test]
    fn missing_and_malformed_headers_are_refused_unless_bypassed() {
        for referer in [None, Some("www.yy.com"), Some("ftp://yy.com"), Some("https://"), Some("http://[::1")] {
            assert_eq!(run(r#"{"blacklist": ["xx.com"]}"#, referer), Some((403, REFUSED.to_owned())), "{referer:?}");
            assert_eq!(run(r#"{"whitelist": ["xx.com"], "bypass_missing": true}"#, referer), None, "{referer:?}");
        }
        let conf = r#"{"blacklist": ["yy.com"], "message": "go"}"#;
        assert_eq!(run(conf, Some("http://yy.com")), Some((403, "{\"message\":\"go\"}\n".to_owned())));
    }

    #[test]
    fn refused_configurations() {
        let both = json!({ "whitelist": ["a.com"], "blacklist": ["b.com"] });
        let text = testing::refusal_of(&RefererRestriction, &both);
        assert_eq!(text, "value should match only one schema, but matches both schemas 1 and 2");
        let text = testing::refusal_of(&RefererRestriction, &json!({ "whitelist": ["a/b"] }));
        let place = "property \"whitelist\" validation failed: failed to validate item 1: failed to match pattern ";
        assert!(text.starts_with(place), "{text}");
    }
}
