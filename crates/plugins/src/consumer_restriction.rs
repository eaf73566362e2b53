//! `consumer-restriction`: which consumers, consumer groups, services or routes may pass.
//!
//! ```json
//! { "type": "consumer_name", "whitelist": ["jack"], "allowed_by_methods": [{ "user": "ann", "methods": ["GET"] }] }
//! ```
//! Source: <https://apisix.apache.org/docs/apisix/plugins/consumer-restriction/>

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use http::StatusCode;
use model::Fault;
use plugin_api::schema::with_meta;
use plugin_api::{CompileInput, Exchange, Flow, Phases, Plugin, PluginType, Reply};
use serde::Deserialize;
use serde_json::{Value, json};

/// The plugin by name.
pub(crate) struct ConsumerRestriction;

#[derive(Deserialize)]
struct Conf {
    #[serde(default, rename = "type")]
    subject: Subject,
    #[serde(default)]
    blacklist: Names,
    whitelist: Option<Names>,
    #[serde(default)]
    allowed_by_methods: Vec<AllowedMethods>,
    #[serde(default = "forbidden")]
    rejected_code: u16,
    rejected_msg: Option<String>,
}

/// What the lists name.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Subject {
    #[default]
    ConsumerName,
    ServiceId,
    RouteId,
    ConsumerGroupId,
}

type Names = HashSet<Box<str>, foldhash::fast::RandomState>;

#[derive(Deserialize)]
struct AllowedMethods {
    user: Option<Box<str>>,
    #[serde(default)]
    methods: Vec<Box<str>>,
}

fn forbidden() -> u16 {
    403
}

impl PluginType for ConsumerRestriction {
    fn name(&self) -> &'static str {
        "consumer-restriction"
    }

    fn priority(&self) -> i32 {
        2400
    }

    fn schema(&self) -> &'static Value {
        static SCHEMA: LazyLock<Value> = LazyLock::new(|| with_meta(schema()));
        &SCHEMA
    }

    fn compile(&self, input: &CompileInput<'_>) -> Result<Arc<dyn Plugin>, Fault> {
        let conf: Conf = crate::read(input.conf)?;
        let status = StatusCode::from_u16(conf.rejected_code);
        let status = status.map_err(|_| Fault::new("/rejected_code", "must be a status code from 200 to 999"))?;
        let name = conf.subject.name();
        let forbidden = conf.rejected_msg.clone().unwrap_or_else(|| format!("The {name} is forbidden."));
        let unknown = format!("The request is rejected, please check the {name} for this request");
        Ok(Arc::new(Compiled {
            forbidden: Reply::message(status, &forbidden),
            unknown: Reply::message(StatusCode::UNAUTHORIZED, &unknown),
            conf,
        }))
    }
}

fn schema() -> Value {
    const METHODS: [&str; 10] =
        ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "CONNECT", "TRACE", "PURGE"];
    let list = json!({ "type": "array", "minItems": 1, "items": { "type": "string" } });
    let methods = json!({
        "type": "array",
        "minItems": 1,
        "items": { "description": "HTTP method", "type": "string", "enum": METHODS },
    });
    json!({
        "type": "object",
        "properties": {
            "type": {
                "type": "string",
                "enum": ["consumer_name", "service_id", "route_id", "consumer_group_id"],
                "default": "consumer_name",
            },
            "blacklist": list,
            "whitelist": list,
            "allowed_by_methods": {
                "type": "array",
                "items": { "type": "object", "properties": { "user": { "type": "string" }, "methods": methods } },
            },
            "rejected_code": { "type": "integer", "minimum": 200, "default": forbidden() },
            "rejected_msg": { "type": "string" },
        },
        "anyOf": [
            { "required": ["blacklist"] },
            { "required": ["whitelist"] },
            { "required": ["allowed_by_methods"] },
        ],
    })
}

impl Subject {
    fn name(self) -> &'static str {
        match self {
            Subject::ConsumerName => "consumer_name",
            Subject::ServiceId => "service_id",
            Subject::RouteId => "route_id",
            Subject::ConsumerGroupId => "consumer_group_id",
        }
    }

    fn of(self, exchange: &Exchange) -> Option<&str> {
        let consumer = exchange.consumer.as_ref().map(|entry| &*entry.consumer);
        let route = exchange.route();
        match self {
            Subject::ConsumerName => Some(&consumer?.username),
            Subject::ServiceId => route?.service_id.as_deref(),
            Subject::RouteId => Some(&route?.id),
            Subject::ConsumerGroupId => consumer?.group_id.as_deref(),
        }
    }
}

struct Compiled {
    conf: Conf,
    forbidden: Reply,
    unknown: Reply,
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases::ACCESS
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Flow<'a> {
        match self.conf.subject.of(exchange) {
            None => Flow::reply(self.unknown.clone()),
            Some(subject) if self.conf.admits(subject, exchange.method.as_str()) => Flow::CONTINUE,
            Some(_) => Flow::reply(self.forbidden.clone()),
        }
    }
}

impl Conf {
    /// The blacklist first; whoever stands on the whitelist passes with every method, and where there is one nobody else
    /// does. Without a whitelist the rules by method decide.
    fn admits(&self, subject: &str, method: &str) -> bool {
        if self.blacklist.contains(subject) {
            return false;
        }
        match &self.whitelist {
            Some(whitelist) => whitelist.contains(subject),
            None => self.admits_method(subject, method),
        }
    }

