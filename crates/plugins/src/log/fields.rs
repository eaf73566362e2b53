//! The fields of an entry, decided when the configuration is compiled, and how each is written.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use plugin_api::{Exchange, Template, Var};
use serde_json::{Map, Value};

use super::write;

/// A field's content.
pub(super) enum Field {
    /// Fields in a field. It is left out when it has some, but none of them in this request.
    Object(Vec<(Box<str>, Field)>),
    /// Text with variables.
    Text(Template),
    /// One variable and nothing else: left out where it has no value.
    Var(Var),
    /// Anything else of a format, as JSON.
    Constant(Box<[u8]>),
    /// What is known of a request.
    Fact(Fact),
}

/// What an entry without a format tells. Source: `get_full_log` of APISIX's `log-util.lua`.
#[derive(Clone, Copy)]
pub(super) enum Fact {
    Url,
    Uri,
    Method,
    RequestHeaders,
    QueryString,
    RequestSize,
    RequestBody,
    /// Whatever the settings include: a format asked for it.
    GivenBody,
    RequestSeconds,
    Status,
    ResponseHeaders,
    ResponseSize,
    ResponseBody,
    /// An empty text where it is not included.
    ResponseBodyOrNone,
    Upstream,
    UpstreamPort,
    UpstreamSeconds,
    /// With a service, or with an empty text in its place.
    ServiceId,
    /// Left out without a service.
    OwnServiceId,
    RouteId,
    OwnRouteId,
    Username,
    GroupId,
    ClientIp,
    StartTime,
    Latency,
    UpstreamLatency,
    GatewayLatency,
}

/// Bodies that this entry shows.
#[derive(Default)]
pub(super) struct Bodies<'b> {
    pub(super) request: Option<&'b [u8]>,
    pub(super) response: Option<&'b [u8]>,
    /// The request's, where a format asks for it by name.
    pub(super) given: Option<&'b [u8]>,
}

/// The entry where no format is given.
pub(super) fn whole() -> Vec<(Box<str>, Field)> {
    let server = [("hostname", Field::Text(Template::parse("$hostname"))), ("version", version())];
    object([
        (
            "request",
            facts([
                ("url", Fact::Url),
                ("uri", Fact::Uri),
                ("method", Fact::Method),
                ("headers", Fact::RequestHeaders),
                ("querystring", Fact::QueryString),
                ("size", Fact::RequestSize),
                ("body", Fact::RequestBody),
            ]),
        ),
        (
            "response",
            facts([
                ("status", Fact::Status),
                ("headers", Fact::ResponseHeaders),
                ("size", Fact::ResponseSize),
                ("body", Fact::ResponseBody),
            ]),
        ),
        ("server", Field::Object(object(server))),
        ("upstream", Field::Fact(Fact::Upstream)),
        ("service_id", Field::Fact(Fact::ServiceId)),
        ("route_id", Field::Fact(Fact::RouteId)),
        ("consumer", facts([("username", Fact::Username), ("group_id", Fact::GroupId)])),
        ("client_ip", Field::Fact(Fact::ClientIp)),
        ("start_time", Field::Fact(Fact::StartTime)),
        ("latency", Field::Fact(Fact::Latency)),
        ("upstream_latency", Field::Fact(Fact::UpstreamLatency)),
        ("apisix_latency", Field::Fact(Fact::GatewayLatency)),
    ])
}

/// A format's fields. Every entry says which route and service it is about, and has its bodies where a whole one has.
pub(super) fn of_format(format: &Map<String, Value>) -> Vec<(Box<str>, Field)> {
    let mut fields = parse(format);
    set(&mut fields, "route_id", Field::Fact(Fact::OwnRouteId));
    set(&mut fields, "service_id", Field::Fact(Fact::OwnServiceId));
    for (part, fact) in [("request", Fact::RequestBody), ("response", Fact::ResponseBody)] {
        let body = Field::Fact(fact);
        match fields.iter_mut().find(|(name, _)| **name == *part) {
            Some((_, Field::Object(inner))) => set(inner, "body", body),
            // What the user has put there stays.
            Some(_) => {}
            None => fields.push((part.into(), Field::Object(object([("body", body)])))),
        }
    }
    fields
}

