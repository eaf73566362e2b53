//! `http-logger`: entries in batches to a server.
//!
//! ```json
//! { "uri": "http://logs.internal/entries", "batch_max_size": 100, "concat_method": "json" }
//! ```
//! Source: <https://apisix.apache.org/docs/apisix/plugins/http-logger/>

use std::hash::{BuildHasher, Hasher};
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use model::Fault;
use plugin_api::schema::with_meta;
use plugin_api::{BodyNeed, Chunk, CompileInput, Exchange, Phases, Plugin, PluginType};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::limit_count::counters::hashing;
use crate::log::courier::{self, BatchRules, Sink};
use crate::log::{self, EntryConf, Recorder};

/// How many entries may wait for each core of the machine, where the metadata does not say. APISIX has it for each worker.
const PENDING: usize = 8192;

/// The plugin by name.
pub(crate) struct HttpLogger;

#[derive(Deserialize)]
struct Conf {
    uri: String,
    auth_header: Option<String>,
    #[serde(default = "three")]
    timeout: u64,
    #[serde(default)]
    ssl_verify: bool,
    #[serde(default)]
    concat_method: Concat,
    #[serde(default = "thousand")]
    batch_max_size: usize,
    #[serde(default = "five")]
    inactive_timeout: u64,
    #[serde(default = "sixty")]
    buffer_duration: u64,
    #[serde(default)]
    max_retry_count: u32,
    #[serde(default = "one")]
    retry_delay: u64,
    #[serde(flatten)]
    entry: EntryConf,
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Concat {
    #[default]
    Json,
    NewLine,
}

fn one() -> u64 {
    1
}

fn three() -> u64 {
    3
}

fn five() -> u64 {
    5
}

fn sixty() -> u64 {
    60
}

fn thousand() -> usize {
    1000
}

impl PluginType for HttpLogger {
    fn name(&self) -> &'static str {
        "http-logger"
    }

    fn priority(&self) -> i32 {
        410
    }

    fn schema(&self) -> &'static Value {
        static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
            let own = json!({
                "uri": { "type": "string", "pattern": "^[^\\/]+:\\/\\/([\\da-zA-Z.-]+|\\[[\\da-fA-F:]+\\])(:\\d+)?" },
                "auth_header": { "type": "string" },
                "timeout": { "type": "integer", "minimum": 1, "default": three() },
                "ssl_verify": { "type": "boolean", "default": false },
                "concat_method": { "type": "string", "default": "json", "enum": ["json", "new_line"] },
                "name": { "type": "string", "default": "http logger" },
                "batch_max_size": { "type": "integer", "minimum": 1, "default": thousand() },
                "inactive_timeout": { "type": "integer", "minimum": 1, "default": five() },
                "buffer_duration": { "type": "integer", "minimum": 1, "default": sixty() },
                "max_retry_count": { "type": "integer", "minimum": 0, "default": 0 },
                "retry_delay": { "type": "integer", "minimum": 0, "default": one() },
            });
            let mut properties = log::properties();
            properties.extend(own.as_object().cloned().unwrap_or_default());
            with_meta(json!({ "type": "object", "properties": properties, "required": ["uri"] }))
        });
        &SCHEMA
    }

    fn metadata_schema(&self) -> Option<&'static Value> {
        static SCHEMA: LazyLock<Value> =
            LazyLock::new(|| log::metadata_schema("max_pending_entries", json!({ "type": "integer", "minimum": 1 })));
        Some(&SCHEMA)
    }

    fn secret_fields(&self) -> &'static [&'static str] {
        &["auth_header"]
    }

    fn compile(&self, input: &CompileInput<'_>) -> Result<Arc<dyn Plugin>, Fault> {
        let conf: Conf = crate::read(input.conf)?;
        let mut hasher = hashing().build_hasher();
        hasher.write(input.owner.as_bytes());
        hasher.write(&model::json::canonical(input.conf));
        let seconds = Duration::from_secs;
        let server = Server {
            key: hasher.finish(),
            uri: conf.uri,
            auth_header: conf.auth_header,
            timeout: seconds(conf.timeout),
            verify: conf.ssl_verify,
            concat: conf.concat_method,
            rules: BatchRules {
                size: conf.batch_max_size,
                inactive: seconds(conf.inactive_timeout),
                buffer: seconds(conf.buffer_duration),
                retries: conf.max_retry_count,
                retry_delay: seconds(conf.retry_delay),
            },
            most_pending: most_pending(input.metadata),
        };
        Ok(Arc::new(Compiled { sink: Arc::new(server), recorder: Recorder::new(conf.entry, input)? }))
    }
}

