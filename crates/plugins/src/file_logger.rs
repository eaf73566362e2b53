//! `file-logger`: a line of JSON for each request, in a file of the instance.
//!
//! ```json
//! { "path": "logs/access.json", "log_format": { "host": "$host", "client": "$remote_addr" } }
//! ```
//! Source: <https://apisix.apache.org/docs/apisix/plugins/file-logger/>

use std::path::Path;
use std::sync::{Arc, LazyLock};

use model::Fault;
use plugin_api::schema::with_meta;
use plugin_api::{BodyNeed, Chunk, CompileInput, Condition, Exchange, Phases, Plugin, PluginType};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::log::{self, EntryConf, Recorder, courier};

/// The plugin by name.
pub(crate) struct FileLogger;

#[derive(Deserialize)]
struct Conf {
    path: Option<String>,
    #[serde(rename = "match")]
    matches: Option<Value>,
    #[serde(flatten)]
    entry: EntryConf,
}

impl PluginType for FileLogger {
    fn name(&self) -> &'static str {
        "file-logger"
    }

    fn priority(&self) -> i32 {
        399
    }

    fn schema(&self) -> &'static Value {
        static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
            let mut properties = log::properties();
            properties.insert("path".into(), json!({ "type": "string" }));
            properties.insert("match".into(), json!({ "type": "array", "maxItems": 20, "items": { "anyOf": [{ "type": "array" }, { "type": "string" }] } }));
            with_meta(json!({ "type": "object", "properties": properties }))
        });
        &SCHEMA
    }

    fn metadata_schema(&self) -> Option<&'static Value> {
        static SCHEMA: LazyLock<Value> = LazyLock::new(|| log::metadata_schema("path", json!({ "type": "string" })));
        Some(&SCHEMA)
    }

    fn compile(&self, input: &CompileInput<'_>) -> Result<Arc<dyn Plugin>, Fault> {
        let conf: Conf = crate::read(input.conf)?;
        let of_group = || input.metadata.and_then(|metadata| metadata.get("path")?.as_str().map(str::to_owned));
        let any_of = conf.matches.as_ref().map(groups).transpose();
        let missing = "property \"path\" is not set in either the plugin conf or the metadata";
        let path = conf.path.or_else(of_group).ok_or_else(|| Fault::new("/path", missing));
        Ok(Arc::new(Compiled {
            any_of: any_of.map_err(|fault| crate::in_expression("match", fault))?,
            path: Path::new(&path?).into(),
            recorder: Recorder::new(conf.entry, input)?,
        }))
    }
}

/// `match` is a list of expressions, as in APISIX; one that stands there without a list around it is taken, too.
fn groups(matches: &Value) -> Result<Vec<Condition>, Fault> {
    let is_expression = |item: &Value| (0..2).any(|at| item.get(at).is_some_and(Value::is_array));
    let compile = |(at, group)| Condition::compile(group).map_err(|fault| fault.under(&format!("/{at}")));
    match matches.as_array().filter(|items| items.iter().all(is_expression)) {
        Some(items) => items.iter().enumerate().map(compile).collect(),
        None => Condition::compile(matches).map(|condition| vec![condition]),
    }
}

