//! `limit-req`: requests at an even rate.
//!
//! ```json
//! { "rate": 1, "burst": 2, "key": "remote_addr", "key_type": "var", "rejected_code": 429 }
//! ```
//! Source: <https://apisix.apache.org/docs/apisix/plugins/limit-req/>

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use http::StatusCode;
use limit::{LeakyTable, Rate};
use model::Fault;
use plugin_api::schema::with_meta;
use plugin_api::{CompileInput, Exchange, Flow, Phases, Plugin, PluginType, Reply, Verdict};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::limit_count::counters;
use crate::limit_count::rule::{Key, KeyType};

/// Keys at once.
const KEYS: usize = 256 * 1024;
/// A request is not held back for less than this, in seconds.
const SHORTEST_DELAY: f64 = 0.001;

static TABLE: LazyLock<LeakyTable> = LazyLock::new(|| LeakyTable::with_room_for(KEYS));

/// The plugin by name.
pub(crate) struct LimitReq;

#[derive(Deserialize)]
struct Conf {
    rate: f64,
    burst: f64,
    key: String,
    #[serde(default)]
    key_type: KeyType,
    #[serde(default = "unavailable")]
    rejected_code: u16,
    rejected_msg: Option<String>,
    #[serde(default)]
    nodelay: bool,
    policy: Option<String>,
}

fn unavailable() -> u16 {
    503
}

impl PluginType for LimitReq {
    fn name(&self) -> &'static str {
        "limit-req"
    }

    fn priority(&self) -> i32 {
        1001
    }

    fn schema(&self) -> &'static Value {
        static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
            with_meta(json!({
                "type": "object",
                "properties": {
                    "rate": { "type": "number", "exclusiveMinimum": 0 },
                    "burst": { "type": "number", "minimum": 0 },
                    "key": { "type": "string" },
                    "key_type": { "type": "string", "enum": ["var", "var_combination"], "default": "var" },
                    "policy": { "type": "string", "enum": ["redis", "redis-cluster", "local"], "default": "local" },
                    "rejected_code": { "type": "integer", "minimum": 200, "maximum": 599, "default": 503 },
                    "rejected_msg": { "type": "string", "minLength": 1 },
                    "nodelay": { "type": "boolean", "default": false },
                    "allow_degradation": { "type": "boolean", "default": false },
                },
                "required": ["rate", "burst", "key"],
            }))
        });
        &SCHEMA
    }

    fn compile(&self, input: &CompileInput<'_>) -> Result<Arc<dyn Plugin>, Fault> {
        let conf: Conf = crate::read(input.conf)?;
        refuse_redis(conf.policy.as_deref())?;
        Ok(Arc::new(Compiled {
            rate: Rate { per_second: conf.rate, burst: conf.burst },
            seed: counters::seed(None, input),
            key: Key::new(conf.key_type, &conf.key),
            refusal: refusal(conf.rejected_code, conf.rejected_msg.as_deref())?,
            nodelay: conf.nodelay,
        }))
    }
}

/// Counters beyond the instance are not there yet.
pub(crate) fn refuse_redis(policy: Option<&str>) -> Result<(), Fault> {
    match policy.filter(|policy| *policy != "local") {
        Some(policy) => {
            let message = format!("policy \"{policy}\" is not supported yet: use \"local\", or leave it out");
            Err(Fault::new("/policy", message))
        }
        None => Ok(()),
    }
}

/// `{"error_msg": ...}` with the message given, else the status and its page.
pub(crate) fn refusal(code: u16, message: Option<&str>) -> Result<Reply, Fault> {
    let status = StatusCode::from_u16(code);
    let status = status.map_err(|_| Fault::new("/rejected_code", "must be a status code from 200 to 599"))?;
    Ok(message.map_or_else(|| Reply::page(status), |message| Reply::error_msg(status, message)))
}

struct Compiled {
    rate: Rate,
    seed: u64,
    key: Key,
    refusal: Reply,
    nodelay: bool,
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases::ACCESS
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Flow<'a> {
        let key = self.key.hashed(self.seed, exchange);
        match TABLE.take(key, self.rate, counters::now_ms()) {
            None => Flow::reply(self.refusal.clone()),
            Some(delay) if self.nodelay || delay < SHORTEST_DELAY => Flow::CONTINUE,
            Some(delay) => held_back(delay),
        }
    }
}

/// Goes on after so many seconds.
pub(crate) fn held_back<'a>(seconds: f64) -> Flow<'a> {
    let delay = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    Flow::Wait(Box::pin(async move {
        tokio::time::sleep(delay).await;
        Verdict::Continue
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, compile, refusal_of};

    /// `-` goes on, `w` waits, else the status.
    fn run(plugin: &Arc<dyn Plugin>, headers: &[(&str, &str)]) -> String {
        match plugin.access(&mut testing::exchange("/", headers)) {
            Flow::Done(Verdict::Continue) => "-".to_owned(),
            Flow::Done(Verdict::Reply(reply)) => {
                format!("{} {}", reply.status.as_u16(), String::from_utf8_lossy(&reply.body).trim())
            }
            Flow::Wait(_) => "w".to_owned(),
        }
    }

    #[test]
    fn what_is_ahead_of_the_rate_waits_or_is_refused() {
        let plugin =
            compile(&LimitReq, r#"{"rate": 0.1, "burst": 1, "key": "remote_addr", "rejected_msg": "slow down"}"#);
        let refused = r#"503 {"error_msg":"slow down"}"#;
        assert_eq!([run(&plugin, &[]), run(&plugin, &[]), run(&plugin, &[])], ["-", "w", refused]);
        let plugin = compile(
            &LimitReq,
            r#"{"rate": 0.1, "burst": 1, "key": "http_x_id", "nodelay": true, "rejected_code": 429}"#,
        );
        let a = [("x-id", "a")];
        assert_eq!([run(&plugin, &a), run(&plugin, &a)], ["-", "-"]);
        assert!(run(&plugin, &a).starts_with("429 <html>"), "without words it is nginx's page");
        assert_eq!(run(&plugin, &[("x-id", "b")]), "-", "another key");
        assert_eq!(run(&plugin, &[]), "-", "the address takes an empty key's place");
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(refusal_of(&LimitReq, &json!({ "burst": 1, "key": "a" })), "property \"rate\" is required");
        let redis = json!({ "rate": 1, "burst": 1, "key": "a", "policy": "redis" });
        assert!(refusal_of(&LimitReq, &redis).contains("not supported yet"));
    }
}
