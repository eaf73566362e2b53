//! `response-rewrite`: another status, body or headers for the client.
//!
//! ```json
//! { "status_code": 200, "body": "{\"code\":\"ok\"}", "headers": { "set": { "X-Server": "flotilla" } } }
//! ```
//! Source: <https://apisix.apache.org/docs/apisix/plugins/response-rewrite/>

use std::sync::{Arc, LazyLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, ETAG, LAST_MODIFIED};
use model::Fault;
use plugin_api::{BodyNeed, Chunk, CompileInput, Condition, Exchange, Phases, Plugin, PluginType};
use regex::bytes::{Regex, RegexBuilder};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::header_edits::HeaderEdits;

/// Set when `vars` held and filters are to run.
const FILTERS: &str = "response-rewrite.filters";

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
    filters: Vec<Filter>,
    #[serde(default = "max_body")]
    max_resp_body_size: usize,
}

#[derive(Deserialize)]
struct Filter {
    regex: String,
    #[serde(default)]
    scope: Scope,
    replace: String,
    #[serde(default = "jo")]
    options: String,
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Scope {
    #[default]
    Once,
    Global,
}

fn jo() -> String {
    "jo".into()
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
            json!({
                "type": "object",
                "properties": {
                    "headers": { "type": "object", "minProperties": 1 },
                    "body": { "type": "string" },
                    "body_base64": { "type": "boolean", "default": false },
                    "status_code": { "type": "integer", "minimum": 200, "maximum": 598 },
                    "vars": { "type": "array" },
                    "filters": {
                        "type": "array",
                        "minItems": 1,
                        "items": {
                            "type": "object",
                            "properties": {
                                "regex": { "type": "string", "minLength": 1 },
                                "scope": { "type": "string", "enum": ["once", "global"], "default": "once" },
                                "replace": { "type": "string" },
                                "options": { "type": "string", "default": "jo" },
                            },
                            "required": ["regex", "replace"],
                        },
                    },
                    "max_resp_body_size": { "type": "integer", "exclusiveMinimum": 0, "default": max_body() },
                },
                "not": { "required": ["body", "filters"] },
                "minProperties": 1,
            })
        });
        &SCHEMA
    }

    fn compile(&self, input: &CompileInput<'_>) -> Result<Arc<dyn Plugin>, Fault> {
        let conf: Conf = crate::read(input.conf)?;
        let status = conf.status_code.map(StatusCode::from_u16).transpose();
        let vars = conf.vars.as_ref().map(Condition::compile).transpose();
        let filters = conf.filters.iter().enumerate().map(|(n, filter)| {
            compile_filter(filter).map_err(|message| Fault::new(format!("/filters/{n}/regex"), message))
        });
        Ok(Arc::new(Compiled {
            status: status.map_err(|_| Fault::new("/status_code", "must be a status code"))?,
            body: body(&conf)?,
            headers: HeaderEdits::parse(conf.headers.as_ref())?,
            vars: vars.map_err(|fault| fault.under("/vars"))?,
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

/// PCRE's options as nginx writes them: `i`, `s`, `m`, `x` count; `j`, `o` and `u` are about its engine.
fn compile_filter(filter: &Filter) -> Result<(Regex, Bytes, Scope), String> {
    model::vars::compile_regex(&filter.regex)?;
    let has = |option| filter.options.contains(option);
    let regex = RegexBuilder::new(&filter.regex)
        .case_insensitive(has('i'))
        .dot_matches_new_line(has('s'))
        .multi_line(has('m'))
        .ignore_whitespace(has('x'))
        .build()
        .map_err(|error| error.to_string())?;
    Ok((regex, Bytes::from(filter.replace.clone()), filter.scope))
}

struct Compiled {
    status: Option<StatusCode>,
    body: Option<Bytes>,
    headers: HeaderEdits,
    vars: Option<Condition>,
    filters: Vec<(Regex, Bytes, Scope)>,
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
            forget_body_headers(exchange);
            exchange.response.body = Some(body.clone());
        }
        if !self.filters.is_empty() {
            self.begin_filters(exchange);
        }
        if !self.headers.is_empty() {
            let resolved = self.headers.resolve(exchange, &[]);
            resolved.apply(&mut exchange.response.headers);
        }
    }

    fn body_filter(&self, exchange: &mut Exchange, chunk: &mut Chunk) {
        if exchange.note(FILTERS).is_none() {
            return;
        }
        for (regex, replacement, scope) in &self.filters {
            let limit = if *scope == Scope::Once { 1 } else { 0 };
            let literal = regex::bytes::NoExpand(replacement);
            if let std::borrow::Cow::Owned(changed) = regex.replacen(&chunk.data, limit, literal) {
                chunk.data = changed.into();
            }
        }
    }
}

impl Compiled {
    /// Filters see the body as it is sent; in a compressed one there is nothing to find.
    fn begin_filters(&self, exchange: &mut Exchange) {
        let encoding = exchange.response.headers.get(CONTENT_ENCODING);
        if encoding.is_some_and(|encoding| encoding != "identity") {
            tracing::warn!(?encoding, "response-rewrite: filters cannot look into a compressed body");
            return;
        }
        forget_body_headers(exchange);
        exchange.set_note(FILTERS, Value::Bool(true));
    }
}

/// What the upstream said of its body is not true of another.
fn forget_body_headers(exchange: &mut Exchange) {
    for name in [CONTENT_LENGTH, CONTENT_ENCODING, LAST_MODIFIED, ETAG] {
        exchange.response.headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, compile};

    fn answered(status: u16) -> Exchange {
        let mut exchange = testing::exchange("/", &[]);
        exchange.response.status = StatusCode::from_u16(status).expect("status");
        exchange.response.headers.insert("content-length", "3".parse().expect("value"));
        exchange.response.headers.insert("etag", "x".parse().expect("value"));
        exchange
    }

    #[test]
    fn status_body_and_headers_are_replaced() {
        let conf =
            r#"{"status_code": 201, "body": "{\"a\":1}", "headers": {"set": {"X-A": "$status"}, "remove": ["X-B"]}}"#;
        let mut exchange = answered(500);
        compile(&ResponseRewrite, conf).header_filter(&mut exchange);
        assert_eq!(exchange.response.status, StatusCode::CREATED);
        assert_eq!(exchange.response.body.as_deref(), Some(&b"{\"a\":1}"[..]));
        assert_eq!(exchange.response.headers["x-a"], "201");
        assert!(!exchange.response.headers.contains_key("etag"));
    }

    #[test]
    fn base64_bodies_are_decoded_and_bad_ones_named() {
        let mut exchange = answered(200);
        compile(&ResponseRewrite, r#"{"body": "aGk=", "body_base64": true}"#).header_filter(&mut exchange);
        assert_eq!(exchange.response.body.as_deref(), Some(&b"hi"[..]));
        let conf = json!({ "body": "?", "body_base64": true });
        let fault = ResponseRewrite.compile(&CompileInput { conf: &conf, metadata: None, owner: "" }).err();
        assert_eq!(fault.expect("fault").pointer, "/body");
    }

    #[test]
    fn nothing_happens_when_vars_do_not_hold() {
        let conf = r#"{"status_code": 201, "vars": [["status", "==", 500]]}"#;
        let plugin = compile(&ResponseRewrite, conf);
        for (status, expected) in [(500, 201), (200, 200)] {
            let mut exchange = answered(status);
            plugin.header_filter(&mut exchange);
            assert_eq!(exchange.response.status.as_u16(), expected);
        }
    }

    #[test]
    fn filters_replace_in_the_body() {
        let filter = |scope: &str, options: &str| {
            let conf = json!({ "filters": [{ "regex": "a+", "scope": scope, "replace": "$0x", "options": options }] });
            let plugin = compile(&ResponseRewrite, &conf.to_string());
            let mut exchange = answered(200);
            plugin.header_filter(&mut exchange);
            let mut chunk = Chunk { data: Bytes::from_static(b"aa b A aa"), last: true };
            plugin.body_filter(&mut exchange, &mut chunk);
            String::from_utf8(chunk.data.to_vec()).expect("text")
        };
        assert_eq!(filter("once", "jo"), "$0x b A aa");
        assert_eq!(filter("global", "jo"), "$0x b A $0x");
        assert_eq!(filter("global", "ijo"), "$0x b $0x $0x");
    }

    #[test]
    fn body_and_filters_exclude_each_other() {
        let conf = json!({ "body": "x", "filters": [{ "regex": "a", "replace": "b" }] });
        assert!(crate::registry().check("response-rewrite", &conf).is_err());
    }
}
