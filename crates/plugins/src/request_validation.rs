//! `request-validation`: headers and body must fit JSON Schemas.
//!
//! ```json
//! { "body_schema": { "type": "object", "required": ["name"] }, "rejected_code": 400, "rejected_msg": "no name" }
//! ```
//! Source: <https://apisix.apache.org/docs/apisix/plugins/request-validation/>

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use model::Fault;
use percent_encoding::percent_decode_str;
use plugin_api::schema::{Schema, with_meta};
use plugin_api::{BodyNeed, CompileInput, Exchange, Flow, Phases, Plugin, PluginType, Reply};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::header_json;

const FORM: &str = "application/x-www-form-urlencoded";
/// Most bytes of a body that is looked at. Source: `max_req_body_size` of APISIX 3.18.
const BODY_LIMIT: usize = 64 * 1024 * 1024;

/// The plugin by name.
pub(crate) struct RequestValidation;

#[derive(Deserialize)]
struct Conf {
    header_schema: Option<Value>,
    body_schema: Option<Value>,
    #[serde(default = "bad_request")]
    rejected_code: u16,
    rejected_msg: Option<String>,
    #[serde(default = "body_limit")]
    max_req_body_size: usize,
}

fn bad_request() -> u16 {
    400
}

fn body_limit() -> usize {
    BODY_LIMIT
}

impl PluginType for RequestValidation {
    fn name(&self) -> &'static str {
        "request-validation"
    }

    fn priority(&self) -> i32 {
        2800
    }

    fn schema(&self) -> &'static Value {
        static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
            with_meta(json!({
                "type": "object",
                "properties": {
                    "header_schema": { "type": "object" },
                    "body_schema": { "type": "object" },
                    "rejected_code": { "type": "integer", "minimum": 200, "maximum": 599, "default": 400 },
                    "rejected_msg": { "type": "string", "minLength": 1, "maxLength": 256 },
                    "max_req_body_size": { "type": "integer", "exclusiveMinimum": 0, "default": BODY_LIMIT },
                },
                "anyOf": [{ "required": ["header_schema"] }, { "required": ["body_schema"] }],
            }))
        });
        &SCHEMA
    }

    fn compile(&self, input: &CompileInput<'_>) -> Result<Arc<dyn Plugin>, Fault> {
        let conf: Conf = crate::read(input.conf)?;
        let compile = |schema: &Option<Value>, pointer: &str| {
            let compiled = schema.as_ref().map(Schema::checked).transpose();
            compiled.map_err(|reason| Fault::new(pointer, reason))
        };
        let status = StatusCode::from_u16(conf.rejected_code);
        Ok(Arc::new(Compiled {
            headers: compile(&conf.header_schema, "/header_schema")?,
            aliases: conf.header_schema.as_ref().map(aliases).unwrap_or_default(),
            body: compile(&conf.body_schema, "/body_schema")?,
            status: status.map_err(|_| Fault::new("/rejected_code", "must be a status code from 200 to 599"))?,
            message: conf.rejected_msg,
            limit: conf.max_req_body_size,
        }))
    }
}

/// Names of headers as a schema writes them, each with the one that a request has it by. nginx finds headers whatever the case of
/// their letters, and with `_` for `-`.
fn aliases(schema: &Value) -> Vec<(String, String)> {
    let mut names = BTreeSet::new();
    collect_names(schema, &mut names);
    let own = |name: &str| name.to_ascii_lowercase().replace('_', "-");
    names.into_iter().map(|name| (name.to_owned(), own(name))).filter(|(name, own)| name != own).collect()
}

fn collect_names<'s>(schema: &'s Value, names: &mut BTreeSet<&'s str>) {
    let list = |keyword: &str| schema.get(keyword).and_then(Value::as_array).into_iter().flatten();
    names.extend(list("required").filter_map(Value::as_str));
    names.extend(
        schema.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::keys).map(String::as_str),
    );
    let combined = ["allOf", "anyOf", "oneOf"].into_iter().flat_map(list);
    let single = ["not", "if", "then", "else"].into_iter().filter_map(|keyword| schema.get(keyword));
    combined.chain(single).for_each(|schema| collect_names(schema, names));
}

