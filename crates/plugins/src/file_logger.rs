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
        let matches = conf.matches.as_ref().map(Condition::compile).transpose();
        let missing = "property \"path\" is not set in either the plugin conf or the metadata";
        let path = conf.path.or_else(of_group).ok_or_else(|| Fault::new("/path", missing));
        Ok(Arc::new(Compiled {
            matches: matches.map_err(in_match)?,
            path: Path::new(&path?).into(),
            recorder: Recorder::new(conf.entry, input)?,
        }))
    }
}

fn in_match(fault: Fault) -> Fault {
    let message = format!("failed to validate the 'match' expression: {}", fault.message);
    Fault { message, ..fault }.under("/match")
}

struct Compiled {
    path: Arc<Path>,
    matches: Option<Condition>,
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
        if self.matches.as_ref().is_none_or(|matches| matches.holds(exchange)) {
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
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log.json");
        let mut conf = conf;
        conf["path"] = path.to_str().expect("text").into();
        let plugin = compile(&FileLogger, &conf.to_string());
        let mut exchange = testing::exchange(target, &[("x-tenant", "blue")]);
        exchange.request_body = Some(Bytes::from_static(b"question"));
        exchange.response.status = http::StatusCode::CREATED;
        plugin.body_filter(&mut exchange, &mut Chunk { data: Bytes::from_static(b"answer"), last: true });
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

    #[test]
    fn what_is_wrong_is_told_in_apisix_words() {
        let cases = [
            (json!({}), "property \"path\" is not set in either the plugin conf or the metadata"),
            (
                json!({ "path": "a", "match": [["status", "?", 1]] }),
                "failed to validate the 'match' expression: invalid operator '?'",
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
        let conf = json!({ "match": [["arg_name", "==", "jack"]] });
        assert_eq!(logged(conf.clone(), "/?name=jack").await.len(), 1);
        assert_eq!(logged(conf, "/?name=ann").await.len(), 0);
    }
}
