//! `limit-count`: so many requests in a window of time, per key.
//!
//! ```json
//! { "count": 100, "time_window": 60, "key_type": "var", "key": "consumer_name", "rejected_code": 429 }
//! ```
//! Counters are kept in the instance (`policy: local`). Source: <https://apisix.apache.org/docs/apisix/plugins/limit-count/>

use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use http::StatusCode;
use http::header::{HeaderName, HeaderValue};
use limit::{Decision, FixedWindows};
use model::Fault;
use plugin_api::{CompileInput, Exchange, Flow, Phases, Plugin, PluginType, Reply, Template, Var};
use serde::Deserialize;
use serde_json::{Value, json};

/// Keys counted at once by an instance, over all routes: 4 MiB.
const KEYS: usize = 256 * 1024;

/// The plugin by name.
pub(crate) struct LimitCount;

#[derive(Deserialize)]
struct Conf {
    count: u32,
    time_window: u64,
    #[serde(default = "remote_addr")]
    key: String,
    #[serde(default)]
    key_type: KeyType,
    #[serde(default = "unavailable")]
    rejected_code: u16,
    rejected_msg: Option<String>,
    #[serde(default)]
    policy: Policy,
    group: Option<String>,
    #[serde(default = "yes")]
    show_limit_quota_header: bool,
    rules: Option<Value>,
    #[serde(default)]
    window_type: WindowType,
}

#[derive(Deserialize, Default, PartialEq)]
#[serde(rename_all = "snake_case")]
enum KeyType {
    #[default]
    Var,
    VarCombination,
    Constant,
}

#[derive(Deserialize, Default, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Policy {
    #[default]
    Local,
    Redis,
    RedisCluster,
    RedisSentinel,
}

#[derive(Deserialize, Default, PartialEq)]
#[serde(rename_all = "snake_case")]
enum WindowType {
    #[default]
    Fixed,
    Sliding,
}

fn remote_addr() -> String {
    "remote_addr".into()
}

fn unavailable() -> u16 {
    503
}

fn yes() -> bool {
    true
}

impl PluginType for LimitCount {
    fn name(&self) -> &'static str {
        "limit-count"
    }

    fn priority(&self) -> i32 {
        1002
    }

    fn schema(&self) -> &'static Value {
        static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
            json!({
                "type": "object",
                "properties": {
                    "count": { "type": "integer", "exclusiveMinimum": 0, "maximum": u32::MAX },
                    "time_window": { "type": "integer", "exclusiveMinimum": 0, "maximum": 31_536_000 },
                    "group": { "type": "string" },
                    "key": { "type": "string", "default": "remote_addr" },
                    "key_type": { "type": "string", "enum": ["var", "var_combination", "constant"], "default": "var" },
                    "rejected_code": { "type": "integer", "minimum": 200, "maximum": 599, "default": 503 },
                    "rejected_msg": { "type": "string", "minLength": 1 },
                    "policy": {
                        "type": "string",
                        "enum": ["local", "redis", "redis-cluster", "redis-sentinel"],
                        "default": "local",
                    },
                    "window_type": { "type": "string", "enum": ["fixed", "sliding"], "default": "fixed" },
                    "allow_degradation": { "type": "boolean", "default": false },
                    "show_limit_quota_header": { "type": "boolean", "default": true },
                },
                "required": ["count", "time_window"],
            })
        });
        &SCHEMA
    }

    fn metadata_schema(&self) -> Option<&'static Value> {
        static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
            json!({
                "type": "object",
                "properties": {
                    "limit_header": { "type": "string", "default": "X-RateLimit-Limit" },
                    "remaining_header": { "type": "string", "default": "X-RateLimit-Remaining" },
                    "reset_header": { "type": "string", "default": "X-RateLimit-Reset" },
                },
            })
        });
        Some(&SCHEMA)
    }

    fn compile(&self, input: &CompileInput<'_>) -> Result<Arc<dyn Plugin>, Fault> {
        let conf: Conf = crate::read(input.conf)?;
        if conf.policy != Policy::Local {
            return Err(Fault::new("/policy", "must be \"local\": counters in Redis are not supported yet"));
        }
        if conf.window_type != WindowType::Fixed {
            return Err(Fault::new("/window_type", "must be \"fixed\": sliding windows are not supported yet"));
        }
        if conf.rules.is_some() {
            return Err(Fault::new("/rules", "are not supported yet; give count, time_window and key"));
        }
        let header = |field: &str, default: &'static str| {
            let given = input.metadata.and_then(|metadata| metadata.get(field)?.as_str()).unwrap_or(default);
            HeaderName::try_from(given).map_err(|_| Fault::new("", format!("metadata {field} must be a header's name")))
        };
        Ok(Arc::new(Compiled {
            identity: identity(&conf, input),
            limit: conf.count,
            limit_value: HeaderValue::from(conf.count),
            window_ms: conf.time_window * 1000,
            rejected: rejection(&conf)?,
            show_headers: conf.show_limit_quota_header,
            headers: Headers {
                limit: header("limit_header", "X-RateLimit-Limit")?,
                remaining: header("remaining_header", "X-RateLimit-Remaining")?,
                reset: header("reset_header", "X-RateLimit-Reset")?,
            },
            key: match conf.key_type {
                KeyType::Var => Key::Var(Var::parse(&conf.key)),
                KeyType::VarCombination => Key::Combination(Template::parse(&conf.key)),
                KeyType::Constant => Key::Constant(conf.key),
            },
        }))
    }
}