struct Compiled {
    headers: Option<Schema>,
    aliases: Vec<(String, String)>,
    body: Option<Schema>,
    status: StatusCode,
    message: Option<String>,
    limit: usize,
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases::REWRITE
    }

    fn request_body(&self) -> BodyNeed {
        if self.body.is_some() { BodyNeed::Whole { limit: self.limit } } else { BodyNeed::Stream }
    }

    fn rewrite<'a>(&'a self, exchange: &'a mut Exchange) -> Flow<'a> {
        match self.check(exchange) {
            Ok(()) => Flow::CONTINUE,
            Err(reason) => Flow::reply(match self.message.clone().or(reason) {
                Some(text) => Reply::text(self.status, text),
                None => Reply::page(self.status),
            }),
        }
    }
}

/// Why a request is refused, where there is more to say than that its body is missing.
type Reason = Option<String>;

impl Compiled {
    fn check(&self, exchange: &mut Exchange) -> Result<(), Reason> {
        if let Some(schema) = &self.headers {
            schema.check(&self.named(exchange)).map_err(|fault| fault.message)?;
        }
        if let Some(schema) = &self.body {
            let (mut body, kind) = body(exchange)?;
            schema.check(&body).map_err(|fault| fault.message)?;
            if kind == Kind::Json {
                // What was checked is what goes on: of a name that stands twice no other server may believe the other value.
                schema.fill(&mut body);
                exchange.request_body = Some(body.to_string().into());
            }
        }
        Ok(())
    }

    /// The request's headers, also by the names that the schema asks for.
    fn named(&self, exchange: &Exchange) -> Value {
        let mut headers = header_json::of(&exchange.headers);
        for (name, own) in &self.aliases {
            if let Some(value) = headers.get(own).cloned() {
                headers[name] = value;
            }
        }
        headers
    }
}

#[derive(PartialEq)]
enum Kind {
    Json,
    Form,
}

fn body(exchange: &Exchange) -> Result<(Value, Kind), Reason> {
    let body = exchange.request_body.as_deref().filter(|body| !body.is_empty()).ok_or(None::<String>)?;
    if is_form(&exchange.headers) {
        return Ok((form(&String::from_utf8_lossy(body)), Kind::Form));
    }
    let decoded = serde_json::from_slice(body).map_err(|error| format!("failed to decode the req body: {error}"))?;
    Ok((decoded, Kind::Json))
}

/// In any case, and with parameters. What has several types is no form, as in APISIX.
fn is_form(headers: &HeaderMap) -> bool {
    let mut kinds = headers.get_all(CONTENT_TYPE).iter().map(HeaderValue::as_bytes);
    let kind = kinds.next().and_then(|kind| kind.get(..FORM.len()));
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case(FORM.as_bytes())) && kinds.next().is_none()
}

/// A form's fields; several of one name are a list, one without a value is true.
pub(crate) fn form(text: &str) -> Value {
    let mut fields = Map::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair
            .split_once('=')
            .map_or((pair, Value::Bool(true)), |(name, value)| (name, Value::String(decoded(value).into_owned())));
        match fields.entry(decoded(name).into_owned()) {
            serde_json::map::Entry::Vacant(entry) => drop(entry.insert(value)),
            serde_json::map::Entry::Occupied(mut entry) => match entry.get_mut() {
                Value::Array(all) => all.push(value),
                first => *first = json!([first.take(), value]),
            },
        }
    }
    Value::Object(fields)
}

