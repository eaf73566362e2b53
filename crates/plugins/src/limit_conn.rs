//! `limit-conn`: so many requests at once.
//!
//! ```json
//! { "conn": 100, "burst": 50, "default_conn_delay": 0.1, "key": "remote_addr", "rejected_code": 503 }
//! ```
//! Source: <https://apisix.apache.org/docs/apisix/plugins/limit-conn/>

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use http::StatusCode;
use limit::{Concurrency, ConcurrencyTable};
use model::Fault;
use plugin_api::schema::with_meta;
use plugin_api::{CompileInput, Exchange, Flow, Phases, Plugin, PluginType, Reply};
use serde::Deserialize;
use serde_json::{Value, json};
use smallvec::SmallVec;

use crate::limit_count::counters;
use crate::limit_count::rule::{Amount, Key, KeyType};
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
    conn: Option<Value>,
    burst: Option<Value>,
    default_conn_delay: f64,
    #[serde(default)]
    only_use_default_delay: bool,
    key: Option<String>,
    #[serde(default)]
    key_type: KeyType,
    #[serde(default)]
    rules: Vec<RuleConf>,
    #[serde(default = "unavailable")]
    rejected_code: u16,
    rejected_msg: Option<String>,
    policy: Option<String>,
    #[serde(default)]
    allow_degradation: bool,
}

#[derive(Deserialize)]
struct RuleConf {
    conn: Option<Value>,
    burst: Option<Value>,
    key: String,
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
            let amount = |least: Value| json!({ "oneOf": [least, { "type": "string" }] });
            let conn = amount(json!({ "type": "integer", "exclusiveMinimum": 0 }));
            let burst = amount(json!({ "type": "integer", "minimum": 0 }));
            with_meta(json!({
                "type": "object",
                "properties": {
                    "conn": conn,
                    "burst": burst,
                    "default_conn_delay": { "type": "number", "exclusiveMinimum": 0 },
                    "only_use_default_delay": { "type": "boolean", "default": false },
                    "key": { "type": "string" },
                    "key_type": { "type": "string", "enum": ["var", "var_combination"], "default": "var" },
                    "rules": {
                        "type": "array",
                        "description": "several limits, instead of conn, burst and key",
                        "items": {
                            "type": "object",
                            "properties": { "conn": conn, "burst": burst, "key": { "type": "string" } },
                            "required": ["conn", "burst", "key"],
                        },
                    },
                    "policy": { "type": "string", "enum": ["redis", "redis-cluster", "local"], "default": "local" },
                    "rejected_code": { "type": "integer", "minimum": 200, "maximum": 599, "default": 503 },
                    "rejected_msg": { "type": "string", "minLength": 1 },
                    "allow_degradation": { "type": "boolean", "default": false },
                },
                "required": ["default_conn_delay"],
                "oneOf": [{ "required": ["conn", "burst", "key"] }, { "required": ["rules"] }],
            }))
        });
        &SCHEMA
    }

    fn compile(&self, input: &CompileInput<'_>) -> Result<Arc<dyn Plugin>, Fault> {
        let conf: Conf = crate::read(input.conf)?;
        refuse_redis(conf.policy.as_deref())?;
        Ok(Arc::new(Compiled {
            rules: rules(&conf, counters::seed(None, input))?,
            has_rules: !conf.rules.is_empty(),
            default_delay: conf.default_conn_delay,
            only_default_delay: conf.only_use_default_delay,
            refusal: refusal(conf.rejected_code, conf.rejected_msg.as_deref())?,
            allow_degradation: conf.allow_degradation,
        }))
    }
}

fn rules(conf: &Conf, seed: u64) -> Result<Vec<Rule>, Fault> {
    if conf.rules.is_empty() {
        let key = Key::new(conf.key_type, conf.key.as_deref().unwrap_or("remote_addr"));
        return Ok(vec![Rule::new("", seed, &conf.conn, &conf.burst, key)?]);
    }
    let rule = |(n, rule): (usize, &RuleConf)| {
        let pointer = format!("/rules/{n}");
        if conf.rules.iter().take(n).any(|other| other.key == rule.key) {
            return Err(Fault::new(pointer + "/key", format!("duplicate key '{}' in rules", rule.key)));
        }
        let seed = counters::seed_of_rule(seed, &rule.key);
        Rule::new(&pointer, seed, &rule.conn, &rule.burst, Key::of_rule(&rule.key))
    };
    conf.rules.iter().enumerate().map(rule).collect()
}