/// Whether some of them are the request's body, asked for by name.
pub(super) fn give_request_body(fields: &[(Box<str>, Field)]) -> bool {
    fields.iter().any(|(_, field)| match field {
        Field::Object(inner) => give_request_body(inner),
        Field::Fact(fact) => matches!(fact, Fact::GivenBody),
        Field::Text(_) | Field::Var(_) | Field::Constant(_) => false,
    })
}

/// Adds the fields of `extra`, in the place of those that have the same names.
pub(super) fn extend(fields: &mut Vec<(Box<str>, Field)>, extra: &Map<String, Value>) {
    parse(extra).into_iter().for_each(|(name, field)| set(fields, &name, field));
}

fn parse(format: &Map<String, Value>) -> Vec<(Box<str>, Field)> {
    let field = |value: &Value| match value {
        Value::Object(fields) => Field::Object(parse(fields)),
        Value::String(text) => of_text(text),
        other => Field::Constant(other.to_string().into_bytes().into()),
    };
    format.iter().map(|(name, value)| (name.as_str().into(), field(value))).collect()
}

fn of_text(text: &str) -> Field {
    let is_name =
        |name: &&str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let Some(name) = text.strip_prefix('$').filter(is_name) else { return Field::Text(Template::parse(text)) };
    match name {
        "version" => version(),
        name => Fact::named(name).map_or_else(|| Field::Var(Var::parse(name)), Field::Fact),
    }
}

fn set(fields: &mut Vec<(Box<str>, Field)>, name: &str, field: Field) {
    fields.retain(|(other, _)| **other != *name);
    fields.push((name.into(), field));
}

fn object<const N: usize>(fields: [(&str, Field); N]) -> Vec<(Box<str>, Field)> {
    fields.into_iter().map(|(name, field)| (name.into(), field)).collect()
}

fn facts<const N: usize>(facts: [(&str, Fact); N]) -> Field {
    Field::Object(object(facts.map(|(name, fact)| (name, Field::Fact(fact)))))
}

fn version() -> Field {
    Field::Constant(concat!("\"", env!("CARGO_PKG_VERSION"), "\"").as_bytes().into())
}

/// Writes the fields that this request has; whether there were any.
pub(super) fn write(fields: &[(Box<str>, Field)], exchange: &Exchange, bodies: &Bodies<'_>, out: &mut Vec<u8>) -> bool {
    out.push(b'{');
    let start = out.len();
    for (name, field) in fields {
        let before = out.len();
        write::name(out, name);
        if !field.write(exchange, bodies, out) {
            out.truncate(before);
        }
    }
    let is_any = out.len() > start;
    out.push(b'}');
    is_any
}

impl Field {
    /// Whether the request has it; what was written counts only then.
    fn write(&self, exchange: &Exchange, bodies: &Bodies<'_>, out: &mut Vec<u8>) -> bool {
        match self {
            Field::Object(fields) => return write(fields, exchange, bodies, out) || fields.is_empty(),
            Field::Text(template) => write::text(out, &template.render(exchange)),
            Field::Var(var) => match var.get(exchange) {
                Some(text) => write::text(out, &text),
                None => return false,
            },
            Field::Constant(json) => out.extend_from_slice(json),
            Field::Fact(fact) => return fact.write(exchange, bodies, out).is_some(),
        }
        true
    }
}