fn decoded(text: &str) -> Cow<'_, str> {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned().into()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::testing::{self, answer_of, compile, refusal_of};

    fn run(conf: &Value, headers: &[(&str, &str)], body: &'static str) -> Option<(u16, String)> {
        let mut exchange = testing::exchange("/", headers);
        exchange.request_body = Some(Bytes::from_static(body.as_bytes()));
        answer_of(compile(&RequestValidation, &conf.to_string()).rewrite(&mut exchange))
    }

    #[test]
    fn bodies_must_fit() {
        let schema = json!({
            "type": "object", "required": ["required_payload"],
            "properties": { "required_payload": { "type": "string" }, "n": { "type": "integer", "minimum": 1 } },
        });
        let conf = json!({ "body_schema": schema });
        let refused = |text: &str| Some((400, text.to_owned()));
        assert_eq!(run(&conf, &[], r#"{"required_payload": "hello"}"#), None);
        assert_eq!(run(&conf, &[], r#"{"n": 1}"#), refused("property \"required_payload\" is required"));
        let number =
            refused("property \"required_payload\" validation failed: wrong type: expected string, got number");
        assert_eq!(run(&conf, &[], r#"{"required_payload": 1}"#), number);
        assert!(run(&conf, &[], "no json").is_some_and(|(status, _)| status == 400));
        let is_form = [("content-type", "application/x-www-form-urlencoded")];
        assert_eq!(run(&conf, &is_form, "required_payload=a+b%21"), None);
        assert_eq!(run(&conf, &is_form, "other=1"), refused("property \"required_payload\" is required"));
        let two = [is_form[0], ("content-type", "application/json")];
        assert!(run(&conf, &two, "required_payload=a").is_some_and(|(_, text)| text.contains("decode")));
        let own = json!({ "body_schema": schema, "rejected_code": 505, "rejected_msg": "customize" });
        assert_eq!(run(&own, &[], "{}"), Some((505, "customize".to_owned())));
        assert_eq!(run(&own, &[], ""), Some((505, "customize".to_owned())));
        assert_eq!(run(&conf, &[], ""), answer_of(Flow::reply(Reply::page(StatusCode::BAD_REQUEST))));
    }

    #[test]
    fn what_was_checked_is_what_goes_on() {
        let schema = json!({ "properties": {
            "role": { "enum": ["guest", "admin"], "default": "guest" },
            "at": { "properties": { "port": { "type": "integer", "default": 80 } } },
        } });
        let plugin = compile(&RequestValidation, &json!({ "body_schema": schema }).to_string());
        let sent = |kind: &str, body: &'static str| {
            let mut exchange = testing::exchange("/", &[("content-type", kind)]);
            exchange.request_body = Some(Bytes::from_static(body.as_bytes()));
            assert_eq!(answer_of(plugin.rewrite(&mut exchange)), None);
            exchange.request_body.expect("a body")
        };
        assert_eq!(
            sent("application/json", r#" {"at": {}, "role": "admin", "role": "guest"} "#),
            r#"{"at":{"port":80},"role":"guest"}"#
        );
        assert_eq!(
            sent("application/json", r#"{"id": 9007199254740993}"#),
            r#"{"id":9007199254740993,"role":"guest"}"#
        );
        assert_eq!(sent("application/x-www-form-urlencoded", "role=admin&&"), "role=admin&&");
    }

    #[test]
    fn headers_must_fit() {
        let conf =
            json!({ "header_schema": { "required": ["test"], "properties": { "test": { "enum": ["a", "b"] } } } });
        assert_eq!(run(&conf, &[("Test", "a")], ""), None);
        let missing = Some((400, "property \"test\" is required".to_owned()));
        assert_eq!(run(&conf, &[], ""), missing);
        let other = Some((400, "property \"test\" validation failed: matches none of the enum values".to_owned()));
        assert_eq!(run(&conf, &[("test", "c")], ""), other);
    }

    #[test]
    fn headers_are_found_however_the_schema_writes_their_names() {
        let conf = json!({ "header_schema": {
            "required": ["User-Agent"],
            "properties": { "X_Api_Key": { "pattern": "^k" }, "x-plain": { "const": "1" } },
            "anyOf": [{ "required": ["X-Plain"] }, { "required": ["X-Other"] }],
        } });
        let agent = ("user-agent", "curl/8");
        assert_eq!(run(&conf, &[agent, ("x-plain", "1"), ("x-api-key", "key")], ""), None);
        let refused = |text: &str| Some((400, text.to_owned()));
        assert_eq!(run(&conf, &[("x-plain", "1")], ""), refused("property \"User-Agent\" is required"));
        assert_eq!(
            run(&conf, &[agent, ("x-plain", "1"), ("x-api-key", "no")], ""),
            refused("property \"X_Api_Key\" validation failed: failed to match pattern \"^k\" with \"no\"")
        );
        assert_eq!(
            run(&conf, &[agent], ""),
            refused("object matches none of the required: [\"X-Plain\"] or [\"X-Other\"]")
        );
    }

    #[test]
    fn forms_become_objects() {
        assert_eq!(form("a=1&b&a=2&c=%20x"), json!({ "a": ["1", "2"], "b": true, "c": " x" }));
    }

    #[test]
    fn schemas_are_checked_when_they_are_given() {
        assert!(!refusal_of(&RequestValidation, &json!({ "body_schema": { "type": "nothing" } })).is_empty());
        assert!(!refusal_of(&RequestValidation, &json!({})).is_empty());
    }
}
