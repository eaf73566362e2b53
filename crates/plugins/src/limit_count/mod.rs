//! `limit-count`: so many requests in a window of time, per key.
//!
//! ```json
//! { "count": 100, "time_window": 60, "key_type": "var", "key": "consumer_name", "rejected_code": 429 }
//! ```
//! or several limits at once:
//! ```json
//! { "rules": [{ "key": "$http_x_tenant", "count": "$http_x_quota", "time_window": 60, "header_prefix": "Tenant" }] }
//! ```
//! Counters are kept in the instance (`policy: local`), in one table for all routes that outlives every plan, or in Redis
//! (`policy: redis`), where all instances of the gateway group count together.
//! Source: <https://apisix.apache.org/docs/apisix/3.18/plugins/limit-count/>

pub(crate) mod counters;
mod redis;
pub(crate) mod rule;
mod schema;

use std::sync::Arc;

use http::StatusCode;
use http::header::{HeaderName, HeaderValue};
use limit::{Decision, WindowType};
use model::Fault;
use plugin_api::{CompileInput, Exchange, Flow, Phases, Plugin, PluginType, Reply, Verdict};
use serde::Deserialize;
use serde_json::Value;
use smallvec::SmallVec;

use crate::header_names;
use rule::{Due, Key, KeyType, Rule, RuleConf};

pub(crate) use counters::evicted;

/// The plugin by name.
pub(crate) struct LimitCount;

#[derive(Deserialize)]
struct Conf {
    count: Option<Value>,
    time_window: Option<Value>,
    #[serde(default = "remote_addr")]
    key: String,
    #[serde(default)]
    key_type: KeyType,
    #[serde(default)]
    rules: Vec<RuleConf>,
    #[serde(default = "service_unavailable")]
    rejected_code: u16,
    rejected_msg: Option<String>,
    policy: Option<String>,
    group: Option<String>,
    window_type: Option<String>,
    #[serde(default)]
    allow_degradation: bool,
    #[serde(default = "yes")]
    show_limit_quota_header: bool,
    sync_interval: Option<f64>,
}

fn remote_addr() -> String {
    "remote_addr".to_owned()
}

fn service_unavailable() -> u16 {
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
        &schema::SCHEMA
    }

    fn metadata_schema(&self) -> Option<&'static Value> {
        Some(&schema::METADATA)
    }

    fn secret_fields(&self) -> &'static [&'static str] {
        &["redis_password", "sentinel_password"]
    }

    /// The schema's words do not say which fields are one too many.
    fn reword(&self, conf: &Value, fault: Fault) -> Fault {
        let is_choice = fault.message.contains("value should match only one schema");
        if is_choice && conf.get("rules").is_some() { one_too_many(conf).err().unwrap_or(fault) } else { fault }
    }

    fn compile(&self, input: &CompileInput<'_>) -> Result<Arc<dyn Plugin>, Fault> {
        let conf: Conf = crate::read(input.conf)?;
        if !conf.rules.is_empty() {
            one_too_many(input.conf)?;
        }
        check(&conf)?;
        let remote = match conf.policy.as_deref() {
            None | Some("local") => None,
            Some("redis") => Some(redis::Counters::new(conf.group.as_deref(), input)?),
            Some(policy) => {
                let message = format!("policy \"{policy}\" is not supported yet: use \"local\" or \"redis\"");
                return Err(Fault::new("/policy", message));
            }
        };
        Ok(Arc::new(Compiled {
            rules: rules(&conf, input)?,
            remote,
            has_rules: !conf.rules.is_empty(),
            window_type: match conf.window_type.as_deref() {
                Some("sliding") => WindowType::Sliding,
                _ => WindowType::Fixed,
            },
            rejection: rejection(&conf)?,
            allow_degradation: conf.allow_degradation,
            show_headers: conf.show_limit_quota_header,
        }))
    }
}

/// A limit of its own beside `rules`.
fn one_too_many(conf: &Value) -> Result<(), Fault> {
    match ["count", "time_window"].into_iter().find(|field| conf.get(field).is_some()) {
        Some(field) => {
            let message = "count/time_window and rules cannot be specified at the same time";
            Err(Fault::new(format!("/{field}"), message))
        }
        None => Ok(()),
    }
}

