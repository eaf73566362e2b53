//! `echo`: another body, or something around it; for trying things out.
//!
//! ```json
//! { "before_body": "before ", "body": "instead", "after_body": " after", "headers": { "X-A": "b" } }
//! ```
//! Source: <https://apisix.apache.org/docs/apisix/plugins/echo/>

use std::sync::{Arc, LazyLock};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use model::Fault;
use plugin_api::schema::with_meta;
use plugin_api::{Chunk, CompileInput, Exchange, Phases, Plugin, PluginType};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::header_json;

/// The plugin by name.
pub(crate) struct Echo;

#[derive(Deserialize)]
struct Conf {
    before_body: Option<String>,
    body: Option<String>,
    after_body: Option<String>,
    #[serde(default)]
    headers: Map<String, Value>,
}

impl PluginType for Echo {
    fn name(&self) -> &'static str {
        "echo"
    }

    fn priority(&self) -> i32 {
        412
    }

    fn schema(&self) -> &'static Value {
        static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
            with_meta(json!({
                "type": "object",
                "properties": {
                    "before_body": { "description": "body before the filter phase.", "type": "string" },
                    "body": { "description": "body to replace upstream response.", "type": "string" },
                    "after_body": { "description": "body after the modification of filter phase.", "type": "string" },
                    "headers": { "description": "new headers for response", "type": "object", "minProperties": 1 },
                },
                "anyOf": [
                    { "required": ["before_body"] },
                    { "required": ["body"] },
                    { "required": ["after_body"] },
                    { "required": ["headers"] },
                ],
                "minProperties": 1,
            }))
        });
        &SCHEMA
    }

    fn compile(&self, input: &CompileInput<'_>) -> Result<Arc<dyn Plugin>, Fault> {
        let conf: Conf = crate::read(input.conf)?;
        let headers = header_json::parse(&conf.headers, "/headers")?;
        let bytes = |text: Option<String>| text.map(Bytes::from);
        let (before, instead, after) = (bytes(conf.before_body), bytes(conf.body), bytes(conf.after_body));
        Ok(Arc::new(Compiled { before, instead, after, headers }))
    }
}

struct Compiled {
    before: Option<Bytes>,
    instead: Option<Bytes>,
    after: Option<Bytes>,
    headers: HeaderMap,
}

impl Compiled {
    fn changes_body(&self) -> bool {
        self.before.is_some() || self.instead.is_some() || self.after.is_some()
    }
}

/// That the beginning of the body has been said.
struct Begun;

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        if self.changes_body() { Phases::HEADER_FILTER.and(Phases::BODY_FILTER) } else { Phases::HEADER_FILTER }
    }

    fn header_filter(&self, exchange: &mut Exchange) {
        if self.changes_body() {
            crate::forget_body_headers(exchange);
        }
        for (name, value) in &self.headers {
            exchange.response.headers.insert(name, value.clone());
        }
    }

    fn body_filter(&self, exchange: &mut Exchange, chunk: &mut Chunk) {
        let is_first = exchange.kept.get_mut::<_, Begun>(self).is_none();
        let mut data = BytesMut::new();
        if is_first {
            exchange.kept.put(self, Begun);
            data.extend_from_slice(self.before.as_deref().unwrap_or_default());
            data.extend_from_slice(self.instead.as_deref().unwrap_or_default());
        }
        if self.instead.is_none() {
            data.extend_from_slice(&chunk.data);
        }
        if chunk.last {
            data.extend_from_slice(self.after.as_deref().unwrap_or_default());
        }
        chunk.data = data.freeze();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, compile, refusal_of};

    fn run(conf: &str, chunks: &[&'static str]) -> String {
        let plugin = compile(&Echo, conf);
        let mut exchange = testing::exchange("/", &[]);
        let mut out = Vec::new();
        for (at, text) in chunks.iter().enumerate() {
            let mut chunk = Chunk { data: Bytes::from_static(text.as_bytes()), last: at + 1 == chunks.len() };
            plugin.body_filter(&mut exchange, &mut chunk);
            out.extend_from_slice(&chunk.data);
        }
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn bodies_are_framed_and_replaced() {
        assert_eq!(run(r#"{"before_body": "<", "after_body": ">"}"#, &["a", "b", ""]), "<ab>");
        assert_eq!(run(r#"{"before_body": "<", "body": "x", "after_body": ">"}"#, &["a", "b"]), "<x>");
        assert_eq!(run(r#"{"body": "x"}"#, &["a"]), "x");
        let framed = compile(&Echo, r#"{"after_body": ">", "headers": {"ETag": "own"}}"#);
        let mut exchange = testing::exchange("/", &[]);
        for name in ["content-length", "content-encoding", "last-modified", "etag"] {
            exchange.response.headers.insert(name, http::HeaderValue::from_static("upstream's"));
        }
        framed.header_filter(&mut exchange);
        assert_eq!(exchange.response.headers.len(), 1, "what was said of the body is true no more");
        assert_eq!(exchange.response.headers["etag"], "own");
        let plugin = compile(&Echo, r#"{"headers": {"X-A": "b"}}"#);
        let mut exchange = testing::exchange("/", &[]);
        plugin.header_filter(&mut exchange);
        assert_eq!(exchange.response.headers["x-a"], "b");
        assert!(!plugin.phases().has(Phases::BODY_FILTER));
        assert!(!refusal_of(&Echo, &json!({})).is_empty());
    }
}