/// A compiled limit.
struct Rule {
    most: Amount,
    burst: Amount,
    seed: u64,
    key: Key,
}

impl Rule {
    /// Faults are below `pointer`.
    fn new(pointer: &str, seed: u64, conn: &Option<Value>, burst: &Option<Value>, key: Key) -> Result<Self, Fault> {
        let amount = |value: &Option<Value>, least: u64, field: &str| {
            Amount::parse(value.as_ref(), least).map_err(|message| Fault::new(format!("{pointer}/{field}"), message))
        };
        Ok(Self { most: amount(conn, 1, "conn")?, burst: amount(burst, 0, "burst")?, seed, key })
    }
}

struct Compiled {
    rules: Vec<Rule>,
    /// Whether `rules` were given: one that a request does not fit is left out then.
    has_rules: bool,
    default_delay: f64,
    only_default_delay: bool,
    refusal: Reply,
    allow_degradation: bool,
}

/// A request that counts, from here until it is dropped with its exchange, whichever way it ends.
struct Entered {
    key: u64,
    /// When it has been held back long enough. What it waits here is no part of what requests take: delays that are learnt
    /// from it would grow for as long as requests wait.
    goes_on: Option<Instant>,
}

impl Entered {
    /// A request that is held back for so many seconds.
    fn after(key: u64, delay: f64) -> Self {
        let delay = Duration::try_from_secs_f64(delay).ok();
        Self { key, goes_on: delay.and_then(|delay| Instant::now().checked_add(delay)) }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let taken = self.goes_on.and_then(|since| Instant::now().checked_duration_since(since));
        TABLE.leave(self.key, taken.map(|taken| taken.as_secs_f64()));
    }
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases::ACCESS
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Flow<'a> {
        let Some(limits) = self.limits(exchange) else { return self.without_limits(exchange) };
        let mut delay = 0.0;
        for (rule, key, limit) in limits {
            let Some(more) = TABLE.enter(key, limit) else { return Flow::reply(self.refusal.clone()) };
            delay += more;
            exchange.kept.put(rule, Entered::after(key, delay));
        }
        if delay < SHORTEST_DELAY { Flow::CONTINUE } else { held_back(delay) }
    }
}

/// The rules that hold for a request, each with its key and how far it counts.
type Limits<'r> = SmallVec<[(&'r Rule, u64, Concurrency); 1]>;

impl Compiled {
    /// What is counted for this request, and how far. None when one of the limits cannot be read, or where none applies: what
    /// a client sends must not switch a limit off.
    fn limits(&self, exchange: &Exchange) -> Option<Limits<'_>> {
        let mut limits = SmallVec::new();
        for rule in &self.rules {
            let key = match self.has_rules {
                true => rule.key.hashed_if_any(rule.seed, exchange),
                false => Some(rule.key.hashed(rule.seed, exchange)),
            };
            let Some(key) = key else { continue };
            let (most, _) = rule.most.resolve(exchange).ok()?;
            let (burst, _) = rule.burst.resolve(exchange).ok()?;
            let (default_delay, only_default_delay) = (self.default_delay, self.only_default_delay);
            limits.push((rule, key, Concurrency { most, burst, default_delay, only_default_delay }));
        }
        Some(limits).filter(|limits| !limits.is_empty())
    }

    fn without_limits<'a>(&self, exchange: &Exchange) -> Flow<'a> {
        if self.allow_degradation {
            return Flow::CONTINUE;
        }
        tracing::error!(uri = %exchange.uri, "limit-conn: no limit can be read from this request");
        Flow::reply(Reply::page(StatusCode::INTERNAL_SERVER_ERROR))
    }
}

#[cfg(test)]
mod tests {
    use plugin_api::Verdict;

    use super::*;
    use crate::testing::{self, compile, refusal_of};