/// What a schema cannot say.
fn check(conf: &Conf) -> Result<(), Fault> {
    if conf.group.is_some() && !conf.rules.is_empty() {
        return Err(Fault::new("/group", "group and rules cannot be specified at the same time"));
    }
    let is_remote = conf.policy.as_deref().is_some_and(|policy| policy != "local");
    let Some(interval) =
        conf.sync_interval.filter(|interval| is_remote && *interval != f64::from(schema::NO_SYNC_INTERVAL))
    else {
        return Ok(());
    };
    if interval < 0.1 {
        return Err(Fault::new("/sync_interval", "sync_interval should not be smaller than 0.1"));
    }
    let window = conf.time_window.as_ref().and_then(Value::as_f64);
    if window.is_some_and(|window| interval >= window) {
        return Err(Fault::new("/sync_interval", "sync_interval should be smaller than time_window"));
    }
    Ok(())
}

fn rules(conf: &Conf, input: &CompileInput<'_>) -> Result<Vec<Rule>, Fault> {
    let seed = counters::seed(conf.group.as_deref(), input);
    let headers = HeaderNames::of(input.metadata)?;
    if conf.rules.is_empty() {
        let key = Key::new(conf.key_type, &conf.key);
        return Ok(vec![Rule::new("", seed, &conf.count, &conf.time_window, key, headers)?]);
    }
    let mut rules = Vec::with_capacity(conf.rules.len());
    for (n, rule) in conf.rules.iter().enumerate() {
        let pointer = format!("/rules/{n}");
        if conf.rules.iter().take(n).any(|other| other.key == rule.key) {
            return Err(Fault::new(pointer + "/key", format!("duplicate key '{}' in rules", rule.key)));
        }
        let prefix = rule.header_prefix.clone().unwrap_or_else(|| (n + 1).to_string());
        let headers = HeaderNames::prefixed(input.metadata, &prefix).map_err(|_| {
            Fault::new(format!("{pointer}/header_prefix"), format!("{prefix:?} cannot stand in a header's name"))
        })?;
        let seed = counters::seed_of_rule(seed, &rule.key);
        rules.push(Rule::new(&pointer, seed, &rule.count, &rule.time_window, Key::of_rule(&rule.key), headers)?);
    }
    Ok(rules)
}

fn rejection(conf: &Conf) -> Result<Reply, Fault> {
    let status = StatusCode::from_u16(conf.rejected_code);
    let status = status.map_err(|_| Fault::new("/rejected_code", "must be a status code from 200 to 599"))?;
    Ok(match &conf.rejected_msg {
        Some(message) => Reply::error_msg(status, message),
        None => Reply::page(status),
    })
}

/// The headers that tell a client how it stands; the plugin's metadata may name them differently.
#[derive(Clone)]
struct HeaderNames {
    limit: HeaderName,
    remaining: HeaderName,
    reset: HeaderName,
}

impl HeaderNames {
    fn of(metadata: Option<&Value>) -> Result<Self, Fault> {
        Self::named(metadata, str::to_owned)
    }

    /// The prefix goes before the first `RateLimit-`: `X-RateLimit-Limit` becomes `X-Tenant-RateLimit-Limit`. A name
    /// without it stays as it is.
    fn prefixed(metadata: Option<&Value>, prefix: &str) -> Result<Self, Fault> {
        Self::named(metadata, |name| name.replacen("RateLimit-", &format!("{prefix}-RateLimit-"), 1))
    }

    fn named(metadata: Option<&Value>, change: impl Fn(&str) -> String) -> Result<Self, Fault> {
        let name = |field: &str, default: &'static str| {
            let given = metadata.and_then(|metadata| metadata.get(field)?.as_str()).unwrap_or(default);
            let name = header_names::parse(&change(given));
            name.map_err(|_| Fault::new("", format!("metadata {field} must be a header's name")))
        };
        Ok(Self {
            limit: name("limit_header", "X-RateLimit-Limit")?,
            remaining: name("remaining_header", "X-RateLimit-Remaining")?,
            reset: name("reset_header", "X-RateLimit-Reset")?,
        })
    }

    fn tell(&self, exchange: &mut Exchange, due: &Due, decision: &Decision) {
        exchange.set_response_header(self.limit.clone(), due.limit_header.clone());
        exchange.set_response_header(self.remaining.clone(), number(decision.remaining));
        exchange.set_response_header(self.reset.clone(), reset_header(decision.reset_ms));
    }
}

