//! `redirect`: the client is sent elsewhere.
//!
//! ```json
//! { "uri": "/new$uri", "ret_code": 301 }
//! ```
//! Source: <https://apisix.apache.org/docs/apisix/plugins/redirect/>

use std::sync::{Arc, LazyLock};

use http::header::{HeaderValue, LOCATION};
use http::{Method, StatusCode};
use model::Fault;
use model::regex::Undecided;
use percent_encoding::utf8_percent_encode;
use plugin_api::schema::with_meta;
use plugin_api::{CompileInput, Exchange, Flow, Phases, Plugin, PluginType, Reply, Template, instance};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::escape::PATH;
use crate::regex_pair::RegexPair;

/// The plugin by name.
pub(crate) struct Redirect;

#[derive(Deserialize)]
#[serde(default)]
struct Conf {
    ret_code: u16,
    uri: Option<String>,
    regex_uri: Vec<String>,
    http_to_https: bool,
    encode_uri: bool,
    append_query_string: bool,
}

impl Default for Conf {
    fn default() -> Self {
        Self {
            ret_code: 302,
            uri: None,
            regex_uri: Vec::new(),
            http_to_https: false,
            encode_uri: false,
            append_query_string: false,
        }
    }
}

impl PluginType for Redirect {
    fn name(&self) -> &'static str {
        "redirect"
    }

    fn priority(&self) -> i32 {
        900
    }

    fn schema(&self) -> &'static Value {
        static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
            with_meta(json!({
                "type": "object",
                "properties": {
                    "ret_code": { "type": "integer", "minimum": 200, "default": 302 },
                    "uri": { "type": "string", "minLength": 2 },
                    "regex_uri": {
                        "description": "pattern and replacement",
                        "type": "array", "minItems": 2, "maxItems": 2, "items": { "type": "string" },
                    },
                    "http_to_https": { "type": "boolean" },
                    "encode_uri": { "type": "boolean", "default": false },
                    "append_query_string": { "type": "boolean", "default": false },
                },
                "oneOf": [
                    { "required": ["uri"] },
                    { "required": ["regex_uri"] },
                    { "required": ["http_to_https"] },
                ],
            }))
        });
        &SCHEMA
    }

    fn compile(&self, input: &CompileInput<'_>) -> Result<Arc<dyn Plugin>, Fault> {
        let conf: Conf = crate::read(input.conf)?;
        if conf.http_to_https && conf.append_query_string {
            let message = "only one of `http_to_https` and `append_query_string` can be configured.";
            return Err(Fault::new("/append_query_string", message));
        }
        let status = StatusCode::from_u16(conf.ret_code);
        let status = status.map_err(|_| Fault::new("/ret_code", "must be a status code from 200 to 999"))?;
        let to = match (&conf.uri, conf.regex_uri.as_slice()) {
            (Some(uri), _) => To::Template(Template::parse(uri)),
            (None, [pattern, replacement]) => To::Rewritten(pair(pattern, replacement)?),
            _ => To::Https,
        };
        let is_off = matches!(to, To::Https) && !conf.http_to_https;
        let (encode, append_query) = (conf.encode_uri, conf.append_query_string);
        Ok(Arc::new(Compiled { status, to, is_off, encode, append_query }))
    }
}

fn pair(pattern: &str, replacement: &str) -> Result<RegexPair, Fault> {
    RegexPair::compile(pattern, replacement).map_err(|(at, reason)| {
        Fault::new(format!("/regex_uri/{at}"), format!("invalid regex_uri ({pattern}, {replacement}), err:{reason}"))
    })
}

enum To {
    Template(Template),
    Rewritten(RegexPair),
    Https,
}

struct Compiled {
    status: StatusCode,
    to: To,
    is_off: bool,
    encode: bool,
    append_query: bool,
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases::REWRITE
    }

    fn rewrite<'a>(&'a self, exchange: &'a mut Exchange) -> Flow<'a> {
        let failed = || Flow::reply(Reply::page(StatusCode::INTERNAL_SERVER_ERROR));
        match self.location(exchange) {
            Ok(Some((status, location))) => match HeaderValue::try_from(location) {
                Ok(location) => Flow::reply(Reply::page(status).with_header(LOCATION, location)),
                Err(_) => failed(),
            },
            Ok(None) => Flow::CONTINUE,
            Err(Undecided) => {
                tracing::error!(uri = %exchange.uri, "redirect: {Undecided}");
                failed()
            }
        }
    }
}

impl Compiled {
    fn location(&self, exchange: &Exchange) -> Result<Option<(StatusCode, String)>, Undecided> {
        let location = match &self.to {
            To::Https => return Ok(self.https(exchange)),
            To::Template(template) => template.render(exchange),
            To::Rewritten(pair) => match pair.apply(exchange.path())? {
                Some(rewritten) => rewritten.text,
                None => return Ok(None),
            },
        };
        let location = if self.encode { encoded(&location) } else { location };
        Ok(Some((self.status, self.with_query(location, exchange))))
    }

