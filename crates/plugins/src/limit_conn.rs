//! `limit-conn`: so many requests at once.
//!
//! ```json
//! { "conn": 100, "burst": 50, "default_conn_delay": 0.1, "key": "remote_addr", "rejected_code": 503 }
//! ```
//! Source: <https://apisix.apache.org/docs/apisix/plugins/limit-conn/>

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use limit::{Concurrency, ConcurrencyTable};
use model::Fault;
use plugin_api::schema::with_meta;
use plugin_api::{CompileInput, Exchange, Flow, Phases, Plugin, PluginType, Reply};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::limit_count::counters;
use crate::limit_count::rule::{Key, KeyType};
use crate::limit_req::{held_back, refusal, refuse_redis};

/// Keys at once.
const KEYS: usize = 256 * 1024;
/// A request is not held back for less than this, in seconds.
const SHORTEST_DELAY: f64 = 0.001;

static TABLE: LazyLock<ConcurrencyTable> = LazyLock::new(|| ConcurrencyTable::with_room_for(KEYS));

/// The plugin by name.
pub(crate) struct LimitConn;

#[derive(Deserialize)]
struct Conf {
    conn: u64,
    burst: u64,
    default_conn_delay: f64,
    #[serde(default)]
    only_use_default_delay: bool,
    key: String,
    #[serde(default)]
    key_type: KeyType,
    #[serde(default = "unavailable")]
    rejected_code: u16,
    rejected_msg: Option<String>,
    policy: Option<String>,
}

fn unavailable() -> u16 {
    503
}

impl PluginType for LimitConn {
    fn name(&self) -> &'static str {
        "limit-conn"
    }

    fn priority(&self) -> i32 {
        1003
    }

    fn schema(&self) -> &'static Value {
        static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
            with_meta(json!({
                "type": "object",
                "properties": {
                    "conn": { "type": "integer", "exclusiveMinimum": 0 },
                    "burst": { "type": "integer", "minimum": 0 },
                    "default_conn_delay": { "type": "number", "exclusiveMinimum": 0 },
                    "only_use_default_delay": { "type": "boolean", "default": false },
                    "key": { "type": "string" },
                    "key_type": { "type": "string", "enum": ["var", "var_combination"], "default": "var" },
                    "policy": { "type": "string", "enum": ["redis", "redis-cluster", "local"], "default": "local" },
                    "rejected_code": { "type": "integer", "minimum": 200, "maximum": 599, "default": 503 },
                    "rejected_msg": { "type": "string", "minLength": 1 },
                    "allow_degradation": { "type": "boolean", "default": false },
                },
                "required": ["conn", "burst", "default_conn_delay", "key"],
            }))
        });
        &SCHEMA
    }

    fn compile(&self, input: &CompileInput<'_>) -> Result<Arc<dyn Plugin>, Fault> {
        let conf: Conf = crate::read(input.conf)?;
        refuse_redis(conf.policy.as_deref())?;
        Ok(Arc::new(Compiled {
            limit: Concurrency {
                most: conf.conn,
                burst: conf.burst,
                default_delay: conf.default_conn_delay,
                only_default_delay: conf.only_use_default_delay,
            },
            seed: counters::seed(None, input),
            key: Key::new(conf.key_type, &conf.key),
            refusal: refusal(conf.rejected_code, conf.rejected_msg.as_deref())?,
        }))
    }
}

struct Compiled {
    limit: Concurrency,
    seed: u64,
    key: Key,
    refusal: Reply,
}

/// A request that counts, from here until it is dropped with its exchange, whichever way it ends.
struct Entered {
    key: u64,
    since: Instant,
}

impl Drop for Entered {
    fn drop(&mut self) {
        TABLE.leave(self.key, self.since.elapsed().as_secs_f64());
    }
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases::ACCESS
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Flow<'a> {
        let key = self.key.hashed(self.seed, exchange);
        let Some(delay) = TABLE.enter(key, self.limit) else {
            return Flow::reply(self.refusal.clone());
        };
        exchange.kept.put(self, Entered { key, since: Instant::now() });
        if delay < SHORTEST_DELAY { Flow::CONTINUE } else { held_back(delay) }
    }
}

#[cfg(test)]
mod tests {
    use plugin_api::Verdict;

    use super::*;
    use crate::testing::{self, compile, refusal_of};

    /// A request that has passed: `-` goes on, `w` waits, else the status.
    fn enter(plugin: &Arc<dyn Plugin>) -> (Exchange, String) {
        let mut exchange = testing::exchange("/", &[]);
        let verdict = match plugin.access(&mut exchange) {
            Flow::Done(Verdict::Continue) => "-".to_owned(),
            Flow::Done(Verdict::Reply(reply)) => reply.status.as_u16().to_string(),
            Flow::Wait(_) => "w".to_owned(),
        };
        (exchange, verdict)
    }

    #[test]
    fn requests_count_until_they_end() {
        let conf = r#"{"conn": 1, "burst": 1, "default_conn_delay": 0.1, "key": "remote_addr", "rejected_code": 429}"#;
        let plugin = compile(&LimitConn, conf);
        let (first, second, third) = (enter(&plugin), enter(&plugin), enter(&plugin));
        assert_eq!([&first.1, &second.1, &third.1], ["-", "w", "429"]);
        drop((first, third));
        assert_eq!(enter(&plugin).1, "w", "a refused one takes no place");
        drop(second);
        assert_eq!(enter(&plugin).1, "-");
    }

    #[test]
    fn what_is_missing_is_named() {
        let conf = json!({ "conn": 1, "burst": 1, "key": "a" });
        assert_eq!(refusal_of(&LimitConn, &conf), "property \"default_conn_delay\" is required");
    }
}