    /// Whoever no rule names may use every method.
    fn admits_method(&self, subject: &str, method: &str) -> bool {
        let rule = self.allowed_by_methods.iter().find(|rule| rule.user.as_deref() == Some(subject));
        rule.is_none_or(|rule| rule.methods.iter().any(|allowed| **allowed == *method))
    }
}

#[cfg(test)]
mod tests {
    use http::Method;
    use plugin_api::testing::matched;
    use plugin_api::{ConsumerEntry, ConsumerInfo, RouteInfo};

    use super::*;
    use crate::testing::{self, answer_of, compile};

    fn run(conf: &str, consumer: Option<&str>, method: Method) -> Option<(u16, String)> {
        let mut exchange = testing::exchange("/", &[]);
        exchange.method = method;
        exchange.consumer =
            consumer.and_then(|name| exchange.consumers.find("key-auth", &format!("{name}-key"))).cloned();
        answer_of(compile(&ConsumerRestriction, conf).access(&mut exchange))
    }

    #[test]
    fn lists_of_consumers() {
        let refused = |code: u16, text: &str| Some((code, format!("{{\"message\":\"{text}\"}}\n")));
        let forbidden = || refused(403, "The consumer_name is forbidden.");
        let by_method = r#"{"allowed_by_methods": [{"user": "jack", "methods": ["POST"]}]}"#;
        let mixed = r#"{"whitelist": ["ann"], "allowed_by_methods": [{"user": "jack", "methods": ["POST"]}]}"#;
        let others = r#"{"whitelist": ["eve"], "allowed_by_methods": [{"user": "jack", "methods": ["POST"]}]}"#;
        let banned = r#"{"blacklist": ["jack"], "allowed_by_methods": [{"user": "jack", "methods": ["POST"]}]}"#;
        let own = r#"{"blacklist": ["jack"], "rejected_code": 401, "rejected_msg": "go away"}"#;
        let cases = [
            (r#"{"whitelist": ["jack"]}"#, Some("jack"), Method::GET, None),
            (r#"{"whitelist": ["jack"]}"#, Some("ann"), Method::GET, forbidden()),
            (r#"{"blacklist": ["jack"]}"#, Some("jack"), Method::GET, forbidden()),
            (r#"{"blacklist": ["jack"]}"#, Some("ann"), Method::GET, None),
            (own, Some("jack"), Method::GET, refused(401, "go away")),
            (by_method, Some("jack"), Method::POST, None),
            (by_method, Some("jack"), Method::GET, forbidden()),
            (by_method, Some("ann"), Method::GET, None),
            (mixed, Some("ann"), Method::DELETE, None),
            (mixed, Some("jack"), Method::POST, forbidden()),
            (mixed, Some("jack"), Method::GET, forbidden()),
            (others, Some("ann"), Method::GET, forbidden()),
            (banned, Some("jack"), Method::POST, forbidden()),
            (
                r#"{"whitelist": ["jack"]}"#,
                None,
                Method::GET,
                refused(401, "The request is rejected, please check the consumer_name for this request"),
            ),
        ];
        for (conf, consumer, method, answer) in cases {
            assert_eq!(run(conf, consumer, method.clone()), answer, "{conf} {consumer:?} {method}");
        }
    }

    #[test]
    fn other_subjects() {
        let forbidden = |subject: &str| Some((403, format!("{{\"message\":\"The {subject} is forbidden.\"}}\n")));
        let unknown = |subject: &str| {
            let text = format!("The request is rejected, please check the {subject} for this request");
            Some((401, format!("{{\"message\":\"{text}\"}}\n")))
        };
        for (subject, id) in [("route_id", "r1"), ("service_id", "s1"), ("consumer_group_id", "g1")] {
            let blacklist = format!(r#"{{"type": "{subject}", "blacklist": ["{id}"]}}"#);
            let whitelist = format!(r#"{{"type": "{subject}", "whitelist": ["{id}"]}}"#);
            let mut exchange = testing::exchange("/", &[]);
            let consumer = Arc::new(ConsumerInfo { group_id: Some("g1".into()), ..ConsumerInfo::default() });
            let entry = ConsumerEntry { consumer, credential_id: None, conf: Value::Null, prepared: None };
            exchange.consumer = Some(Arc::new(entry));
            exchange.route =
                matched(RouteInfo { id: "r1".into(), service_id: Some("s1".into()), ..RouteInfo::default() });
            let compiled = compile(&ConsumerRestriction, &blacklist);
            assert_eq!(answer_of(compiled.access(&mut exchange)), forbidden(subject));
            assert_eq!(answer_of(compile(&ConsumerRestriction, &whitelist).access(&mut exchange)), None);
            (exchange.consumer, exchange.route) = (None, None);
            assert_eq!(answer_of(compiled.access(&mut exchange)), unknown(subject));
        }
    }

    #[test]
    fn refused_configurations() {
        let cases = [
            (
                json!({}),
                "object matches none of the required: [\"blacklist\"] or [\"whitelist\"] or [\"allowed_by_methods\"]",
            ),
            (
                json!({ "type": "name", "whitelist": ["a"] }),
                "property \"type\" validation failed: matches none of the enum values",
            ),
            (
                json!({ "whitelist": [] }),
                "property \"whitelist\" validation failed: expect array to have at least 1 items",
            ),
        ];
        for (conf, reason) in cases {
            assert_eq!(testing::refusal_of(&ConsumerRestriction, &conf), reason, "{conf}");
        }
    }
}
