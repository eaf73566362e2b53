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

    fn compile(&self, input: &CompileInput<'_>) -> Result<Arc<dyn Plugin>, Fault> {
        let conf: Conf = crate::read(input.conf)?;
        let remote = match conf.policy.as_deref() {
            None | Some("local") => None,
            Some("redis") => Some(redis::Counters::new(conf.group.as_deref(), input)?),
            Some(policy) => {
                let message = format!("policy \"{policy}\" is not supported yet: use \"local\" or \"redis\"");
                return Err(Fault::new("/policy", message));
            }
        };
        let headers = HeaderNames::of(input.metadata)?;
        Ok(Arc::new(Compiled {
            rules: rules(&conf, input, &headers)?,
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

fn rules(conf: &Conf, input: &CompileInput<'_>, headers: &HeaderNames) -> Result<Vec<Rule>, Fault> {
    let seed = counters::seed(conf.group.as_deref(), input);
    if conf.rules.is_empty() {
        let key = Key::new(conf.key_type, &conf.key);
        return Ok(vec![Rule::new("", seed, &conf.count, &conf.time_window, key, headers.clone())?]);
    }
    let mut rules = Vec::with_capacity(conf.rules.len());
    for (n, rule) in conf.rules.iter().enumerate() {
        let pointer = format!("/rules/{n}");
        if conf.rules.iter().take(n).any(|other| other.key == rule.key) {
            return Err(Fault::new(pointer + "/key", format!("duplicate key '{}' in rules", rule.key)));
        }
        let prefix = rule.header_prefix.clone().unwrap_or_else(|| (n + 1).to_string());
        let headers = headers.prefixed(&prefix).ok_or_else(|| {
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
        let name = |field: &str, default: &'static str| {
            let given = metadata.and_then(|metadata| metadata.get(field)?.as_str()).unwrap_or(default);
            HeaderName::try_from(given).map_err(|_| Fault::new("", format!("metadata {field} must be a header's name")))
        };
        Ok(Self {
            limit: name("limit_header", "X-RateLimit-Limit")?,
            remaining: name("remaining_header", "X-RateLimit-Remaining")?,
            reset: name("reset_header", "X-RateLimit-Reset")?,
        })
    }

    /// `X-RateLimit-Limit` as `X-Tenant-RateLimit-Limit`.
    fn prefixed(&self, prefix: &str) -> Option<Self> {
        let name = |name: &HeaderName| {
            let rest = name.as_str().strip_prefix("x-").unwrap_or(name.as_str());
            HeaderName::try_from(format!("x-{prefix}-{rest}")).ok()
        };
        Some(Self { limit: name(&self.limit)?, remaining: name(&self.remaining)?, reset: name(&self.reset)? })
    }

    fn tell(&self, exchange: &mut Exchange, due: &Due, decision: &Decision, window_type: WindowType) {
        exchange.set_response_header(self.limit.clone(), due.limit_header.clone());
        exchange.set_response_header(self.remaining.clone(), HeaderValue::from(decision.remaining));
        exchange.set_response_header(self.reset.clone(), reset_header(decision.reset_ms, window_type));
    }
}

/// Whole seconds, never less than are left; hundredths for sliding windows, as APISIX tells them.
fn reset_header(reset_ms: u64, window_type: WindowType) -> HeaderValue {
    match window_type {
        WindowType::Fixed => HeaderValue::from(reset_ms.div_ceil(1000)),
        WindowType::Sliding => {
            let hundredths = reset_ms.div_ceil(10);
            let text = (hundredths as f64 / 100.0).to_string();
            HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from(hundredths / 100))
        }
    }
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
        let mut is_limited = false;
        for rule in &self.rules {
            let Some(due) = rule.due(exchange, self.has_rules) else { continue };
            is_limited = true;
            let decision = counters::hit(due.key, &due.as_rule(self.window_type));
            if let Some(refusal) = self.judge(rule, &due, decision, exchange) {
                return Flow::reply(refusal);
            }
        }
        self.end(is_limited, exchange).map_or(Flow::CONTINUE, Flow::reply)
    }
}

impl Compiled {
    async fn count_remotely(&self, remote: &redis::Counters, exchange: &mut Exchange) -> Verdict {
        let mut is_limited = false;
        for (n, rule) in self.rules.iter().enumerate() {
            let Some(due) = rule.due(exchange, self.has_rules) else { continue };
            is_limited = true;
            let key = format!("{n}:{}", rule.key_text(exchange));
            match remote.hit(&key, &due.as_rule(self.window_type)).await {
                Ok(decision) => {
                    if let Some(refusal) = self.judge(rule, &due, decision, exchange) {
                        return Verdict::Reply(refusal);
                    }
                }
                Err(error) if self.allow_degradation => {
                    tracing::warn!(%error, "limit-count: not limited, for it cannot be counted");
                    return Verdict::Continue;
                }
                Err(error) => {
                    tracing::error!(%error, "limit-count: cannot count");
                    let status = StatusCode::INTERNAL_SERVER_ERROR;
                    return Verdict::Reply(Reply::error_msg(status, "failed to limit count"));
                }
            }
        }
        self.end(is_limited, exchange).map_or(Verdict::Continue, Verdict::Reply)
    }

    /// Tells the client how it stands; the answer when it may not go on.
    fn judge(&self, rule: &Rule, due: &Due, decision: Decision, exchange: &mut Exchange) -> Option<Reply> {
        if self.show_headers {
            rule.headers.tell(exchange, due, &decision, self.window_type);
        }
        (!decision.allowed).then(|| self.rejection.clone())
    }

    /// The answer to a request that no limit could be read from.
    fn end(&self, is_limited: bool, exchange: &Exchange) -> Option<Reply> {
        if is_limited || self.allow_degradation {
            return None;
        }
        tracing::error!(uri = %exchange.uri, "limit-count: no limit can be read from this request");
        Some(Reply::page(StatusCode::INTERNAL_SERVER_ERROR))
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
