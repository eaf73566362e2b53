//! What is logged of a request.
//!
//! Source: `log_util.lua` of APISIX: the same fields, names and units.

use std::borrow::Cow;

use bytes::BytesMut;
use http::header::CONTENT_ENCODING;
use model::Fault;
use plugin_api::{BodyNeed, Chunk, CompileInput, Condition, Exchange, Phases};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::fields::{self, Bodies, Field};
use crate::gunzip::gunzip;

/// Most bytes of a body that are logged.
const BODY_BYTES: usize = 512 * 1024;

/// The fields of a configuration that say what is logged.
#[derive(Deserialize)]
#[serde(default)]
pub(crate) struct EntryConf {
    log_format: Option<Map<String, Value>>,
    log_format_extra: Option<Map<String, Value>>,
    include_req_body: bool,
    include_req_body_expr: Option<Value>,
    include_resp_body: bool,
    include_resp_body_expr: Option<Value>,
    max_req_body_bytes: usize,
    max_resp_body_bytes: usize,
}

impl Default for EntryConf {
    fn default() -> Self {
        Self {
            log_format: None,
            log_format_extra: None,
            include_req_body: false,
            include_req_body_expr: None,
            include_resp_body: false,
            include_resp_body_expr: None,
            max_req_body_bytes: BODY_BYTES,
            max_resp_body_bytes: BODY_BYTES,
        }
    }
}

/// Their schemas.
pub(crate) fn properties() -> Map<String, Value> {
    let expression = json!({ "type": "array", "minItems": 1, "items": { "type": "array" } });
    let bytes = json!({ "type": "integer", "minimum": 1, "default": BODY_BYTES });
    let fields = json!({
        "log_format": { "type": "object" },
        "log_format_extra": { "type": "object" },
        "include_req_body": { "type": "boolean", "default": false },
        "include_req_body_expr": expression,
        "include_resp_body": { "type": "boolean", "default": false },
        "include_resp_body_expr": expression,
        "max_req_body_bytes": bytes,
        "max_resp_body_bytes": bytes,
    });
    fields.as_object().cloned().unwrap_or_default()
}

/// The schema of such a plugin's metadata, with a property of its own.
pub(crate) fn metadata_schema(name: &str, own: Value) -> Value {
    let format = json!({ "type": "object" });
    json!({ "type": "object", "properties": { "log_format": format, "log_format_extra": format, name: own } })
}

/// Makes entries of requests.
pub(crate) struct Recorder {
    fields: Vec<(Box<str>, Field)>,
    /// Whether a format asks for `$request_body`, which is there then whatever is included.
    gives_request_body: bool,
    request_body: Body,
    response_body: Body,
}

/// Whether and how much of a body is logged.
struct Body {
    included: bool,
    when: Option<Condition>,
    most: usize,
}

/// What has been seen of a response's body.
#[derive(Default)]
struct Seen(BytesMut);

impl Recorder {
    pub(crate) fn new(conf: EntryConf, input: &CompileInput<'_>) -> Result<Self, Fault> {
        let of_group = |name: &str| input.metadata.and_then(|metadata| metadata.get(name)?.as_object().cloned());
        let format = conf.log_format.or_else(|| of_group("log_format")).filter(|format| !format.is_empty());
        let extra = conf.log_format_extra.or_else(|| of_group("log_format_extra"));
        let body = |included: bool, when: &Option<Value>, most: usize, field: &str| {
            let when = when.as_ref().map(Condition::compile).transpose();
            Ok(Body { included, when: when.map_err(|fault| crate::in_expression(field, fault))?, most })
        };
        let (request, response) = (&conf.include_req_body_expr, &conf.include_resp_body_expr);
        let fields = fields(format.as_ref(), extra.as_ref());
        Ok(Self {
            gives_request_body: fields::give_request_body(&fields),
            fields,
            request_body: body(conf.include_req_body, request, conf.max_req_body_bytes, "include_req_body_expr")?,
            response_body: body(conf.include_resp_body, response, conf.max_resp_body_bytes, "include_resp_body_expr")?,
        })
    }

    pub(crate) fn phases(&self) -> Phases {
        let log = Phases::LOG.and(Phases::HEADERS_IN_LOG);
        if self.response_body.included { log.and(Phases::BODY_FILTER) } else { log }
    }

    pub(crate) fn request_body(&self) -> BodyNeed {
        // A longer body is refused, so the bound here is not the one of what is logged.
        const TAKEN: usize = 64 * 1024 * 1024;
        let is_asked = self.request_body.included || self.gives_request_body;
        if is_asked { BodyNeed::Whole { limit: TAKEN } } else { BodyNeed::Stream }
    }

    /// Looks on as a response's body passes. `owner` is the plugin.
    pub(crate) fn watch<P>(&self, owner: &P, exchange: &mut Exchange, chunk: &Chunk) {
        if exchange.kept.get_mut::<_, Seen>(owner).is_none() {
            exchange.kept.put(owner, Seen::default());
        }
        if let Some(Seen(seen)) = exchange.kept.get_mut(owner) {
            let room = self.response_body.most.saturating_sub(seen.len()).min(chunk.data.len());
            seen.extend_from_slice(chunk.data.get(..room).unwrap_or_default());
        }
    }

    /// Writes the entry of a request that is over.
    pub(crate) fn write<P>(&self, owner: &P, exchange: &mut Exchange, out: &mut Vec<u8>) {
        let seen = exchange.kept.take::<_, Seen>(owner);
        let given = exchange.request_body.as_deref();
        let given = given.map(|body| body.get(..body.len().min(self.request_body.most)).unwrap_or_default());
        let response = seen.as_ref().filter(|_| self.response_body.applies(exchange));
        let response = response.map(|Seen(body)| self.decoded(exchange, body));
        let bodies = Bodies {
            request: given.filter(|_| self.request_body.applies(exchange)),
            response: response.as_deref(),
            given: given.filter(|_| self.gives_request_body),
        };
        fields::write(&self.fields, exchange, &bodies, out);
    }

    /// As the upstream wrote it before it compressed it, as far as it was seen.
    fn decoded<'b>(&self, exchange: &Exchange, body: &'b [u8]) -> Cow<'b, [u8]> {
        let is_gzip = exchange.response.headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding == "gzip");
        match is_gzip.then(|| gunzip(body, self.response_body.most)) {
            Some((plain, is_whole)) if is_whole || !plain.is_empty() => Cow::Owned(plain),
            _ => Cow::Borrowed(body),
        }
    }
}

/// A format says all there is; `extra` adds to an entry without one.
fn fields(format: Option<&Map<String, Value>>, extra: Option<&Map<String, Value>>) -> Vec<(Box<str>, Field)> {
    let mut fields = format.map_or_else(fields::whole, fields::of_format);
    if let (None, Some(extra)) = (format, extra) {
        fields::extend(&mut fields, extra);
    }
    fields
}

impl Body {
    fn applies(&self, exchange: &Exchange) -> bool {
        self.included && self.when.as_ref().is_none_or(|when| when.holds(exchange))
    }
}