fn most_pending(metadata: Option<&Value>) -> usize {
    let told = metadata.and_then(|metadata| metadata.get("max_pending_entries")?.as_u64());
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    told.map_or_else(|| PENDING * cores(), |most| usize::try_from(most).unwrap_or(usize::MAX))
}

struct Compiled {
    sink: Arc<dyn Sink>,
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
        courier::deliver(&self.sink, |entry| self.recorder.write(self, exchange, entry));
    }
}

struct Server {
    key: u64,
    uri: String,
    auth_header: Option<String>,
    timeout: Duration,
    verify: bool,
    concat: Concat,
    rules: BatchRules,
    /// `max_pending_entries` of the metadata.
    most_pending: usize,
}

impl Sink for Server {
    fn key(&self) -> u64 {
        self.key
    }

    fn rules(&self) -> BatchRules {
        self.rules
    }

    fn most_pending(&self) -> usize {
        self.most_pending
    }

    fn send(&self, entries: Vec<Bytes>) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + '_>> {
        let body = self.body(&entries);
        Box::pin(async move {
            let client = if self.verify { &VERIFYING } else { &TRUSTING };
            let client = client.as_ref().map_err(Clone::clone)?;
            let kind = if self.concat == Concat::NewLine { "text/plain" } else { "application/json" };
            let mut request = client.post(&self.uri).timeout(self.timeout).header("content-type", kind).body(body);
            if let Some(authorization) = &self.auth_header {
                request = request.header("authorization", authorization);
            }
            let answer = request.send().await.map_err(|error| error.without_url().to_string())?;
            match answer.status().as_u16() {
                status @ 400.. => Err(format!("server returned status code[{status}]")),
                _ => Ok(()),
            }
        })
    }
}

impl Server {
    /// A list, or a line each; an entry as it is where a batch has only one.
    fn body(&self, entries: &[Bytes]) -> Vec<u8> {
        match (self.concat, entries) {
            (Concat::NewLine, entries) => entries.join(&b'\n'),
            (Concat::Json, [only]) if self.rules.size == 1 => only.to_vec(),
            (Concat::Json, entries) => [&b"["[..], &entries.join(&b','), b"]"].concat(),
        }
    }
}

type Client = LazyLock<Result<reqwest::Client, String>>;

static VERIFYING: Client = LazyLock::new(|| client(false));
/// For `ssl_verify` off, which is APISIX's default: encrypted, but whoever answers is believed.
static TRUSTING: Client = LazyLock::new(|| client(true));

