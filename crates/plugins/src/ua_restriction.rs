//! `ua-restriction`: who may call, by what the User-Agent header says.
//!
//! ```json
//! { "denylist": ["my-bot2", "(Twitterspider)/(\\d+)\\.(\\d+)"], "bypass_missing": false, "message": "Not allowed" }
//! ```
//! Source: <https://apisix.apache.org/docs/apisix/plugins/ua-restriction/>

use std::sync::{Arc, LazyLock};

use http::StatusCode;
use http::header::USER_AGENT;
use model::Fault;
use plugin_api::schema::with_meta;
use plugin_api::{CompileInput, Exchange, Flow, Phases, Plugin, PluginType, Reply};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::pattern::Patterns;

/// The plugin by name.
pub(crate) struct UaRestriction;

#[derive(Deserialize)]
struct Conf {
    #[serde(default)]
    bypass_missing: bool,
    allowlist: Option<Vec<String>>,
    #[serde(default)]
    denylist: Vec<String>,
    #[serde(default = "not_allowed")]
    message: String,
}

fn not_allowed() -> String {
    "Not allowed".to_owned()
}

impl PluginType for UaRestriction {
    fn name(&self) -> &'static str {
        "ua-restriction"
    }

    fn priority(&self) -> i32 {
        2999
    }

    fn schema(&self) -> &'static Value {
        static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
            let list = json!({ "type": "array", "minItems": 1, "items": { "type": "string", "minLength": 1 } });
            with_meta(json!({
                "type": "object",
                "properties": {
                    "bypass_missing": { "type": "boolean", "default": false },
                    "allowlist": list,
                    "denylist": list,
                    "message": { "type": "string", "minLength": 1, "maxLength": 1024, "default": not_allowed() },
                },
                "oneOf": [{ "required": ["allowlist"] }, { "required": ["denylist"] }],
            }))
        });
        &SCHEMA
    }

    fn compile(&self, input: &CompileInput<'_>) -> Result<Arc<dyn Plugin>, Fault> {
        let conf: Conf = crate::read(input.conf)?;
        let list = match &conf.allowlist {
            Some(allowlist) => List::Allowed(Patterns::each_of(allowlist, "/allowlist")?),
            None => List::Denied(Patterns::each_of(&conf.denylist, "/denylist")?),
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
    Allowed(Patterns),
    Denied(Patterns),
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases::ACCESS
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Flow<'a> {
        if self.may_pass(exchange) { Flow::CONTINUE } else { Flow::reply(self.refusal.clone()) }
    }
}

impl Compiled {
    /// Of several headers, one on the allow list is enough, and one on the deny list is too many.
    fn may_pass(&self, exchange: &Exchange) -> bool {
        let values = exchange.headers.get_all(USER_AGENT).iter();
        let mut agents = values.map(|value| String::from_utf8_lossy(value.as_bytes())).peekable();
        if agents.peek().is_none() {
            return self.bypass_missing;
        }
        match &self.list {
            List::Allowed(patterns) => agents.any(|agent| patterns.any_matches(agent.trim()).unwrap_or(false)),
            List::Denied(patterns) => !agents.any(|agent| patterns.any_matches(agent.trim()).unwrap_or(true)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, answer_of, compile};

    const REFUSED: &str = "{\"message\":\"Not allowed\"}\n";

    fn run(conf: &str, agents: &[&str]) -> Option<(u16, String)> {
        let headers: Vec<_> = agents.iter().map(|agent| ("user-agent", *agent)).collect();
        let mut exchange = testing::exchange("/", &headers);
        answer_of(compile(&UaRestriction, conf).access(&mut exchange))
    }

    #[test]
    fn lists_decide() {
        let allow = r#"{"allowlist": ["my-bot1", "(Baiduspider)/(\\d+)\\.(\\d+)"]}"#;
        let deny = r#"{"denylist": ["my-bot1", "(Baiduspider)/(\\d+)\\.(\\d+)"]}"#;
        let cases: [(&[&str], bool); 6] = [
            (&["my-bot1"], true),
            (&["  Baiduspider/3.0 "], true),
            (&["MY-BOT1"], false),
            (&["foo/bar"], false),
            (&["foo/bar", "my-bot1"], true),
            (&[""], false),
        ];
        for (agents, is_listed) in cases {
            let refused = Some((403, REFUSED.to_owned()));
            assert_eq!(run(allow, agents).is_none(), is_listed, "{agents:?}");
            assert_eq!(run(deny, agents), refused.filter(|_| is_listed), "{agents:?}");
        }
    }

    #[test]
    fn a_missing_header_is_refused_unless_bypassed() {
        assert_eq!(run(r#"{"denylist": ["a"]}"#, &[]), Some((403, REFUSED.to_owned())));
        assert_eq!(run(r#"{"allowlist": ["a"], "bypass_missing": true}"#, &[]), None);
        let conf = r#"{"denylist": ["foo"], "message": "User-Agent Forbidden"}"#;
        assert_eq!(run(conf, &["foo"]), Some((403, "{\"message\":\"User-Agent Forbidden\"}\n".to_owned())));
    }

    #[test]
    fn refused_configurations() {
        let both = json!({ "allowlist": ["a"], "denylist": ["b"] });
        let text = testing::refusal_of(&UaRestriction, &both);
        assert_eq!(text, "value should match only one schema, but matches both schemas 1 and 2");
        let text = testing::refusal_of(&UaRestriction, &json!({}));
        assert!(text.starts_with("value should match only one schema, but matches none"), "{text}");
        let conf = json!({ "denylist": ["(Baiduspider)/("] });
        let input = plugin_api::testing::input(&conf);
        assert_eq!(UaRestriction.compile(&input).err().expect("a fault").pointer, "/denylist/0");
    }
}