/// What counts together: a group, whoever uses it; else this configuration of this owner, so that a change of
/// it begins afresh while a change elsewhere does not.
fn identity(conf: &Conf, input: &CompileInput<'_>) -> u64 {
    let mut hasher = hashing().build_hasher();
    match &conf.group {
        Some(group) => hasher.write(group.as_bytes()),
        None => {
            hasher.write(input.owner.as_bytes());
            hasher.write_u8(0xff);
            hasher.write(&model::json::canonical(input.conf));
        }
    }
    hasher.finish()
}

fn rejection(conf: &Conf) -> Result<Reply, Fault> {
    let status = StatusCode::from_u16(conf.rejected_code);
    let status = status.map_err(|_| Fault::new("/rejected_code", "must be a status code from 200 to 599"))?;
    Ok(match &conf.rejected_msg {
        Some(message) => Reply::error_msg(status, message),
        None => Reply::empty(status),
    })
}

struct Compiled {
    identity: u64,
    limit: u32,
    limit_value: HeaderValue,
    window_ms: u64,
    rejected: Reply,
    show_headers: bool,
    headers: Headers,
    key: Key,
}

struct Headers {
    limit: HeaderName,
    remaining: HeaderName,
    reset: HeaderName,
}

enum Key {
    Var(Var),
    Combination(Template),
    Constant(String),
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases::ACCESS
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Flow<'a> {
        let decision = counters().hit(self.key(exchange), self.limit, self.window_ms, now_ms());
        if self.show_headers {
            self.tell(exchange, &decision);
        }
        if decision.allowed { Flow::CONTINUE } else { Flow::reply(self.rejected.clone()) }
    }
}

impl Compiled {
    /// The counter's key. Where the configured key is empty, the client's address takes its place.
    fn key(&self, exchange: &Exchange) -> u64 {
        let mut hasher = hashing().build_hasher();
        hasher.write_u64(self.identity);
        match &self.key {
            Key::Constant(text) => hasher.write(text.as_bytes()),
            Key::Var(var) => match var.get(exchange).filter(|text| !text.is_empty()) {
                Some(text) => hasher.write(text.as_bytes()),
                None => write_address(&mut hasher, exchange),
            },
            Key::Combination(template) => match template.render_counted(exchange) {
                (_, 0) => write_address(&mut hasher, exchange),
                (text, _) => hasher.write(text.as_bytes()),
            },
        }
        hasher.finish()
    }

    fn tell(&self, exchange: &mut Exchange, decision: &Decision) {
        // Whole seconds, never less than are left.
        let reset = decision.reset_ms.div_ceil(1000);
        exchange.set_response_header(self.headers.limit.clone(), self.limit_value.clone());
        exchange.set_response_header(self.headers.remaining.clone(), HeaderValue::from(decision.remaining));
        exchange.set_response_header(self.headers.reset.clone(), HeaderValue::from(reset));
    }
}

