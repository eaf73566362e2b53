//! `proxy-rewrite`: another path, host, method or headers for the upstream.
//!
//! ```json
//! { "regex_uri": ["^/api/(.*)$", "/v2/$1"], "headers": { "set": { "X-Api-Version": "v2" } } }
//! ```
//! Source: <https://apisix.apache.org/docs/apisix/plugins/proxy-rewrite/>

use std::sync::{Arc, LazyLock};

use http::Method;
use model::Fault;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use plugin_api::{CompileInput, Exchange, Flow, Phases, Plugin, PluginType, Template};
use regex::Regex;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::header_edits::HeaderEdits;

/// Characters of a path that must be written as escapes; the rest stays as it is.
const PATH: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'?').add(b'`').add(b'%');

const METHODS: [&str; 15] = [
    "GET",
    "POST",
    "PUT",
    "HEAD",
    "DELETE",
    "OPTIONS",
    "MKCOL",
    "COPY",
    "MOVE",
    "PROPFIND",
    "LOCK",
    "UNLOCK",
    "PATCH",
    "TRACE",
    "PROPPATCH",
];

/// The plugin by name.
pub(crate) struct ProxyRewrite;

#[derive(Deserialize)]
struct Conf {
    uri: Option<String>,
    #[serde(default)]
    regex_uri: Vec<String>,
    host: Option<String>,
    method: Option<String>,
    headers: Option<Value>,
    #[serde(default)]
    use_real_request_uri_unsafe: bool,
}

impl PluginType for ProxyRewrite {
    fn name(&self) -> &'static str {
        "proxy-rewrite"
    }

    fn priority(&self) -> i32 {
        1008
    }

    fn schema(&self) -> &'static Value {
        static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
            json!({
                "type": "object",
                "properties": {
                    "uri": { "type": "string", "minLength": 1, "maxLength": 4096, "pattern": r"^\/.*" },
                    "regex_uri": { "type": "array", "minItems": 2, "items": { "type": "string" } },
                    "host": { "type": "string", "pattern": r"^[0-9a-zA-Z\-.]+(:\d{1,5})?$" },
                    "method": { "type": "string", "enum": METHODS },
                    "headers": { "type": "object", "minProperties": 1 },
                    "use_real_request_uri_unsafe": { "type": "boolean", "default": false },
                },
                "minProperties": 1,
            })
        });
        &SCHEMA
    }

    fn compile(&self, input: &CompileInput<'_>) -> Result<Arc<dyn Plugin>, Fault> {
        let conf: Conf = crate::read(input.conf)?;
        let method = conf.method.as_deref().map(|method| Method::from_bytes(method.as_bytes()));
        Ok(Arc::new(Compiled {
            uri: conf.uri.as_deref().map(Template::parse),
            regex_uri: regex_pairs(&conf.regex_uri)?,
            host: conf.host.map(Into::into),
            method: method.transpose().map_err(|_| Fault::new("/method", "must be a method's name"))?,
            headers: HeaderEdits::parse(conf.headers.as_ref())?,
            raw: conf.use_real_request_uri_unsafe,
        }))
    }
}

fn regex_pairs(texts: &[String]) -> Result<Vec<(Regex, String)>, Fault> {
    if texts.len() % 2 != 0 {
        return Err(Fault::new("/regex_uri", "must have pairs of a regular expression and a template"));
    }
    let pair = |(n, pair): (usize, &[String])| {
        let [pattern, template] = pair else { return Err(Fault::new("/regex_uri", "must have pairs")) };
        let regex = model::vars::compile_regex(pattern);
        let regex = regex.map_err(|message| Fault::new(format!("/regex_uri/{}", n * 2), message))?;
        Ok((regex, braced(template)))
    };
    texts.chunks(2).enumerate().map(pair).collect()
}

/// `$1_x` as `${1}_x`: PCRE ends a group's number at the first other character, this engine does not.
fn braced(template: &str) -> String {
    let mut out = String::with_capacity(template.len() + 4);
    let mut rest = template;
    while let Some(at) = rest.find('$') {
        let (before, after) = (&rest[..at], &rest[at + 1..]);
        out.push_str(before);
        let digits = after.chars().take_while(char::is_ascii_digit).count();
        if digits > 0 {
            out.extend(["${", &after[..digits], "}"]);
        } else if after.starts_with('{') {
            out.push('$');
        } else {
            out.push_str("$$");
        }
        rest = &after[digits..];
    }
    out.push_str(rest);
    out
}

struct Compiled {
    uri: Option<Template>,
    regex_uri: Vec<(Regex, String)>,
    host: Option<Box<str>>,
    method: Option<Method>,
    headers: HeaderEdits,
    raw: bool,
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases::REWRITE
    }

    fn rewrite<'a>(&'a self, exchange: &'a mut Exchange) -> Flow<'a> {
        let captures = self.rewrite_path(exchange);
        if let Some(host) = &self.host {
            exchange.target.host = Some(host.clone());
        }
        if let Some(method) = &self.method {
            exchange.target.method = Some(method.clone());
        }
        if !self.headers.is_empty() {
            let resolved = self.headers.resolve(exchange, &captures);
            resolved.apply(&mut exchange.headers);
        }
        Flow::CONTINUE
    }
}

impl Compiled {
    /// Sets the target's path; gives what the regular expression captured, the whole match first.
    fn rewrite_path(&self, exchange: &mut Exchange) -> Vec<String> {
        let mut captured = Vec::new();
        let path = match (&self.uri, self.raw) {
            (Some(template), _) => template.render(exchange),
            (None, true) => exchange.uri.path().to_owned(),
            (None, false) if self.regex_uri.is_empty() => return captured,
            (None, false) => exchange.path().to_owned(),
        };
        let path = match self.uri {
            Some(_) => path,
            None => self.replace(path, &mut captured),
        };
        exchange.target.path_and_query = Some(self.with_query(&path, exchange.uri.query()));
        captured
    }