/// Seconds with full hundredths and no zeros at the end, as APISIX tells them since 3.18.
fn reset_header(reset_ms: u64) -> HeaderValue {
    let (seconds, hundredths) = (reset_ms / 1000, (reset_ms / 10 % 100) as u8);
    if hundredths == 0 {
        return number(seconds);
    }
    let mut text = SmallVec::<[u8; 24]>::from_slice(seconds.to_string().as_bytes());
    text.extend([b'.', b'0' + hundredths / 10]);
    if hundredths % 10 != 0 {
        text.push(b'0' + hundredths % 10);
    }
    HeaderValue::from_bytes(&text).unwrap_or_else(|_| number(seconds))
}

/// In one piece of memory, where `HeaderValue::from` takes two.
fn number(number: u64) -> HeaderValue {
    HeaderValue::try_from(number.to_string()).unwrap_or_else(|_| HeaderValue::from(number))
}

struct Compiled {
    rules: Vec<Rule>,
    /// Where it is counted, when not here.
    remote: Option<redis::Counters>,
    /// Whether `rules` were given: one that a request does not fit is left out then.
    has_rules: bool,
    window_type: WindowType,
    rejection: Reply,
    allow_degradation: bool,
    show_headers: bool,
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases::ACCESS
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Flow<'a> {
        if let Some(remote) = &self.remote {
            return Flow::Wait(Box::pin(self.count_remotely(remote, exchange)));
        }
        let Some(limits) = self.limits(exchange) else { return Flow::Done(self.without_limits(exchange)) };
        for Limit { rule, due, .. } in limits {
            let decision = counters::hit(due.key, &due.as_rule(self.window_type));
            if let Some(refusal) = self.judge(rule, &due, decision, exchange) {
                return Flow::reply(refusal);
            }
        }
        Flow::CONTINUE
    }
}

/// A limit that holds for a request.
struct Limit<'r> {
    number: usize,
    rule: &'r Rule,
    due: Due,
}

impl Compiled {
    /// The limits that hold for a request, all read before any is counted. None when one of them cannot be read, or where
    /// none applies.
    fn limits(&self, exchange: &Exchange) -> Option<SmallVec<[Limit<'_>; 1]>> {
        let mut limits = SmallVec::new();
        for (number, rule) in self.rules.iter().enumerate() {
            if let Some(due) = rule.due(exchange, self.has_rules).ok()? {
                limits.push(Limit { number, rule, due });
            }
        }
        Some(limits).filter(|limits| !limits.is_empty())
    }

    fn without_limits(&self, exchange: &Exchange) -> Verdict {
        if self.allow_degradation {
            return Verdict::Continue;
        }
        tracing::error!(uri = %exchange.uri, "limit-count: no limit can be read from this request");
        Verdict::Reply(Reply::page(StatusCode::INTERNAL_SERVER_ERROR))
    }

    async fn count_remotely(&self, remote: &redis::Counters, exchange: &mut Exchange) -> Verdict {
        let Some(limits) = self.limits(exchange) else { return self.without_limits(exchange) };
        for Limit { number, rule, due } in limits {
            let key = format!("{number}:{}", rule.key_text(exchange));
            match remote.hit(&key, &due.as_rule(self.window_type)).await {
                Ok(decision) => {
                    if let Some(refusal) = self.judge(rule, &due, decision, exchange) {
                        return Verdict::Reply(refusal);
                    }
                }
                Err(error) if self.allow_degradation => {
                    tracing::warn!(%error, "limit-count: not limited, for it cannot be counted");
                }
                Err(error) => {
                    tracing::error!(%error, "limit-count: cannot count");
                    let status = StatusCode::INTERNAL_SERVER_ERROR;
                    return Verdict::Reply(Reply::error_msg(status, "failed to limit count"));
                }
            }
        }
        Verdict::Continue
    }

    /// Tells the client how it stands; the answer when it may not go on.
    fn judge(&self, rule: &Rule, due: &Due, decision: Decision, exchange: &mut Exchange) -> Option<Reply> {
        if self.show_headers {
            rule.headers.tell(exchange, due, &decision);
        }
        (!decision.allowed).then(|| self.rejection.clone())
    }
}

#[cfg(feature = "fuzzing")]
pub(crate) fn fuzzed_reply(bytes: &[u8], limit: u64, is_sliding: bool) -> Option<(bool, u64, u64)> {
    let window_type = if is_sliding { WindowType::Sliding } else { WindowType::Fixed };
    let decision = redis::fuzzed(bytes, &limit::Rule { limit, window_ms: 60_000, window_type })?;
    Some((decision.allowed, decision.remaining, decision.reset_ms))
}

#[cfg(test)]
mod tests;