fn write_address(hasher: &mut impl Hasher, exchange: &Exchange) {
    match exchange.client.remote.ip() {
        std::net::IpAddr::V4(address) => hasher.write(&address.octets()),
        std::net::IpAddr::V6(address) => hasher.write(&address.octets()),
    }
}

/// The counters of this instance: they outlive every plan.
fn counters() -> &'static FixedWindows {
    static COUNTERS: LazyLock<FixedWindows> = LazyLock::new(|| FixedWindows::with_capacity(KEYS));
    &COUNTERS
}

/// Random per process, so that nobody can make keys collide on purpose.
fn hashing() -> &'static RandomState {
    static HASHING: LazyLock<RandomState> = LazyLock::new(RandomState::default);
    &HASHING
}

fn now_ms() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(|| Instant::now() - Duration::from_millis(1));
    START.elapsed().as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, compile, reply_of};

    fn header(exchange: &Exchange, name: &str) -> Option<String> {
        let found = exchange.early_headers.iter().find(|(header, _)| header == name);
        found.and_then(|(_, value)| value.to_str().ok().map(str::to_owned))
    }

    #[test]
    fn the_request_beyond_the_count_is_refused_with_the_configured_answer() {
        let conf = r#"{"count": 2, "time_window": 60, "rejected_code": 429, "rejected_msg": "slow down"}"#;
        let plugin = compile(&LimitCount, conf);
        for remaining in ["1", "0"] {
            let mut exchange = testing::exchange("/", &[]);
            assert!(reply_of(plugin.access(&mut exchange)).is_none());
            assert_eq!(header(&exchange, "x-ratelimit-limit").as_deref(), Some("2"));
            assert_eq!(header(&exchange, "x-ratelimit-remaining").as_deref(), Some(remaining));
            assert_eq!(header(&exchange, "x-ratelimit-reset").as_deref(), Some("60"));
        }
        let mut exchange = testing::exchange("/", &[]);
        let reply = reply_of(plugin.access(&mut exchange)).expect("refused");
        assert_eq!((reply.status.as_u16(), &*reply.body), (429, &b"{\"error_msg\":\"slow down\"}\n"[..]));
        assert_eq!(header(&exchange, "x-ratelimit-remaining").as_deref(), Some("0"));
    }

    #[test]
    fn keys_are_counted_apart_and_an_empty_key_falls_back_to_the_address() {
        let conf = r#"{"count": 1, "time_window": 61, "key": "http_x_tenant"}"#;
        let plugin = compile(&LimitCount, conf);
        let passes =
            |tenant: &str| reply_of(plugin.access(&mut testing::exchange("/", &[("x-tenant", tenant)]))).is_none();
        assert!(passes("a") && passes("b") && !passes("a"));
        let anonymous = || reply_of(plugin.access(&mut testing::exchange("/", &[]))).is_none();
        assert!(anonymous() && !anonymous());
    }

    #[test]
    fn a_group_is_shared_by_routes_and_a_configuration_is_not() {
        let conf =
            |group: &str| format!(r#"{{"count": 1, "time_window": 62, "key_type": "constant", "key": "k"{group}}}"#);
        let passes = |owner: &str, conf: &str| {
            let conf: Value = serde_json::from_str(conf).expect("json");
            let plugin = LimitCount.compile(&CompileInput { conf: &conf, metadata: None, owner }).expect("compiles");
            reply_of(plugin.access(&mut testing::exchange("/", &[]))).is_none()
        };
        let shared = conf(r#", "group": "g1""#);
        assert!(passes("route/1", &shared) && !passes("route/2", &shared));
        assert!(passes("route/1", &conf("")) && passes("route/2", &conf("")));
        assert!(!passes("route/1", &conf("")), "compiling again does not begin afresh");
    }

    #[test]
    fn what_is_not_supported_is_refused_by_field() {
        for (field, value) in [("policy", "redis"), ("window_type", "sliding")] {
            let conf = json!({ "count": 1, "time_window": 1, field: value });
            let fault = LimitCount.compile(&CompileInput { conf: &conf, metadata: None, owner: "" }).err();
            assert_eq!(fault.expect("fault").pointer, format!("/{field}"));
        }
    }
}
