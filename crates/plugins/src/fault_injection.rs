//! `fault-injection`: delays and refusals on purpose, to see how clients take them.
//!
//! ```json
//! { "abort": { "http_status": 503, "body": "down", "percentage": 10 }, "delay": { "duration": 0.5 } }
//! ```
//! Source: <https://apisix.apache.org/docs/apisix/plugins/fault-injection/>

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use model::Fault;
use plugin_api::schema::with_meta;
use plugin_api::{CompileInput, Condition, Exchange, Flow, Phases, Plugin, PluginType, Reply, Template, Verdict};
use rand::RngExt;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::header_json::HeaderTemplates;

/// The plugin by name.
pub(crate) struct FaultInjection;

#[derive(Deserialize)]
struct Conf {
    abort: Option<AbortConf>,
    delay: Option<DelayConf>,
}

#[derive(Deserialize)]
struct AbortConf {
    http_status: u16,
    body: Option<String>,
    #[serde(default)]
    headers: Map<String, Value>,
    percentage: Option<u8>,
    vars: Option<Vec<Value>>,
}

#[derive(Deserialize)]
struct DelayConf {
    duration: f64,
    percentage: Option<u8>,
    vars: Option<Vec<Value>>,
}

impl PluginType for FaultInjection {
    fn name(&self) -> &'static str {
        "fault-injection"
    }

    fn priority(&self) -> i32 {
        11000
    }

    fn schema(&self) -> &'static Value {
        static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
            let percentage = json!({ "type": "integer", "minimum": 0, "maximum": 100 });
            let vars = json!({ "type": "array", "maxItems": 20, "items": { "type": "array" } });
            with_meta(json!({
                "type": "object",
                "properties": {
                    "abort": {
                        "type": "object",
                        "properties": {
                            "http_status": { "type": "integer", "minimum": 200 },
                            "body": { "type": "string", "minLength": 0 },
                            "headers": {
                                "type": "object",
                                "minProperties": 1,
                                "patternProperties": {
                                    "^[^:]+$": { "oneOf": [{ "type": "string" }, { "type": "number" }] },
                                },
                            },
                            "percentage": percentage,
                            "vars": vars,
                        },
                        "required": ["http_status"],
                    },
                    "delay": {
                        "type": "object",
                        "properties": {
                            "duration": { "type": "number", "minimum": 0 },
                            "percentage": percentage,
                            "vars": vars,
                        },
                        "required": ["duration"],
                    },
                },
                "minProperties": 1,
            }))
        });
        &SCHEMA
    }

    fn compile(&self, input: &CompileInput<'_>) -> Result<Arc<dyn Plugin>, Fault> {
        let conf: Conf = crate::read(input.conf)?;
        let abort = conf.abort.map(|abort| {
            let status = StatusCode::from_u16(abort.http_status);
            Ok(Abort {
                status: status
                    .map_err(|_| Fault::new("/abort/http_status", "must be a status code from 200 to 999"))?,
                body: abort.body.as_deref().map(Template::parse),
                headers: HeaderTemplates::parse(&abort.headers, "/abort/headers")?,
                when: When::new(abort.percentage, abort.vars.as_deref(), "/abort/vars")?,
            })
        });
        let delay = conf.delay.map(|delay| {
            let duration = Duration::try_from_secs_f64(delay.duration);
            let duration = duration.map_err(|_| Fault::new("/delay/duration", "is too long"))?;
            Ok(Delay { duration, when: When::new(delay.percentage, delay.vars.as_deref(), "/delay/vars")? })
        });
        Ok(Arc::new(Compiled { abort: abort.transpose()?, delay: delay.transpose()? }))
    }
}

/// In which requests.
struct When {
    percentage: Option<u8>,
    /// One of them must hold, so of an empty list none does.
    any_of: Option<Vec<Condition>>,
}

impl When {
    fn new(percentage: Option<u8>, vars: Option<&[Value]>, pointer: &str) -> Result<Self, Fault> {
        let compile = |(at, vars): (usize, &Value)| {
            Condition::compile(vars).map_err(|fault| fault.under(&format!("{pointer}/{at}")))
        };
        let any_of = vars.map(|vars| vars.iter().enumerate().map(compile).collect::<Result<_, _>>());
        Ok(Self { percentage, any_of: any_of.transpose()? })
    }

    fn now(&self, exchange: &Exchange) -> bool {
        let is_drawn = self.percentage.is_none_or(|percentage| rand::rng().random_range(0..100) < percentage);
        let any_holds = |any_of: &Vec<Condition>| any_of.iter().any(|vars| vars.holds(exchange));
        is_drawn && self.any_of.as_ref().is_none_or(any_holds)
    }
}

