//! `ip-restriction`: who may call, by address.
//!
//! ```json
//! { "whitelist": ["127.0.0.1", "113.74.26.106/24"], "message": "Your IP address is not allowed", "response_code": 403 }
//! ```
//! Source: <https://apisix.apache.org/docs/apisix/plugins/ip-restriction/>

use std::sync::{Arc, LazyLock};

use http::StatusCode;
use model::Fault;
use plugin_api::schema::with_meta;
use plugin_api::{CompileInput, Exchange, Flow, Phases, Plugin, PluginType, Reply};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::ip_set::{self, IpSet};

/// The plugin by name.
pub(crate) struct IpRestriction;

#[derive(Deserialize)]
struct Conf {
    whitelist: Option<Vec<String>>,
    #[serde(default)]
    blacklist: Vec<String>,
    #[serde(default = "not_allowed")]
    message: String,
    #[serde(default = "forbidden")]
    response_code: u16,
}

fn not_allowed() -> String {
    "Your IP address is not allowed".to_owned()
}

fn forbidden() -> u16 {
    403
}

impl PluginType for IpRestriction {
    fn name(&self) -> &'static str {
        "ip-restriction"
    }

    fn priority(&self) -> i32 {
        3000
    }

    fn schema(&self) -> &'static Value {
        static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
            let list = json!({ "type": "array", "items": ip_set::item_schema(), "minItems": 1 });
            with_meta(json!({
                "type": "object",
                "properties": {
                    "message": { "type": "string", "minLength": 1, "maxLength": 1024, "default": not_allowed() },
                    "response_code": { "type": "integer", "minimum": 403, "maximum": 404, "default": forbidden() },
                    "whitelist": list,
                    "blacklist": list,
                },
                "oneOf": [{ "required": ["whitelist"] }, { "required": ["blacklist"] }],
            }))
        });
        &SCHEMA
    }

    fn compile(&self, input: &CompileInput<'_>) -> Result<Arc<dyn Plugin>, Fault> {
        let conf: Conf = crate::read(input.conf)?;
        let status = StatusCode::from_u16(conf.response_code);
        let status = status.map_err(|_| Fault::new("/response_code", "must be 403 or 404"))?;
        let list = match &conf.whitelist {
            Some(whitelist) => List::Allowed(IpSet::parse(whitelist, "/whitelist")?),
            None => List::Denied(IpSet::parse(&conf.blacklist, "/blacklist")?),
        };
        Ok(Arc::new(Compiled { list, refusal: Reply::message(status, &conf.message) }))
    }
}

struct Compiled {
    list: List,
    refusal: Reply,
}

enum List {
    Allowed(IpSet),
    Denied(IpSet),
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases::ACCESS
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Flow<'a> {
        let address = exchange.client.remote.ip();
        let may_pass = match &self.list {
            List::Allowed(set) => set.contains(address),
            List::Denied(set) => !set.contains(address),
        };
        if may_pass { Flow::CONTINUE } else { Flow::reply(self.refusal.clone()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, answer_of, compile};

    fn run(conf: &str, client: &str) -> Option<(u16, String)> {
        let mut exchange = testing::exchange("/", &[]);
        std::rc::Rc::make_mut(&mut exchange.client).remote.set_ip(client.parse().expect("address"));
        answer_of(compile(&IpRestriction, conf).access(&mut exchange))
    }

    #[test]
    fn lists_decide() {
        let refused = || Some((403, "{\"message\":\"Your IP address is not allowed\"}\n".to_owned()));
        let whitelist = r#"{"whitelist": ["127.0.0.0/24", "113.74.26.106", "::1", "fe80::/32"]}"#;
        let blacklist = r#"{"blacklist": ["127.0.0.0/24", "113.74.26.106", "::1", "fe80::/32"]}"#;
        let cases = [
            ("127.0.0.9", true),
            ("113.74.26.106", true),
            ("113.74.26.107", false),
            ("::1", true),
            ("fe80::1", true),
            ("fe81::1", false),
            ("::ffff:127.0.0.9", true),
        ];
        for (client, is_listed) in cases {
            assert_eq!(run(whitelist, client), if is_listed { None } else { refused() }, "{client}");
            assert_eq!(run(blacklist, client), if is_listed { refused() } else { None }, "{client}");
        }
    }

    #[test]
    fn message_and_code_are_the_users() {
        let conf =
            r#"{"blacklist": ["192.0.2.7"], "message": "Do you want to do something bad?", "response_code": 404}"#;
        let body = "{\"message\":\"Do you want to do something bad?\"}\n".to_owned();
        assert_eq!(run(conf, "192.0.2.7"), Some((404, body)));
    }

    #[test]
    fn refused_configurations() {
        let both = "value should match only one schema, but matches both schemas 1 and 2";
        let item = |list: &str| {
            format!(
                "property \"{list}\" validation failed: failed to validate item 1: object matches none of the required"
            )
        };
        let cases = [
            (json!({ "whitelist": ["::1"], "blacklist": ["::1"] }), both.to_owned()),
            (json!({ "whitelist": ["255.255.255.256"] }), item("whitelist")),
            (json!({ "blacklist": ["127.0.0.1/33"] }), item("blacklist")),
            (
                json!({ "blacklist": [] }),
                "property \"blacklist\" validation failed: expect array to have at least 1 items".to_owned(),
            ),
            (
                json!({ "blacklist": ["::1"], "response_code": 405 }),
                "property \"response_code\" validation failed: expected 405 to be at most 404".to_owned(),
            ),
            (
                json!({ "blacklist": ["::1"], "message": "" }),
                "property \"message\" validation failed: string too short, expected at least 1, got 0".to_owned(),
            ),
        ];
        for (conf, reason) in cases {
            assert_eq!(testing::refusal_of(&IpRestriction, &conf), reason, "{conf}");
        }
        let conf = json!({ "whitelist": ["::1/129"] });
        assert_eq!(testing::refusal_of(&IpRestriction, &conf), "invalid ip address: ::1/129");
    }
}