    fn replace(&self, path: String, captured: &mut Vec<String>) -> String {
        for (regex, template) in &self.regex_uri {
            if let Some(captures) = regex.captures(&path) {
                let text =
                    |group: Option<regex::Match<'_>>| group.map_or_else(String::new, |group| group.as_str().into());
                captured.extend(captures.iter().map(text));
                return regex.replace(&path, template).into_owned();
            }
        }
        path
    }

    /// Escapes the path and puts the client's query behind it, and behind a query that the template brought.
    fn with_query(&self, path: &str, query: Option<&str>) -> String {
        let (path, own) = path.split_once('?').map_or((path, None), |(path, own)| (path, Some(own)));
        let mut out = if self.raw { path.to_owned() } else { utf8_percent_encode(path, PATH).to_string() };
        for (separator, part) in [('?', own), (if own.is_some() { '&' } else { '?' }, query)] {
            if let Some(part) = part {
                out.push(separator);
                out.push_str(part);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{self, compile, reply_of};

    fn target(conf: &str, uri: &str) -> Option<String> {
        let mut exchange = testing::exchange(uri, &[]);
        assert!(reply_of(compile(&ProxyRewrite, conf).rewrite(&mut exchange)).is_none());
        exchange.target.path_and_query
    }

    #[test]
    fn paths_are_rewritten_and_queries_kept() {
        let cases = [
            (r#"{"uri": "/new"}"#, "/old?a=1", Some("/new?a=1")),
            (r#"{"uri": "/new?b=2"}"#, "/old?a=1", Some("/new?b=2&a=1")),
            (r#"{"uri": "/v2$uri"}"#, "/old", Some("/v2/old")),
            (r#"{"uri": "/a b"}"#, "/", Some("/a%20b")),
            (r#"{"regex_uri": ["^/api/(.*)$", "/v2/$1_x"]}"#, "/api/users", Some("/v2/users_x")),
            (r#"{"regex_uri": ["^/no", "/1", "^/api/(.*)/(.*)$", "/$2/$1"]}"#, "/api/a/b?q=1", Some("/b/a?q=1")),
            (r#"{"regex_uri": ["^/no", "/1"]}"#, "/api", Some("/api")),
            (r#"{"uri": "/x", "regex_uri": ["^/", "/never/"]}"#, "/api", Some("/x")),
            (r#"{"host": "a.example"}"#, "/api", None),
            (r#"{"use_real_request_uri_unsafe": true}"#, "/a%2Fb?c", Some("/a%2Fb?c")),
        ];
        for (conf, uri, expected) in cases {
            assert_eq!(target(conf, uri).as_deref(), expected, "{conf} {uri}");
        }
    }

    #[test]
    fn host_method_and_headers_are_rewritten() {
        let conf = r#"{"host": "a.example:81", "method": "POST", "regex_uri": ["^/u/(.*)$", "/$1"],
            "headers": {"set": {"X-Id": "$1-$remote_addr"}, "add": {"X-Old": "2"}, "remove": ["X-Gone"]}}"#;
        let mut exchange = testing::exchange("/u/7", &[("x-old", "1"), ("x-gone", "1"), ("x-id", "forged")]);
        assert!(reply_of(compile(&ProxyRewrite, conf).rewrite(&mut exchange)).is_none());
        assert_eq!(exchange.target.host.as_deref(), Some("a.example:81"));
        assert_eq!(exchange.target.method, Some(Method::POST));
        assert_eq!(exchange.header("x-id"), Some("7-192.0.2.7"));
        assert_eq!(exchange.headers.get_all("x-old").iter().count(), 2);
        assert_eq!(exchange.header("x-gone"), None);
    }

    #[test]
    fn a_flat_list_of_headers_sets() {
        let conf = r#"{"headers": {"X-A": "1", "X-B": ""}}"#;
        let mut exchange = testing::exchange("/", &[("x-b", "1")]);
        assert!(reply_of(compile(&ProxyRewrite, conf).rewrite(&mut exchange)).is_none());
        assert_eq!((exchange.header("x-a"), exchange.header("x-b")), (Some("1"), None));
    }

    #[test]
    fn bad_expressions_are_named() {
        let compile =
            |conf: Value| ProxyRewrite.compile(&CompileInput { conf: &conf, metadata: None, owner: "" }).err();
        let fault = compile(json!({ "regex_uri": ["^/a", "/b", "(", "/c"] })).expect("fault");
        assert_eq!(fault.pointer, "/regex_uri/2");
        assert_eq!(compile(json!({ "regex_uri": ["a", "b", "c"] })).expect("fault").pointer, "/regex_uri");
        let fault = compile(json!({ "regex_uri": ["(?!x)", "/c"] })).expect("fault");
        assert!(fault.message.contains("look-around"), "{}", fault.message);
    }

    proptest! {
        #[test]
        fn no_template_and_no_path_can_break_it(template in "\\PC{0,20}", path in "/[ -~]{0,20}") {
            let conf = json!({ "regex_uri": ["^/(.*)$", template] });
            let plugin = ProxyRewrite.compile(&CompileInput { conf: &conf, metadata: None, owner: "" }).expect("compiles");
            let escaped = utf8_percent_encode(&path, PATH).to_string();
            if let Ok(uri) = escaped.parse::<http::Uri>() {
                let mut exchange = testing::exchange("/", &[]);
                exchange.uri = uri;
                let _ = reply_of(plugin.rewrite(&mut exchange));
            }
        }
    }
}