struct Abort {
    status: StatusCode,
    /// Without one the status has its page.
    body: Option<Template>,
    headers: HeaderTemplates,
    when: When,
}

struct Delay {
    duration: Duration,
    when: When,
}

struct Compiled {
    abort: Option<Abort>,
    delay: Option<Delay>,
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases::REWRITE
    }

    fn rewrite<'a>(&'a self, exchange: &'a mut Exchange) -> Flow<'a> {
        let delay = self.delay.as_ref().filter(|delay| delay.when.now(exchange));
        let Some(delay) = delay else { return Flow::Done(self.abort(exchange)) };
        Flow::Wait(Box::pin(async move {
            tokio::time::sleep(delay.duration).await;
            self.abort(exchange)
        }))
    }
}

impl Compiled {
    fn abort(&self, exchange: &Exchange) -> Verdict {
        match self.abort.as_ref().filter(|abort| abort.when.now(exchange)) {
            Some(abort) => Verdict::Reply(abort.reply(exchange)),
            None => Verdict::Continue,
        }
    }
}

impl Abort {
    fn reply(&self, exchange: &Exchange) -> Reply {
        let mut reply = match &self.body {
            Some(body) => Reply::text(self.status, body.render(exchange)),
            None => Reply::page(self.status),
        };
        reply.headers.extend(self.headers.render(exchange).collect::<HeaderMap>());
        reply
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, answer_of, compile, refusal_of};

    fn run(conf: &str, target: &str) -> Option<(u16, String)> {
        answer_of(compile(&FaultInjection, conf).rewrite(&mut testing::exchange(target, &[])))
    }

    #[test]
    fn aborts_answer_in_the_place_of_the_upstream() {
        let answer = |status, body: &str| Some((status, body.to_owned()));
        let vars = r#"{"abort": {"http_status": 403, "body": "no", "vars": [[["arg_name", "==", "jack"]], [["arg_age", ">", 18]]]}}"#;
        let cases = [
            (r#"{"abort": {"http_status": 503, "body": "down\n"}}"#, "/", answer(503, "down\n")),
            (r#"{"abort": {"http_status": 200, "body": "client $remote_addr"}}"#, "/", answer(200, "client 192.0.2.7")),
            (r#"{"abort": {"http_status": 405, "body": ""}}"#, "/", answer(405, "")),
            (r#"{"abort": {"http_status": 418}}"#, "/", answer(418, "")),
            (r#"{"abort": {"http_status": 418, "percentage": 0}}"#, "/", None),
            (r#"{"abort": {"http_status": 418, "vars": []}}"#, "/", None),
            (r#"{"abort": {"http_status": 418, "percentage": 100}}"#, "/", answer(418, "")),
            (vars, "/?name=jack", answer(403, "no")),
            (vars, "/?age=20", answer(403, "no")),
            (vars, "/?name=ann", None),
        ];
        for (conf, target, expected) in cases {
            assert_eq!(run(conf, target), expected, "{conf} {target}");
        }
        let (_, page) = run(r#"{"abort": {"http_status": 405}}"#, "/").expect("a reply");
        assert!(page.starts_with("<html>\r\n<head><title>405 Not Allowed</title>"), "{page}");
        let plugin = compile(&FaultInjection, r#"{"abort": {"http_status": 200, "headers": {"X-A": "b", "X-N": 5}}}"#);
        let reply = testing::reply_of(plugin.rewrite(&mut testing::exchange("/", &[]))).expect("a reply");
        assert_eq!((&reply.headers["x-a"], &reply.headers["x-n"]), (&"b".parse().unwrap(), &"5".parse().unwrap()));
    }

    #[tokio::test(start_paused = true)]
    async fn delays_pass_before_all_else() {
        let plugin = compile(&FaultInjection, r#"{"delay": {"duration": 0.5}, "abort": {"http_status": 500}}"#);
        let mut exchange = testing::exchange("/", &[]);
        let started = tokio::time::Instant::now();
        let Flow::Wait(waiting) = plugin.rewrite(&mut exchange) else { panic!("does not wait") };
        assert!(matches!(waiting.await, Verdict::Reply(reply) if reply.status == 500));
        assert!(started.elapsed() >= Duration::from_millis(500));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(refusal_of(&FaultInjection, &json!({})), "expect object to have at least 1 properties");
        let vars = json!({ "abort": { "http_status": 500, "vars": [[["a", "???", 1]]] } });
        assert_eq!(refusal_of(&FaultInjection, &vars), "invalid operator '???'");
    }
}