fn client(trusts_anyone: bool) -> Result<reqwest::Client, String> {
    // There is one provider; whoever installs it first installs the same.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let builder = reqwest::Client::builder().tls_danger_accept_invalid_certs(trusts_anyone);
    // Entries go where the configuration says, and an entry that was sent elsewhere as a GET would be lost for nothing.
    let builder = builder.redirect(reqwest::redirect::Policy::none());
    builder.build().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::testing::{self, compile, refusal_of};

    /// A server that answers `status` to each request and gives its head and body.
    async fn server(statuses: &'static [u16]) -> (String, tokio::sync::mpsc::UnboundedReceiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (seen, requests) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            for status in statuses {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                let mut text = String::new();
                let mut buffer = [0; 4096];
                while !text.split_once("\r\n\r\n").is_some_and(|(head, body)| is_whole(head, body)) {
                    let read = stream.read(&mut buffer).await.expect("a request");
                    text.push_str(&String::from_utf8_lossy(&buffer[..read]));
                }
                let _ = seen.send(text);
                let moved = if *status == 302 { "location: /elsewhere\r\n" } else { "" };
                let answer = format!("HTTP/1.1 {status} X\r\n{moved}content-length: 0\r\nconnection: close\r\n\r\n");
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        (format!("http://{address}/entries"), requests)
    }

    fn is_whole(head: &str, body: &str) -> bool {
        let length =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        length.is_none_or(|length: usize| body.len() >= length)
    }

    fn log(conf: &Value, requests: usize) {
        let plugin = compile(&HttpLogger, &conf.to_string());
        for number in 0..requests {
            plugin.log(&mut testing::exchange(&format!("/{number}"), &[]));
        }
    }

    async fn next(requests: &mut tokio::sync::mpsc::UnboundedReceiver<String>) -> String {
        tokio::time::timeout(Duration::from_secs(10), requests.recv()).await.expect("in time").expect("a request")
    }

    #[tokio::test]
    async fn entries_go_in_batches() {
        let (uri, mut requests) = server(&[200, 200]).await;
        let format = json!({ "uri": "$uri" });
        let conf = json!({ "uri": uri, "batch_max_size": 2, "log_format": format, "auth_header": "Bearer t" });
        log(&conf, 2);
        let request = next(&mut requests).await;
        assert!(request.starts_with("POST /entries ") && request.contains("authorization: Bearer t"), "{request}");
        assert!(request.ends_with(r#"[{"uri":"/0","route_id":"r1"},{"uri":"/1","route_id":"r1"}]"#), "{request}");
        let lines = json!({ "uri": uri, "batch_max_size": 2, "log_format": format, "concat_method": "new_line" });
        log(&lines, 2);
        let request = next(&mut requests).await;
        assert!(
            request.ends_with("{\"uri\":\"/0\",\"route_id\":\"r1\"}\n{\"uri\":\"/1\",\"route_id\":\"r1\"}"),
            "{request}"
        );
    }

    #[tokio::test]
    async fn a_batch_is_a_list_however_few_are_in_it() {
        let (uri, mut requests) = server(&[200, 200]).await;
        let format = json!({ "uri": "$uri" });
        log(&json!({ "uri": uri, "log_format": format, "inactive_timeout": 1 }), 1);
        let request = next(&mut requests).await;
        assert!(request.ends_with(r#"[{"uri":"/0","route_id":"r1"}]"#), "{request}");
        log(&json!({ "uri": uri, "log_format": format, "batch_max_size": 1 }), 1);
        let request = next(&mut requests).await;
        assert!(request.ends_with("\r\n\r\n{\"uri\":\"/0\",\"route_id\":\"r1\"}"), "{request}");
    }

    /// Alone in its process (nextest), for all entries of the instance count together.
    #[tokio::test]
    async fn entries_beyond_those_that_may_wait_are_dropped() {
        let (uri, mut requests) = server(&[200]).await;
        let conf = json!({ "uri": uri, "log_format": { "uri": "$uri" }, "name": "pending" });
        let metadata = json!({ "max_pending_entries": 2 });
        let plugin = |metadata| HttpLogger.compile(&CompileInput { metadata, ..plugin_api::testing::input(&conf) });
        let limited = plugin(Some(&metadata)).expect("compiles");
        let before = courier::dropped();
        for number in 0..5 {
            limited.log(&mut testing::exchange(&format!("/{number}"), &[]));
        }
        assert_eq!(courier::dropped() - before, 2, "it is more than two that are too many, as in APISIX");
        courier::flush(Duration::from_secs(10)).await;
        let request = next(&mut requests).await;
        assert!(request.contains("\"/2\"") && !request.contains("\"/3\""), "{request}");
        // What has arrived waits no more.
        limited.log(&mut testing::exchange("/6", &[]));
        assert_eq!(courier::dropped() - before, 2);
    }

    #[tokio::test]
    async fn a_sink_that_fails_is_tried_again_and_then_given_up() {
        let (uri, mut requests) = server(&[500, 200]).await;
        log(&json!({ "uri": uri, "batch_max_size": 1, "max_retry_count": 1, "retry_delay": 0 }), 1);
        next(&mut requests).await;
        next(&mut requests).await;
        let before = courier::dropped();
        log(&json!({ "uri": "http://127.0.0.1:1/", "batch_max_size": 1 }), 3);
        courier::flush(Duration::from_secs(10)).await;
        assert!(courier::dropped() >= before + 3, "counted");
    }

    #[tokio::test]
    async fn entries_are_not_carried_elsewhere() {
        let (uri, mut requests) = server(&[302, 200]).await;
        log(&json!({ "uri": uri, "batch_max_size": 1 }), 1);
        courier::flush(Duration::from_secs(10)).await;
        assert!(next(&mut requests).await.starts_with("POST /entries "));
        assert!(requests.try_recv().is_err(), "one that was told to ask elsewhere has arrived, as in APISIX");
    }

    #[test]
    fn so_many_may_wait_whatever_the_metadata_says() {
        assert_eq!(most_pending(Some(&json!({ "max_pending_entries": 3 }))), 3);
        for metadata in [None, Some(json!({}))] {
            let most = most_pending(metadata.as_ref());
            assert!(most >= PENDING && most.is_multiple_of(PENDING), "{most}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(refusal_of(&HttpLogger, &json!({})), "property \"uri\" is required");
        assert!(!refusal_of(&HttpLogger, &json!({ "uri": "127.0.0.1" })).is_empty());
    }
}