    /// The same over HTTPS. A request that changes something keeps its method (RFC 9110, section 15.4.9).
    fn https(&self, exchange: &Exchange) -> Option<(StatusCode, String)> {
        let scheme = exchange.header("x-forwarded-proto").unwrap_or_else(|| exchange.scheme());
        if self.is_off || !scheme.eq_ignore_ascii_case("http") {
            return None;
        }
        let is_safe = matches!(exchange.method, Method::GET | Method::HEAD);
        let status = if is_safe { StatusCode::MOVED_PERMANENTLY } else { StatusCode::PERMANENT_REDIRECT };
        let port = instance::https_port().filter(|port| *port != 443).map(|port| format!(":{port}"));
        let target = exchange.uri.path_and_query().map_or("/", |target| target.as_str());
        Some((status, format!("https://{}{}{target}", exchange.host(), port.unwrap_or_default())))
    }

    fn with_query(&self, location: String, exchange: &Exchange) -> String {
        match exchange.uri.query().filter(|query| self.append_query && !query.is_empty()) {
            Some(query) => format!("{location}{}{query}", if location.contains('?') { '&' } else { '?' }),
            None => location,
        }
    }
}

/// The path escaped, the query left.
fn encoded(location: &str) -> String {
    let (path, query) = location.split_once('?').map_or((location, None), |(path, query)| (path, Some(query)));
    let path = utf8_percent_encode(path, PATH).to_string();
    query.map_or(path.clone(), |query| format!("{path}?{query}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, compile, refusal_of, reply_of};

    fn location(conf: &str, target: &str) -> Option<(u16, String)> {
        let plugin = compile(&Redirect, conf);
        let reply = reply_of(plugin.rewrite(&mut testing::exchange(target, &[("x-tenant", "blue")])))?;
        Some((reply.status.as_u16(), reply.headers[LOCATION].to_str().expect("text").to_owned()))
    }

    #[test]
    fn clients_are_sent_where_the_configuration_says() {
        let cases = [
            (r#"{"uri": "/test/add", "ret_code": 301}"#, "/hello", 301, "/test/add"),
            (r#"{"uri": "/test/add"}"#, "/hello", 302, "/test/add"),
            (r#"{"uri": "/a$uri/${http_x_tenant}c"}"#, "/hello?x=1", 302, "/a/hello/bluec"),
            (r#"{"uri": "https://$host$request_uri"}"#, "/hello?x=1", 302, "https://gateway.test/hello?x=1"),
            (r#"{"uri": "/x", "append_query_string": true}"#, "/hello?a=b", 302, "/x?a=b"),
            (r#"{"uri": "/x?y=z", "append_query_string": true}"#, "/hello?a=b", 302, "/x?y=z&a=b"),
            (r#"{"uri": "/x", "append_query_string": true}"#, "/hello", 302, "/x"),
            (r#"{"uri": "/a b?c d", "encode_uri": true}"#, "/hello", 302, "/a%20b?c d"),
            (r#"{"uri": "/{a}|^\\b`", "encode_uri": true}"#, "/hello", 302, "/%7Ba%7D%7C%5E%5Cb%60"),
            (r#"{"uri": "/\\$uri$uri$$uri"}"#, "/hello", 302, "/\\$uri/hello$/hello"),
            (r#"{"regex_uri": ["^/t/(.*)/(.*)", "/$2/${1}x"], "ret_code": 307}"#, "/t/1/2", 307, "/2/1x"),
            (r#"{"http_to_https": true}"#, "/hello?a=1", 301, "https://gateway.test/hello?a=1"),
        ];
        for (conf, target, status, expected) in cases {
            assert_eq!(location(conf, target), Some((status, expected.to_owned())), "{conf}");
        }
        let around = r#"{"regex_uri": ["^/(?!api/)(.)(\\1*)", "/$2-"]}"#;
        assert_eq!(location(around, "/aaab"), Some((302, "/aa-b".to_owned())));
        assert_eq!(location(around, "/api/x"), None);
        assert_eq!(location(r#"{"regex_uri": ["^/t/(.*)", "/$1"]}"#, "/other"), None);
        assert_eq!(location(r#"{"http_to_https": false}"#, "/other"), None);
    }

    #[test]
    fn https_keeps_the_method_and_believes_the_proxy_before_us() {
        let plugin = compile(&Redirect, r#"{"http_to_https": true}"#);
        let mut post = testing::exchange("/hello", &[]);
        post.method = Method::POST;
        assert_eq!(reply_of(plugin.rewrite(&mut post)).map(|reply| reply.status.as_u16()), Some(308));
        for (scheme, status) in [("https", None), ("HTTPS", None), ("http", Some(301)), ("HTTP", Some(301))] {
            let mut proxied = testing::exchange("/hello", &[("x-forwarded-proto", scheme)]);
            let reply = reply_of(plugin.rewrite(&mut proxied));
            assert_eq!(reply.map(|reply| reply.status.as_u16()), status, "{scheme}");
        }
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let both = json!({ "http_to_https": true, "append_query_string": true });
        assert!(refusal_of(&Redirect, &both).starts_with("only one of `http_to_https`"));
        assert!(
            refusal_of(&Redirect, &json!({ "regex_uri": ["(", "/"] })).starts_with("invalid regex_uri ((, /), err:")
        );
        assert!(
            refusal_of(&Redirect, &json!({ "regex_uri": ["a", "$b"] })).starts_with("invalid regex_uri (a, $b), err:")
        );
        assert!(refusal_of(&Redirect, &json!({ "uri": "/a", "regex_uri": ["a", "b"] })).contains("only one schema"));
    }
}
