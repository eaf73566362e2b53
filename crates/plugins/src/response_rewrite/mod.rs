//! `response-rewrite`: another status, body or headers for the client.
//!
//! ```json
//! { "status_code": 200, "body": "{\"code\":\"ok\"}", "headers": { "set": { "X-Server": "flotilla" } } }
//! ```
//! Source: <https://apisix.apache.org/docs/apisix/plugins/response-rewrite/>

mod filter;

use std::sync::{Arc, LazyLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_ENCODING, HeaderValue};
use model::Fault;
use plugin_api::schema::with_meta;
use plugin_api::{BodyNeed, Chunk, CompileInput, Condition, Exchange, Phases, Plugin, PluginType};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::gunzip::gunzip;
use crate::header_edits::{self, HeaderEdits, Side};
use filter::{Filter, FilterConf};

/// The plugin by name.
pub(crate) struct ResponseRewrite;

#[derive(Deserialize)]
struct Conf {
    headers: Option<Value>,
    body: Option<String>,
    #[serde(default)]
    body_base64: bool,
    status_code: Option<u16>,
    vars: Option<Value>,
    #[serde(default)]
    filters: Vec<FilterConf>,
    #[serde(default = "max_body")]
    max_resp_body_size: usize,
}

fn max_body() -> usize {
    64 * 1024 * 1024
}

impl PluginType for ResponseRewrite {
    fn name(&self) -> &'static str {
        "response-rewrite"
    }

    fn priority(&self) -> i32 {
        899
    }

    fn schema(&self) -> &'static Value {
        static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
            with_meta(json!({
                "type": "object",
                "properties": {
                    "headers": header_edits::schema(json!({
                        "type": "object",
                        "properties": header_edits::actions(
                            json!({
                                "type": "array",
                                "minItems": 1,
                                "items": { "type": "string", "pattern": "^[^:]+:[^:]+[^/]$" },
                            }),
                            header_edits::values(),
                        ),
                    })),
                    "body": { "type": "string" },
                    "body_base64": { "type": "boolean", "default": false },
                    "status_code": { "type": "integer", "minimum": 200, "maximum": 598 },
                    "vars": { "type": "array" },
                    "filters": { "type": "array", "minItems": 1, "items": filter::schema() },
                    "max_resp_body_size": { "type": "integer", "minimum": 1, "default": max_body() },
                },
                "dependencies": {
                    "body": { "not": { "required": ["filters"] } },
                    "filters": { "not": { "required": ["body"] } },
                },
            }))
        });
        &SCHEMA
    }

    fn compile(&self, input: &CompileInput<'_>) -> Result<Arc<dyn Plugin>, Fault> {
        let conf: Conf = crate::read(input.conf)?;
        let status = conf.status_code.map(StatusCode::from_u16).transpose();
        let vars = conf.vars.as_ref().map(Condition::compile).transpose();
        let filters = conf.filters.iter().enumerate();
        let filters =
            filters.map(|(n, filter)| Filter::compile(filter).map_err(|fault| fault.under(&format!("/filters/{n}"))));
        Ok(Arc::new(Compiled {
            status: status.map_err(|_| Fault::new("/status_code", "must be a status code"))?,
            body: body(&conf)?,
            headers: HeaderEdits::parse(conf.headers.as_ref())?,
            vars: vars.map_err(|fault| crate::in_expression("vars", fault))?,
            filters: filters.collect::<Result<_, _>>()?,
            limit: conf.max_resp_body_size,
        }))
    }
}

fn body(conf: &Conf) -> Result<Option<Bytes>, Fault> {
    let Some(body) = &conf.body else { return Ok(None) };
    if !conf.body_base64 {
        return Ok(Some(Bytes::from(body.clone())));
    }
    let decoded = STANDARD.decode(body).ok().filter(|decoded| !decoded.is_empty());
    decoded.map(|decoded| Some(decoded.into())).ok_or_else(|| Fault::new("/body", "invalid base64 content"))
}

struct Compiled {
    status: Option<StatusCode>,
    body: Option<Bytes>,
    headers: HeaderEdits,
    vars: Option<Condition>,
    filters: Vec<Filter>,
    limit: usize,
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        let filters = if self.filters.is_empty() { Phases::default() } else { Phases::BODY_FILTER };
        Phases::HEADER_FILTER.and(filters)
    }

    fn response_body(&self) -> BodyNeed {
        if self.filters.is_empty() { BodyNeed::Stream } else { BodyNeed::Whole { limit: self.limit } }
    }

    fn header_filter(&self, exchange: &mut Exchange) {
        if !self.vars.as_ref().is_none_or(|vars| vars.holds(exchange)) {
            return;
        }
        if let Some(status) = self.status {
            exchange.response.status = status;
        }
        if let Some(body) = &self.body {
            crate::forget_body_headers(exchange);
            exchange.response.body = Some(body.clone());
        }
        if !self.filters.is_empty() {
            self.begin_filters(exchange);
        }
        self.headers.apply(exchange, Side::Response, &[]);
    }

    fn body_filter(&self, exchange: &mut Exchange, chunk: &mut Chunk) {
        let Some(Filtering { encoding }) = exchange.kept.take(self) else { return };
        if encoding.is_some_and(|encoding| !self.decode(exchange, &mut chunk.data, encoding)) {
            return;
        }
        self.filters.iter().for_each(|filter| filter.apply(&mut chunk.data));
    }
}

/// That the body of this response is filtered, for `vars` held, and how it is encoded.
struct Filtering {
    encoding: Option<HeaderValue>,
}

impl Compiled {
    /// Filters see the body as it was before the upstream compressed it with gzip, and the client gets it so. In one that is
    /// encoded in another way there is nothing to find: it is left alone, where APISIX loses it.
    fn begin_filters(&self, exchange: &mut Exchange) {
        let encoding = exchange.response.headers.get(CONTENT_ENCODING).filter(|encoding| *encoding != "identity");
        if encoding.is_some_and(|encoding| encoding != "gzip") {
            tracing::warn!(?encoding, "response-rewrite: filters cannot look into a body that is encoded so");
            return;
        }
        let encoding = encoding.cloned();
        crate::forget_body_headers(exchange);
        exchange.kept.put(self, Filtering { encoding });
    }

    /// Whether the body could be decoded. One that cannot be is told to be encoded again, below what was done to it since.
    fn decode(&self, exchange: &mut Exchange, body: &mut Bytes, encoding: HeaderValue) -> bool {
        let (plain, is_whole) = gunzip(body, self.limit);
        if is_whole {
            *body = plain.into();
        } else {
            tracing::warn!("response-rewrite: a body is no gzip, or too long behind it");
            let since = exchange.response.headers.remove(CONTENT_ENCODING);
            for coding in [encoding].into_iter().chain(since) {
                exchange.response.headers.append(CONTENT_ENCODING, coding);
            }
        }
        is_whole
    }
}

#[cfg(test)]
mod tests;
