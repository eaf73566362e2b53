//! `mocking`: an answer made up here, before there is an upstream.
//!
//! ```json
//! { "response_example": "{\"id\": 1}", "content_type": "application/json", "response_status": 200 }
//! ```
//! Source: <https://apisix.apache.org/docs/apisix/plugins/mocking/>

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use model::Fault;
use plugin_api::schema::with_meta;
use plugin_api::{CompileInput, Exchange, Flow, Phases, Plugin, PluginType, Reply, Template, Verdict};
use rand::RngExt;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::header_json::HeaderTemplates;

static MOCK_BY: HeaderName = HeaderName::from_static("x-mock-by");
/// Clients look for this name; the version is the one whose behaviour this plugin has.
static MOCKER: HeaderValue = HeaderValue::from_static("APISIX/3.18.0");

/// The plugin by name.
pub(crate) struct Mocking;

#[derive(Deserialize)]
struct Conf {
    #[serde(default)]
    delay: u64,
    #[serde(default = "ok")]
    response_status: u16,
    #[serde(default = "json_type")]
    content_type: String,
    response_example: Option<String>,
    #[serde(default)]
    response_schema: Value,
    #[serde(default = "yes")]
    with_mock_header: bool,
    #[serde(default)]
    response_headers: Map<String, Value>,
}

fn ok() -> u16 {
    200
}

fn json_type() -> String {
    "application/json;charset=utf8".to_owned()
}

fn yes() -> bool {
    true
}

impl PluginType for Mocking {
    fn name(&self) -> &'static str {
        "mocking"
    }

    fn priority(&self) -> i32 {
        10900
    }

    fn schema(&self) -> &'static Value {
        static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
            with_meta(json!({
                "type": "object",
                "properties": {
                    "delay": { "type": "integer", "default": 0 },
                    "response_status": { "type": "integer", "default": 200, "minimum": 100 },
                    "content_type": { "type": "string", "default": json_type() },
                    "response_example": { "type": "string" },
                    "response_schema": { "type": "object" },
                    "with_mock_header": { "type": "boolean", "default": true },
                    "response_headers": {
                        "type": "object",
                        "minProperties": 1,
                        "patternProperties": { "^[^:]+$": { "oneOf": [{ "type": "string" }, { "type": "number" }] } },
                    },
                },
                "anyOf": [{ "required": ["response_example"] }, { "required": ["response_schema"] }],
            }))
        });
        &SCHEMA
    }

    fn compile(&self, input: &CompileInput<'_>) -> Result<Arc<dyn Plugin>, Fault> {
        let conf: Conf = crate::read(input.conf)?;
        let bare = conf.content_type.split(';').next().unwrap_or_default().trim();
        let known = ["application/xml", "application/json", "text/plain", "text/html", "text/xml"];
        if !known.contains(&bare) {
            return Err(Fault::new("/content_type", "unsupported content type!"));
        }
        let status = StatusCode::from_u16(conf.response_status);
        let headers = headers(&conf)?;
        let added = HeaderTemplates::parse(&conf.response_headers, "/response_headers")?;
        Ok(Arc::new(Compiled {
            delay: Duration::from_secs(conf.delay),
            status: status.map_err(|_| Fault::new("/response_status", "must be a status code from 100 to 999"))?,
            body: match &conf.response_example {
                Some(example) => Content::Example(Template::parse(example)),
                None if bare == "text/html" => Content::Example(Template::parse("")),
                None if bare.ends_with("/xml") => Content::Xml(conf.response_schema),
                None => Content::Json(conf.response_schema),
            },
            headers,
            added,
        }))
    }
}

fn headers(conf: &Conf) -> Result<HeaderMap, Fault> {
    let mut headers = HeaderMap::new();
    let content_type = HeaderValue::try_from(conf.content_type.as_str());
    headers.insert(CONTENT_TYPE, content_type.map_err(|_| Fault::new("/content_type", "unsupported content type!"))?);
    if conf.with_mock_header {
        headers.insert(&MOCK_BY, MOCKER.clone());
    }
    Ok(headers)
}

enum Content {
    Example(Template),
    /// Something that fits the schema, new each time.
    Json(Value),
    Xml(Value),
}

struct Compiled {
    delay: Duration,
    status: StatusCode,
    body: Content,
    headers: HeaderMap,
    added: HeaderTemplates,
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases::ACCESS
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Flow<'a> {
        let reply = self.reply(exchange);
        if self.delay.is_zero() {
            return Flow::reply(reply);
        }
        Flow::Wait(Box::pin(async move {
            tokio::time::sleep(self.delay).await;
            Verdict::Reply(reply)
        }))
    }
}

impl Compiled {
    fn reply(&self, exchange: &Exchange) -> Reply {
        let with_variables = |text: &str| Template::parse(text).render(exchange);
        let body = match &self.body {
            Content::Example(example) => example.render(exchange),
            Content::Json(schema) => with_variables(&made_up(schema).to_string()),
            Content::Xml(schema) => with_variables(&xml("data", &made_up(schema))),
        };
        Reply { status: self.status, headers: self.headers(exchange), body: body.into() }
    }

    /// A response has one type, so a further one takes the place of that of the content.
    fn headers(&self, exchange: &Exchange) -> HeaderMap {
        let mut headers = self.headers.clone();
        for (name, value) in self.added.render(exchange) {
            if name == CONTENT_TYPE {
                headers.insert(name, value);
            } else {
                headers.append(name, value);
            }
        }
        headers
    }
}

