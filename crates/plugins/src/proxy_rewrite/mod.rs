//! `proxy-rewrite`: another path, host, method or headers for the upstream.
//!
//! ```json
//! { "regex_uri": ["^/api/(.*)$", "/v2/$1"], "headers": { "set": { "X-Api-Version": "v2" } } }
//! ```
//! Source: <https://apisix.apache.org/docs/apisix/3.18/plugins/proxy-rewrite/>

mod path;

use std::sync::{Arc, LazyLock};

use http::{Method, StatusCode};
use model::Fault;
use model::regex::Undecided;
use plugin_api::schema::with_meta;
use plugin_api::{CompileInput, Exchange, Flow, Phases, Plugin, PluginType, Reply};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::header_edits::{self, HeaderEdits, Side};
use crate::regex_pair::RegexPair;
use path::{PathTemplate, Source};

const METHODS: [&str; 14] = [
    "GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "MKCOL", "COPY", "MOVE", "PROPFIND", "LOCK", "UNLOCK", "PATCH",
    "TRACE",
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
            with_meta(json!({
                "type": "object",
                "properties": {
                    "uri": { "type": "string", "minLength": 1, "maxLength": 4096, "pattern": r"^\/.*" },
                    "regex_uri": { "type": "array", "minItems": 2, "items": { "type": "string" } },
                    "host": { "type": "string", "pattern": r"^[0-9a-zA-Z\-.]+(:\d{1,5})?$" },
                    "method": { "type": "string", "enum": METHODS },
                    "headers": header_edits::schema(json!({
                        "type": "object",
                        "minProperties": 1,
                        "additionalProperties": false,
                        "properties": header_edits::actions(header_edits::lines(), header_edits::lines()),
                    })),
                    "use_real_request_uri_unsafe": { "type": "boolean", "default": false },
                },
                "minProperties": 1,
            }))
        });
        &SCHEMA
    }

    fn compile(&self, input: &CompileInput<'_>) -> Result<Arc<dyn Plugin>, Fault> {
        let conf: Conf = crate::read(input.conf)?;
        let method = conf.method.as_deref().map(|method| Method::from_bytes(method.as_bytes()));
        Ok(Arc::new(Compiled {
            uri: conf.uri.as_deref().map(PathTemplate::parse),
            regex_uri: regex_pairs(&conf.regex_uri)?,
            host: conf.host.map(Into::into),
            method: method.transpose().map_err(|_| Fault::new("/method", "must be a method's name"))?,
            headers: HeaderEdits::parse(conf.headers.as_ref())?,
            source: if conf.use_real_request_uri_unsafe { Source::AsSent } else { Source::Normalised },
        }))
    }
}

fn regex_pairs(texts: &[String]) -> Result<Vec<RegexPair>, Fault> {
    let (pairs, rest) = texts.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(Fault::new("/regex_uri", "The length of regex_uri should be an even number"));
    }
    let pair = |(n, [pattern, replacement]): (usize, &[String; 2])| {
        RegexPair::compile(pattern, replacement).map_err(|(at, reason)| {
            let message = format!("invalid regex_uri({pattern}, {replacement}): {reason}");
            Fault::new(format!("/regex_uri/{}", n * 2 + at), message)
        })
    };
    pairs.iter().enumerate().map(pair).collect()
}

struct Compiled {
    uri: Option<PathTemplate>,
    regex_uri: Vec<RegexPair>,
    host: Option<Box<str>>,
    method: Option<Method>,
    headers: HeaderEdits,
    source: Source,
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases::REWRITE
    }

    fn rewrite<'a>(&'a self, exchange: &'a mut Exchange) -> Flow<'a> {
        let captures = match self.rewrite_path(exchange) {
            Ok(captures) => captures,
            Err(Undecided) => {
                tracing::error!(uri = %exchange.uri, "proxy-rewrite: {Undecided}");
                return Flow::reply(Reply::error_msg(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "failed to substitute the uri",
                ));
            }
        };
        if let Some(host) = &self.host {
            exchange.target.host = Some(host.clone());
        }
        if let Some(method) = &self.method {
            exchange.target.method = Some(method.clone());
        }
        self.headers.apply(exchange, Side::Request, &captures);
        Flow::CONTINUE
    }
}

impl Compiled {
    /// Sets the target's path; gives what the regular expression captured, the whole match first, where
    /// headers ask for it. A path that nothing rewrites is forwarded as the client sent it.
    fn rewrite_path(&self, exchange: &mut Exchange) -> Result<Vec<String>, Undecided> {
        let mut captured = Vec::new();
        let rewritten = match &self.uri {
            Some(template) => Some(template.render(exchange, self.source)),
            None => {
                let from = self.source.path(exchange);
                let found = self.regex_uri.iter().find_map(|pair| pair.apply(&from).transpose()).transpose()?;
                found.map(|rewritten| {
                    if self.headers.use_captures() {
                        captured = rewritten.captures(&from);
                    }
                    self.source.target(&from, &rewritten.text, exchange)
                })
            }
        };
        match (rewritten, self.source) {
            (Some(target), _) => exchange.target.path_and_query = Some(target),
            (None, Source::AsSent) => exchange.target.path_and_query = Some(self.source.path(exchange).into_owned()),
            (None, Source::Normalised) => {}
        }
        Ok(captured)
    }
}

#[cfg(test)]
mod tests;