struct Compiled {
    path: Arc<Path>,
    /// One of them must hold, so of an empty list none does.
    any_of: Option<Vec<Condition>>,
    recorder: Recorder,
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        self.recorder.phases()
    }

    fn request_body(&self) -> BodyNeed {
        self.recorder.request_body()
    }

    fn body_filter(&self, exchange: &mut Exchange, chunk: &mut Chunk) {
        self.recorder.watch(self, exchange, chunk);
    }

    fn log(&self, exchange: &mut Exchange) {
        let any_holds = |any_of: &Vec<Condition>| any_of.iter().any(|condition| condition.holds(exchange));
        if self.any_of.as_ref().is_none_or(any_holds) {
            courier::write_line(&self.path, |line| self.recorder.write(self, exchange, line));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::testing::{self, compile};

    async fn logged(conf: Value, target: &str) -> Vec<Value> {
        let mut exchange = testing::exchange(target, &[("x-tenant", "blue")]);
        exchange.request_body = Some(Bytes::from_static(b"question"));
        exchange.response.status = http::StatusCode::CREATED;
        logged_of(exchange, conf, b"answer").await
    }

    /// What one request with this body in its response leaves in a file of its own.
    async fn logged_of(mut exchange: Exchange, mut conf: Value, body: &[u8]) -> Vec<Value> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log.json");
        conf["path"] = path.to_str().expect("text").into();
        let plugin = compile(&FileLogger, &conf.to_string());
        plugin.body_filter(&mut exchange, &mut Chunk { data: Bytes::copy_from_slice(body), last: true });
        plugin.log(&mut exchange);
        courier::flush(Duration::from_secs(10)).await;
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("json")).collect()
    }

    #[tokio::test]
    async fn entries_have_apisix_s_fields_or_those_of_the_format() {
        let all =
            logged(json!({ "include_req_body": true, "include_resp_body": true, "max_resp_body_bytes": 3 }), "/a?b=c")
                .await;
        let entry = &all[0];
        assert_eq!((&entry["request"]["uri"], &entry["request"]["method"]), (&"/a?b=c".into(), &"GET".into()));
        assert_eq!((&entry["request"]["querystring"]["b"], &entry["response"]["status"]), (&"c".into(), &201.into()));
        assert_eq!((&entry["request"]["headers"]["x-tenant"], &entry["route_id"]), (&"blue".into(), &"r1".into()));
        assert_eq!((&entry["request"]["body"], &entry["response"]["body"]), (&"question".into(), &"ans".into()));
        assert_eq!(entry["client_ip"], "192.0.2.7");
        let format = json!({ "log_format": { "tenant": "$http_x_tenant", "in": { "uri": "$uri" }, "fixed": 1 } });
        let expected = json!({ "tenant": "blue", "in": { "uri": "/a" }, "fixed": 1, "route_id": "r1" });
        assert_eq!(logged(format, "/a?b=c").await, [expected]);
    }

    #[tokio::test]
    async fn a_format_says_all_and_extra_fields_add_to_an_entry_without_one() {
        let extra = json!({ "log_format_extra": { "tenant": "$http_x_tenant" } });
        let entry = &logged(extra.clone(), "/").await[0];
        assert_eq!((&entry["tenant"], &entry["client_ip"]), (&"blue".into(), &"192.0.2.7".into()));
        let mut both = extra;
        both["log_format"] = json!({ "uri": "$uri" });
        assert_eq!(logged(both, "/a").await, [json!({ "uri": "/a", "route_id": "r1" })]);
    }

    #[tokio::test]
    async fn a_format_may_ask_for_bodies() {
        let format = json!({ "in": "$request_body", "out": "$resp_body" });
        let expected = |out: &str, sent: &str| json!({ "in": sent, "out": out, "route_id": "r1" });
        assert_eq!(logged(json!({ "log_format": format }), "/").await, [expected("", "question")]);
        let conf = json!({ "log_format": { "in": "$request_body", "out": "$resp_body" },
            "include_resp_body": true, "max_req_body_bytes": 5, "max_resp_body_bytes": 3 });
        let entry = &logged(conf, "/").await[0];
        assert_eq!((&entry["in"], &entry["out"]), (&"quest".into(), &"ans".into()));
        let need = |conf: Value| compile(&FileLogger, &conf.to_string()).request_body();
        assert_eq!(need(json!({ "path": "a" })), BodyNeed::Stream);
        assert_ne!(need(json!({ "path": "a", "log_format": { "a": { "b": "$request_body" } } })), BodyNeed::Stream);
    }

    #[tokio::test]
    async fn a_body_is_logged_as_it_was_before_its_upstream_compressed_it() {
        let packed = testing::gzip(b"hello world");
        let cases =
            [(100, &*packed, "hello world"), (packed.len() - 1, &packed, "hello world"), (100, b"no gzip", "no gzip")];
        for (most, body, expected) in cases {
            let mut exchange = testing::exchange("/", &[]);
            exchange.response.headers.insert("content-encoding", http::HeaderValue::from_static("gzip"));
            let conf = json!({ "include_resp_body": true, "max_resp_body_bytes": most });
            assert_eq!(logged_of(exchange, conf, body).await[0]["response"]["body"], expected);
        }
    }

    #[test]
    fn what_is_wrong_is_told_in_apisix_words() {
        let cases = [
            (json!({}), "property \"path\" is not set in either the plugin conf or the metadata"),
            (
                json!({ "path": "a", "match": [["status", "?", 1]] }),
                "failed to validate the 'match' expression: invalid operator '?'",
            ),
            (
                json!({ "path": "a", "match": [[["status", "?", 1]]] }),
                "failed to validate the 'match' expression: invalid operator '?'",
            ),
            (
                json!({ "path": "a", "include_req_body_expr": [["status", "?", 1]] }),
                "failed to validate the 'include_req_body_expr' expression: invalid operator '?'",
            ),
            (
                json!({ "path": "a", "include_resp_body_expr": [["status", "?", 1]] }),
                "failed to validate the 'include_resp_body_expr' expression: invalid operator '?'",
            ),
            (json!({ "path": 1 }), "property \"path\" validation failed: wrong type: expected string, got number"),
        ];
        for (conf, reason) in cases {
            assert_eq!(testing::refusal_of(&FileLogger, &conf), reason, "{conf}");
        }
        let (conf, metadata) = (json!({}), json!({ "path": "logs/a" }));
        let input = CompileInput { metadata: Some(&metadata), ..plugin_api::testing::input(&conf) };
        assert!(FileLogger.compile(&input).is_ok(), "the metadata's path");
    }

    #[tokio::test]
    async fn only_requests_that_match_are_logged() {
        let (jack, old) = (json!(["arg_name", "==", "jack"]), json!(["arg_age", ">", 60]));
        let cases = [
            (json!([jack]), "/?name=jack", 1),
            (json!([jack]), "/?name=ann", 0),
            (json!([jack, old]), "/?name=jack", 0),
            (json!([jack, old]), "/?name=jack&age=61", 1),
            (json!([[jack]]), "/?name=jack", 1),
            (json!([[jack]]), "/?name=ann", 0),
            (json!([[jack], [old]]), "/?name=ann&age=61", 1),
            (json!([[jack], [old]]), "/?name=ann", 0),
            (json!([[jack, old]]), "/?name=jack", 0),
            (json!([["OR", jack, old]]), "/?age=61", 1),
            (json!([]), "/", 0),
        ];
        for (matches, target, lines) in cases {
            assert_eq!(logged(json!({ "match": matches }), target).await.len(), lines, "{matches} {target}");
        }
    }
}