impl Fact {
    /// What a format may ask for besides variables, and those that are numbers there. Sources: `log_vars` of APISIX's
    /// `log-util.lua`, `resp_body` of its `core/ctx.lua`, and `resty.ngxvar`.
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "url" => Self::Url,
            "request_headers" => Self::RequestHeaders,
            "request_querystring" => Self::QueryString,
            "request_length" => Self::RequestSize,
            "request_body" => Self::GivenBody,
            "request_time" => Self::RequestSeconds,
            "status" | "response_status" => Self::Status,
            "response_headers" => Self::ResponseHeaders,
            "bytes_sent" | "response_size" => Self::ResponseSize,
            "response_body" => Self::ResponseBody,
            "resp_body" => Self::ResponseBodyOrNone,
            "upstream" => Self::Upstream,
            "balancer_port" => Self::UpstreamPort,
            "upstream_response_time" | "upstream_header_time" => Self::UpstreamSeconds,
            "consumer_username" => Self::Username,
            "client_ip" => Self::ClientIp,
            "start_time" => Self::StartTime,
            "latency" => Self::Latency,
            "upstream_latency" => Self::UpstreamLatency,
            "apisix_latency" => Self::GatewayLatency,
            _ => return None,
        })
    }

    fn write(self, exchange: &Exchange, bodies: &Bodies<'_>, out: &mut Vec<u8>) -> Option<()> {
        let outcome = &exchange.outcome;
        let route = exchange.route();
        let service_id = || route.and_then(|route| route.service_id.as_deref());
        match self {
            Fact::Url => write::text(out, &url(exchange)),
            Fact::Uri => write::text(out, &exchange.request_uri()),
            Fact::Method => write::text(out, exchange.method.as_str()),
            Fact::RequestHeaders => write::headers(out, &exchange.headers),
            Fact::QueryString => write::arguments(out, exchange.uri.query().unwrap_or_default()),
            Fact::RequestSize => write::number(out, outcome.bytes_received),
            Fact::RequestBody => write::text(out, &String::from_utf8_lossy(bodies.request?)),
            Fact::GivenBody => write::text(out, &String::from_utf8_lossy(bodies.given?)),
            Fact::RequestSeconds => write::seconds(out, outcome.total),
            Fact::Status => write::number(out, exchange.response.status.as_u16()),
            Fact::ResponseHeaders => write::headers(out, &exchange.response.headers),
            Fact::ResponseSize => write::number(out, outcome.bytes_sent),
            Fact::ResponseBody => write::text(out, &String::from_utf8_lossy(bodies.response?)),
            Fact::ResponseBodyOrNone => write::text(out, &String::from_utf8_lossy(bodies.response.unwrap_or_default())),
            Fact::Upstream => write::text(out, outcome.upstream_addr.as_deref()?),
            Fact::UpstreamPort => {
                let (_, port) = outcome.upstream_addr.as_deref()?.rsplit_once(':')?;
                write::number(out, port.parse::<u16>().ok()?);
            }
            Fact::UpstreamSeconds => write::seconds(out, outcome.upstream_latency?),
            Fact::ServiceId => write::text(out, service_id().unwrap_or_default()),
            Fact::OwnServiceId => write::text(out, service_id()?),
            Fact::RouteId => write::text(out, route.map_or("", |route| &*route.id)),
            Fact::OwnRouteId => write::text(out, &route?.id),
            Fact::Username => write::text(out, &exchange.consumer.as_ref()?.consumer.username),
            Fact::GroupId => write::text(out, exchange.consumer.as_ref()?.consumer.group_id.as_deref()?),
            Fact::ClientIp => write::plain(out, exchange.client.remote.ip()),
            Fact::StartTime => write::number(out, started_ms(exchange)),
            Fact::Latency => write::milliseconds(out, outcome.total),
            Fact::UpstreamLatency => write::milliseconds(out, outcome.upstream_latency?),
            Fact::GatewayLatency => {
                write::milliseconds(
                    out,
                    outcome.total.saturating_sub(outcome.upstream_latency.unwrap_or(Duration::ZERO)),
                );
            }
        }
        Some(())
    }
}

fn url(exchange: &Exchange) -> String {
    let port = exchange.client.local.port();
    format!("{}://{}:{port}{}", exchange.scheme(), exchange.host(), exchange.request_uri())
}

