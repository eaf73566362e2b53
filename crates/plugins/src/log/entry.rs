//! What is logged of a request.
//!
//! Source: `log_util.lua` of APISIX: the same fields, names and units.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::BytesMut;
use model::Fault;
use plugin_api::{BodyNeed, Chunk, CompileInput, Condition, Exchange, Phases, Template};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::header_json;

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

/// The schema of the metadata of every such plugin.
pub(crate) fn metadata_schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "log_format": { "type": "object" },
            "log_format_extra": { "type": "object" },
            "max_pending_entries": { "type": "integer", "minimum": 1 },
            "path": { "type": "string", "minLength": 1 },
        },
    })
}

/// Makes entries of requests.
pub(crate) struct Recorder {
    format: Option<Format>,
    extra: Option<Format>,
    request_body: Body,
    response_body: Body,
}

/// Whether and how much of a body is logged.
struct Body {
    included: bool,
    when: Option<Condition>,
    most: usize,
}

/// Fields with variables.
enum Format {
    Object(Vec<(String, Format)>),
    Text(Template),
    Other(Value),
}

/// What has been seen of a response's body.
#[derive(Default)]
struct Seen(BytesMut);

impl Recorder {
    pub(crate) fn new(conf: EntryConf, input: &CompileInput<'_>) -> Result<Self, Fault> {
        let of_group = |name: &str| input.metadata.and_then(|metadata| metadata.get(name)?.as_object().cloned());
        let format = conf.log_format.or_else(|| of_group("log_format")).filter(|format| !format.is_empty());
        let extra = conf.log_format_extra.or_else(|| of_group("log_format_extra"));
        let body = |included: bool, when: &Option<Value>, most: usize, pointer: &str| {
            let when = when.as_ref().map(Condition::compile).transpose().map_err(|fault| fault.under(pointer))?;
            Ok(Body { included, when, most })
        };
        let (request, response) = (&conf.include_req_body_expr, &conf.include_resp_body_expr);
        Ok(Self {
            format: format.map(|fields| Format::of(&Value::Object(fields))),
            extra: extra.map(|fields| Format::of(&Value::Object(fields))),
            request_body: body(conf.include_req_body, request, conf.max_req_body_bytes, "/include_req_body_expr")?,
            response_body: body(conf.include_resp_body, response, conf.max_resp_body_bytes, "/include_resp_body_expr")?,
        })
    }

    pub(crate) fn phases(&self) -> Phases {
        let log = Phases::LOG.and(Phases::HEADERS_IN_LOG);
        if self.response_body.included { log.and(Phases::BODY_FILTER) } else { log }
    }

    pub(crate) fn request_body(&self) -> BodyNeed {
        // A longer body is refused, so the bound here is not the one of what is logged.
        const TAKEN: usize = 64 * 1024 * 1024;
        if self.request_body.included { BodyNeed::Whole { limit: TAKEN } } else { BodyNeed::Stream }
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

    /// The entry of a request that is over.
    pub(crate) fn entry<P>(&self, owner: &P, exchange: &mut Exchange) -> Value {
        let seen = exchange.kept.take::<_, Seen>(owner);
        let mut entry = match &self.format {
            Some(format) => with_place(format.render(exchange), exchange),
            None => whole(exchange),
        };
        if let (Some(fields), Some(Value::Object(extra))) =
            (entry.as_object_mut(), self.extra.as_ref().map(|extra| extra.render(exchange)))
        {
            fields.extend(extra);
        }
        if let Some(body) = exchange.request_body.as_ref().filter(|_| self.request_body.applies(exchange)) {
            let shown = body.get(..body.len().min(self.request_body.most)).unwrap_or_default();
            entry["request"]["body"] = String::from_utf8_lossy(shown).into();
        }
        if let Some(Seen(body)) = seen.filter(|_| self.response_body.applies(exchange)) {
            entry["response"]["body"] = String::from_utf8_lossy(&body).into();
        }
        entry
    }
}

impl Body {
    fn applies(&self, exchange: &Exchange) -> bool {
        self.included && self.when.as_ref().is_none_or(|when| when.holds(exchange))
    }
}

impl Format {
    fn of(value: &Value) -> Self {
        match value {
            Value::Object(fields) => {
                Format::Object(fields.iter().map(|(name, value)| (name.clone(), Format::of(value))).collect())
            }
            Value::String(text) => Format::Text(Template::parse(text)),
            other => Format::Other(other.clone()),
        }
    }

    fn render(&self, exchange: &Exchange) -> Value {
        match self {
            Format::Object(fields) => {
                Value::Object(fields.iter().map(|(name, format)| (name.clone(), format.render(exchange))).collect())
            }
            Format::Text(template) => template.render(exchange).into(),
            Format::Other(value) => value.clone(),
        }
    }
}

/// Every entry says which route and service it is about.
fn with_place(mut entry: Value, exchange: &Exchange) -> Value {
    if let (Some(fields), Some(route)) = (entry.as_object_mut(), &exchange.route) {
        fields.insert("route_id".into(), (*route.id).into());
        if let Some(service) = &route.service_id {
            fields.insert("service_id".into(), (**service).into());
        }
    }
    entry
}

/// The entry where no format is given.
fn whole(exchange: &Exchange) -> Value {
    let outcome = &exchange.outcome;
    let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
    let (total, upstream) = (milliseconds(outcome.total), outcome.upstream_latency.map(milliseconds));
    let target = exchange.uri.path_and_query().map_or("/", |target| target.as_str());
    let started = SystemTime::now().checked_sub(exchange.started.elapsed()).unwrap_or(UNIX_EPOCH);
    let port = exchange.client.local.port();
    let entry = json!({
        "request": {
            "url": format!("{}://{}:{port}{target}", exchange.scheme(), exchange.host()),
            "uri": target,
            "method": exchange.method.as_str(),
            "headers": header_json::of(&exchange.headers),
            "querystring": arguments(exchange),
            "size": outcome.bytes_received,
        },
        "response": {
            "status": exchange.response.status.as_u16(),
            "headers": header_json::of(&exchange.response.headers),
            "size": outcome.bytes_sent,
        },
        "server": { "hostname": Template::parse("$hostname").render(exchange), "version": env!("CARGO_PKG_VERSION") },
        "upstream": outcome.upstream_addr.as_deref().unwrap_or_default(),
        "service_id": "",
        "route_id": "",
        "client_ip": exchange.client.remote.ip().to_string(),
        "start_time": started.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64,
        "latency": total,
        "upstream_latency": upstream,
        "apisix_latency": (total - upstream.unwrap_or_default()).max(0.0),
    });
    let mut entry = with_place(entry, exchange);
    if let Some(consumer) = &exchange.consumer {
        entry["consumer"] = json!({ "username": consumer.consumer.username });
    }
    entry
}

fn arguments(exchange: &Exchange) -> Value {
    let pairs = exchange.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let names = pairs.map(|pair| pair.split('=').next().unwrap_or_default());
    let named = names.filter_map(|name| Some((name.to_owned(), exchange.query_argument(name)?.into_owned().into())));
    Value::Object(named.collect())
}