    /// A request that has passed: `-` goes on, `w` waits, else the status.
    fn enter(plugin: &Arc<dyn Plugin>) -> (Exchange, String) {
        enter_with(plugin, &[])
    }

    fn enter_with(plugin: &Arc<dyn Plugin>, headers: &[(&str, &str)]) -> (Exchange, String) {
        let mut exchange = testing::exchange("/", headers);
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
    fn rules_count_where_they_fit() {
        let conf = json!({ "default_conn_delay": 0.1, "rules": [
            { "conn": 1, "burst": 0, "key": "$http_x_user" },
            { "conn": "${http_x_most}", "burst": "0", "key": "$http_x_tenant" },
        ] });
        let plugin = compile(&LimitConn, &conf.to_string());
        let ann = enter_with(&plugin, &[("x-user", "ann")]);
        assert_eq!([&ann.1, &enter_with(&plugin, &[("x-user", "ann")]).1], ["-", "503"]);
        let tenant = [("x-tenant", "blue"), ("x-most", "2")];
        let (one, two, three) =
            (enter_with(&plugin, &tenant), enter_with(&plugin, &tenant), enter_with(&plugin, &tenant));
        assert_eq!([&one.1, &two.1, &three.1], ["-", "-", "503"]);
        let both = [("x-user", "ann"), tenant[0], tenant[1]];
        drop(one);
        assert_eq!(enter_with(&plugin, &both).1, "503", "the first rule refuses");
        drop(ann);
        let ann = enter_with(&plugin, &both);
        assert_eq!([&ann.1, &enter_with(&plugin, &tenant).1], ["-", "503"], "it counts for both");
        drop(ann);
        assert_eq!(enter_with(&plugin, &tenant).1, "-");
        assert_eq!(enter(&plugin).1, "500", "no rule fits");
        let wrong = [("x-user", "bea"), ("x-tenant", "blue"), ("x-most", "many")];
        assert_eq!(enter_with(&plugin, &wrong).1, "500", "a client cannot switch off a rule that applies");
        assert_eq!(enter_with(&plugin, &wrong[..1]).1, "-", "nor was any of its rules counted");
        let mut lenient = conf;
        lenient["allow_degradation"] = true.into();
        assert_eq!(enter(&compile(&LimitConn, &lenient.to_string())).1, "-");
    }

    #[tokio::test]
    async fn what_a_request_waits_here_is_no_part_of_what_it_takes() {
        const DELAY: f64 = 0.2;
        let conf = json!({ "conn": 1, "burst": 1, "default_conn_delay": DELAY, "key": "http_x_waiting" });
        let plugin = compile(&LimitConn, &conf.to_string());
        let headers = [("x-waiting", "1")];
        let (_first, mut second) = (enter_with(&plugin, &headers), testing::exchange("/", &headers));
        let Flow::Wait(wait) = plugin.access(&mut second) else { panic!("goes on at once") };
        assert!(matches!(wait.await, Verdict::Continue));
        let seed = counters::seed(None, &plugin_api::testing::input(&conf));
        let rules = rules(&crate::read(&conf).expect("a configuration"), seed).expect("rules");
        let key = rules[0].key.hashed(seed, &second);
        drop(second);
        let limit = Concurrency { most: 1, burst: 1, default_delay: DELAY, only_default_delay: false };
        let next = TABLE.enter(key, limit).expect("there is room");
        assert!(next < 0.9 * DELAY, "it took no time, and still others wait {next} s");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let rule = || json!({ "conn": 1, "burst": 1, "key": "$a" });
        let cases = [
            (rule(), "property \"default_conn_delay\" is required"),
            (
                json!({ "default_conn_delay": 1, "conn": 1, "burst": 1 }),
                "value should match only one schema, but matches none",
            ),
            (
                json!({ "default_conn_delay": 1, "conn": 1, "burst": 1, "key": "a", "rules": [rule()] }),
                "value should match only one schema, but matches both schemas 1 and 2",
            ),
            (json!({ "default_conn_delay": 1, "rules": [rule(), rule()] }), "duplicate key '$a' in rules"),
        ];
        for (conf, reason) in cases {
            assert_eq!(refusal_of(&LimitConn, &conf), reason, "{conf}");
        }
    }
}