fn started_ms(exchange: &Exchange) -> u64 {
    let started = SystemTime::now().checked_sub(exchange.started.elapsed()).unwrap_or(UNIX_EPOCH);
    started.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing;

    fn written(fields: &[(Box<str>, Field)], bodies: &Bodies<'_>) -> Value {
        let mut out = Vec::new();
        write(fields, &testing::exchange("/a?b=c", &[("x-tenant", "blue")]), bodies, &mut out);
        serde_json::from_slice(&out).expect("json")
    }

    fn of(format: Value) -> Vec<(Box<str>, Field)> {
        of_format(format.as_object().expect("an object"))
    }

    #[test]
    fn a_whole_entry_leaves_out_what_there_is_not() {
        let entry = written(&whole(), &Bodies::default());
        let names: Vec<_> = entry.as_object().expect("an object").keys().map(String::as_str).collect();
        let expected = [
            "apisix_latency",
            "client_ip",
            "latency",
            "request",
            "response",
            "route_id",
            "server",
            "service_id",
            "start_time",
        ];
        assert_eq!(names, expected, "no upstream, no consumer");
        assert!(entry["request"].get("body").is_none());
        assert_eq!((&entry["service_id"], &entry["client_ip"]), (&json!(""), &json!("192.0.2.7")));
    }

    #[test]
    fn bodies_stand_in_formats_too_but_never_on_what_the_user_put_there() {
        let bodies = Bodies { request: Some(b"question"), response: Some(b"answer"), given: Some(b"question") };
        let cases = [
            (
                json!({}),
                json!({ "request": { "body": "question" }, "response": { "body": "answer" }, "route_id": "r1" }),
            ),
            (
                json!({ "request": { "uri": "$uri" }, "response": "$status" }),
                json!({ "request": { "uri": "/a", "body": "question" }, "response": 200, "route_id": "r1" }),
            ),
            (
                json!({ "request": "$request_body", "response": { "body": "$resp_body" } }),
                json!({ "request": "question", "response": { "body": "answer" }, "route_id": "r1" }),
            ),
        ];
        for (format, expected) in cases {
            assert_eq!(written(&of(format.clone()), &bodies), expected, "{format}");
        }
        assert_eq!(written(&of(json!({ "empty": {} })), &Bodies::default()), json!({ "empty": {}, "route_id": "r1" }));
    }

    #[test]
    fn formats_ask_for_what_entries_have_and_leave_out_what_has_no_value() {
        let format = json!({
            "query": "$request_querystring", "status": "$response_status", "tenant": "$http_x_tenant",
            "none": "$http_x_none", "upstream": "$upstream", "who": "$consumer_username", "text": "-$http_x_none",
            "at": { "ip": "$client_ip", "none": "$arg_none" }, "size": "$response_size",
        });
        let entry = written(&of(format), &Bodies::default());
        let expected = json!({
            "query": { "b": "c" }, "status": 200, "tenant": "blue", "text": "-", "at": { "ip": "192.0.2.7" },
            "size": 0, "route_id": "r1",
        });
        assert_eq!(entry, expected);
        assert!(written(&of(json!({ "took": "$latency" })), &Bodies::default())["took"].is_number());
    }

    /// What `resty.ngxvar` gives as numbers, and what stands beside other text.
    #[test]
    fn some_variables_are_numbers() {
        let format = json!({
            "status": "$status", "took": "$request_time", "in": "$request_length", "out": "$bytes_sent",
            "upstream": "$upstream_response_time", "head": "$upstream_header_time", "port": "$balancer_port",
            "text": "$status ", "sent": "$body_bytes_sent",
        });
        let mut exchange = testing::exchange("/", &[]);
        let all = |exchange: &Exchange| {
            let mut out = Vec::new();
            write(&of(format.clone()), exchange, &Bodies::default(), &mut out);
            serde_json::from_slice::<Value>(&out).expect("json")
        };
        let local = json!({
            "status": 200, "took": 0.0, "in": 0, "out": 0, "text": "200 ", "sent": "0", "route_id": "r1",
        });
        assert_eq!(all(&exchange), local);
        exchange.outcome.upstream_addr = Some("[::1]:1980".into());
        exchange.outcome.upstream_latency = Some(Duration::from_micros(42_900));
        exchange.outcome.total = Duration::from_millis(1_500);
        let proxied = all(&exchange);
        let told = ["took", "upstream", "head", "port"].map(|name| proxied[name].clone());
        assert_eq!(told, [json!(1.5), json!(0.042), json!(0.042), json!(1980)]);
    }

    #[test]
    fn a_request_s_body_is_asked_for_by_name_only() {
        let asks = |format: Value| give_request_body(&of(format));
        assert!(asks(json!({ "a": { "b": "$request_body" } })));
        assert!(!asks(json!({ "request": { "body": "$response_body" }, "a": "-$request_body" })));
        assert!(!give_request_body(&whole()));
        let entry = written(&of(json!({ "a": "$request_body", "b": "$resp_body" })), &Bodies::default());
        assert_eq!(entry, json!({ "b": "", "route_id": "r1" }));
    }

    #[test]
    fn extra_fields_take_the_place_of_others() {
        let mut fields = of(json!({ "a": 1, "b": [2] }));
        extend(&mut fields, json!({ "a": "$http_x_tenant", "c": null }).as_object().expect("an object"));
        let expected = json!({ "a": "blue", "b": [2], "c": null, "route_id": "r1" });
        assert_eq!(written(&fields, &Bodies::default()), expected);
    }
}
