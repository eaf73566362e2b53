//! `uri-blocker`: requests refused by what their target looks like.
//!
//! ```json
//! { "block_rules": ["root.exe", "root.m+"], "rejected_code": 403, "rejected_msg": "no", "case_insensitive": false }
//! ```
//! Source: <https://apisix.apache.org/docs/apisix/plugins/uri-blocker/>

use std::sync::{Arc, LazyLock};

use http::StatusCode;
use model::Fault;
use plugin_api::schema::with_meta;
use plugin_api::{CompileInput, Exchange, Flow, Phases, Plugin, PluginType, Reply};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::pattern::{Case, Pattern};

/// The plugin by name.
pub(crate) struct UriBlocker;

#[derive(Deserialize)]
struct Conf {
    block_rules: Vec<String>,
    #[serde(default = "forbidden")]
    rejected_code: u16,
    rejected_msg: Option<String>,
    #[serde(default)]
    case_insensitive: bool,
}

fn forbidden() -> u16 {
    403
}

impl PluginType for UriBlocker {
    fn name(&self) -> &'static str {
        "uri-blocker"
    }

    fn priority(&self) -> i32 {
        2900
    }

    fn schema(&self) -> &'static Value {
        static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
            with_meta(json!({
                "type": "object",
                "properties": {
                    "block_rules": {
                        "type": "array",
                        "items": { "type": "string", "minLength": 1, "maxLength": 4096 },
                        "uniqueItems": true,
                    },
                    "rejected_code": { "type": "integer", "minimum": 200, "default": forbidden() },
                    "rejected_msg": { "type": "string", "minLength": 1 },
                    "case_insensitive": { "type": "boolean", "default": false },
                },
                "required": ["block_rules"],
            }))
        });
        &SCHEMA
    }

    fn compile(&self, input: &CompileInput<'_>) -> Result<Arc<dyn Plugin>, Fault> {
        let conf: Conf = crate::read(input.conf)?;
        let status = StatusCode::from_u16(conf.rejected_code);
        let status = status.map_err(|_| Fault::new("/rejected_code", "must be a status code from 200 to 999"))?;
        let case = if conf.case_insensitive { Case::Insensitive } else { Case::Sensitive };
        Ok(Arc::new(Compiled {
            rules: Pattern::any_of(&conf.block_rules, case, "/block_rules")?,
            refusal: match &conf.rejected_msg {
                Some(message) => Reply::error_msg(status, message),
                None => Reply::page(status),
            },
        }))
    }
}

struct Compiled {
    rules: Pattern,
    refusal: Reply,
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases::REWRITE
    }

    /// Asks about the target as routes see it, so that no escape or dot gets past a rule; the query is as it was sent.
    fn rewrite<'a>(&'a self, exchange: &'a mut Exchange) -> Flow<'a> {
        let target = exchange.request_uri();
        if self.rules.matches(&target).unwrap_or(true) { Flow::reply(self.refusal.clone()) } else { Flow::CONTINUE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, answer_of, compile};

    fn run(conf: &str, target: &str) -> Option<(u16, String)> {
        answer_of(compile(&UriBlocker, conf).rewrite(&mut testing::exchange(target, &[])))
    }

    fn reply_text(reply: &Reply) -> Option<(u16, String)> {
        Some((reply.status.as_u16(), String::from_utf8_lossy(&reply.body).into_owned()))
    }

    #[test]
    fn rules_decide_by_the_whole_target() {
        let refused = |code: u16, body: &str| Some((code, body.to_owned()));
        let page = || reply_text(&Reply::page(StatusCode::FORBIDDEN));
        let cases = [
            (r#"{"block_rules": ["aa"]}"#, "/hello?aa=1", page()),
            (r#"{"block_rules": ["aa"]}"#, "/hello?bb=1", None),
            (r#"{"block_rules": ["aa"]}"#, "/hello?AA=1", None),
            (r#"{"block_rules": ["aa"], "case_insensitive": true}"#, "/hello?AA=1", page()),
            (r#"{"block_rules": ["^a", "b{2}"], "case_insensitive": true}"#, "/hello?BB", page()),
            (r#"{"block_rules": ["aa", "c+"]}"#, "/cat", page()),
            (r#"{"block_rules": ["^/(?!api/)"]}"#, "/web", page()),
            (r#"{"block_rules": ["^/(?!api/)"]}"#, "/api/x", None),
            (r#"{"block_rules": ["select.+(from|limit)"]}"#, "/?name=;select%20from%20sys", page()),
            (r#"{"block_rules": []}"#, "/", None),
            (
                r#"{"block_rules": ["aa"], "rejected_code": 400, "rejected_msg": "access is not allowed"}"#,
                "/?aa=1",
                refused(400, "{\"error_msg\":\"access is not allowed\"}\n"),
            ),
        ];
        for (conf, target, answer) in cases {
            assert_eq!(run(conf, target), answer, "{conf} {target}");
        }
    }

    #[test]
    fn nothing_gets_past_in_disguise() {
        let mut exchange = testing::exchange("/./%69nternal/x?a=%69", &[]);
        exchange.normalised_path = Some("/internal/x".into());
        let run =
            |conf: &str, exchange: &mut Exchange| answer_of(compile(&UriBlocker, conf).rewrite(exchange)).is_some();
        assert!(run(r#"{"block_rules": ["^/internal/"]}"#, &mut exchange));
        assert!(
            run(r#"{"block_rules": ["a=%69"]}"#, &mut exchange) && !run(r#"{"block_rules": ["a=i"]}"#, &mut exchange)
        );
    }

    #[test]
    fn refused_configurations() {
        let cases = [
            (json!({}), "property \"block_rules\" is required"),
            (
                json!({ "block_rules": ["a", "a"] }),
                "property \"block_rules\" validation failed: expected unique items but items 1 and 2 are equal",
            ),
            (
                json!({ "block_rules": ["a"], "rejected_msg": "" }),
                "property \"rejected_msg\" validation failed: string too short, expected at least 1, got 0",
            ),
        ];
        for (conf, reason) in cases {
            assert_eq!(testing::refusal_of(&UriBlocker, &conf), reason);
        }
        assert!(!testing::refusal_of(&UriBlocker, &json!({ "block_rules": [".+("] })).is_empty());
    }
}