/// A value that fits a schema; its `example` where there is one. Null where there is nothing to say, and what is null
/// is left out of an object.
fn made_up(schema: &Value) -> Value {
    let mut random = rand::rng();
    let example = schema.get("example").cloned();
    match schema.get("type").and_then(Value::as_str).unwrap_or("object").to_ascii_lowercase().as_str() {
        "string" => example.filter(Value::is_string).unwrap_or_else(|| {
            let length = random.random_range(1..=10);
            (0..length).map(|_| char::from(random.random_range(b'a'..=b'z'))).collect::<String>().into()
        }),
        "number" => example.filter(Value::is_number).unwrap_or_else(|| json!(random.random_range(0.0..10_000.0))),
        "integer" => {
            let floor = |value: Value| value.as_f64().map(|number| json!(number.floor() as i64));
            example.and_then(floor).unwrap_or_else(|| json!(random.random_range(1..=10_000)))
        }
        "boolean" => example.filter(Value::is_boolean).unwrap_or_else(|| json!(random.random::<bool>())),
        "array" => match schema.get("items") {
            Some(items) => (0..random.random_range(1..=3)).map(|_| made_up(items)).collect(),
            None => Value::Null,
        },
        "object" => {
            let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
            let all = properties.map(|(name, schema)| (name.clone(), made_up(schema)));
            Value::Object(all.filter(|(_, value)| !value.is_null()).collect())
        }
        _ => Value::Null,
    }
}

/// An element with an element for each property; a list repeats its name.
fn xml(name: &str, value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let inner: String = fields.iter().map(|(name, value)| xml(name, value)).collect();
            format!("<{name}>{inner}</{name}>")
        }
        Value::Array(items) => items.iter().map(|item| xml(name, item)).collect(),
        Value::Null => String::new(),
        Value::String(text) => format!("<{name}>{}</{name}>", text.replace('&', "&amp;").replace('<', "&lt;")),
        other => format!("<{name}>{other}</{name}>"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, compile, refusal_of, reply_of};

    fn run(conf: Value) -> Reply {
        let plugin = compile(&Mocking, &conf.to_string());
        reply_of(plugin.access(&mut testing::exchange("/", &[]))).expect("a reply")
    }

    #[test]
    fn examples_are_given_as_they_are() {
        let reply = run(json!({ "response_example": "hello $remote_addr", "content_type": "text/plain" }));
        assert_eq!((reply.status.as_u16(), &reply.body[..]), (200, &b"hello 192.0.2.7"[..]));
        assert_eq!(reply.headers[CONTENT_TYPE], "text/plain");
        assert!(reply.headers.contains_key("x-mock-by"));
        let reply = run(json!({
            "response_example": "", "response_status": 201, "with_mock_header": false, "response_headers": { "X-A": 1 },
        }));
        assert_eq!((reply.status.as_u16(), &reply.headers["x-a"]), (201, &"1".parse().unwrap()));
        assert_eq!(reply.headers[CONTENT_TYPE], "application/json;charset=utf8");
        assert!(!reply.headers.contains_key("x-mock-by"));
    }

    #[test]
    fn headers_have_variables_and_come_last() {
        let reply = run(json!({ "response_example": "", "response_headers": {
            "X-Client": "at $remote_addr", "X-Mock-By": "hand", "Content-Type": "text/csv",
        } }));
        let all = |name: &str| reply.headers.get_all(name).iter().map(HeaderValue::as_bytes).collect::<Vec<_>>();
        assert_eq!(all("x-client"), [b"at 192.0.2.7"]);
        assert_eq!(all("x-mock-by"), [&b"APISIX/3.18.0"[..], b"hand"]);
        assert_eq!(all("content-type"), [b"text/csv"]);
    }

    #[test]
    fn what_has_nothing_to_say_is_left_out() {
        let schema = json!({ "properties": { "n": { "type": "null" }, "l": { "type": "array" }, "o": {} } });
        assert_eq!(&run(json!({ "response_schema": schema })).body[..], br#"{"o":{}}"#);
    }

    #[test]
    fn schemas_give_values_that_fit() {
        let schema = json!({ "type": "object", "properties": {
            "s": { "type": "string", "example": "x<y" }, "n": { "type": "number", "example": 1.5 },
            "i": { "type": "integer", "example": 2.7 }, "b": { "type": "boolean", "example": false },
            "l": { "type": "array", "items": { "type": "integer" } },
            "o": { "type": "object", "properties": { "t": { "type": "string" } } },
        } });
        let reply = run(json!({ "response_schema": schema }));
        let made: Value = serde_json::from_slice(&reply.body).expect("json");
        assert_eq!(
            (&made["s"], &made["n"], &made["i"], &made["b"]),
            (&"x<y".into(), &1.5.into(), &2.into(), &false.into())
        );
        assert!(made["l"].as_array().is_some_and(|list| list.iter().all(Value::is_i64)), "{made}");
        assert!(made["o"]["t"].is_string());
        let reply = run(
            json!({ "response_schema": { "properties": { "s": { "type": "string", "example": "x<y" } } }, "content_type": "text/xml" }),
        );
        assert_eq!(&reply.body[..], b"<data><s>x&lt;y</s></data>");
        let schema = json!({ "properties": { "client": { "type": "string", "example": "at $remote_addr" } } });
        let reply = run(json!({ "response_schema": schema }));
        assert_eq!(&reply.body[..], br#"{"client":"at 192.0.2.7"}"#);
        let reply = run(json!({ "response_schema": schema, "content_type": "text/html" }));
        assert_eq!(&reply.body[..], b"", "there is no HTML of a schema");
    }

    #[test]
    fn unknown_content_types_are_refused() {
        let conf = json!({ "response_example": "", "content_type": "image/png" });
        assert_eq!(refusal_of(&Mocking, &conf), "unsupported content type!");
    }
}
