//! `cors`: tells browsers which other sites' pages may call.
//!
//! ```json
//! { "allow_origins": "https://a.com,https://b.com", "allow_methods": "GET,POST", "max_age": 50 }
//! ```
//! Every OPTIONS request is answered 200 here. Origins may also come from expressions or from the plugin's
//! metadata: `{ "allow_origins": { "KEY": "https://a.com" } }`.
//! Source: <https://apisix.apache.org/docs/apisix/plugins/cors/>

mod origins;
mod schema;

use std::sync::Arc;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    HeaderName, HeaderValue, ORIGIN, VARY,
};
use http::{Method, StatusCode};
use model::Fault;
use plugin_api::{CompileInput, Exchange, Flow, Phases, Plugin, PluginType, Reply};
use serde::Deserialize;
use serde_json::Value;

use origins::{Expressions, Origins, Source};

static TIMING_ALLOW_ORIGIN: HeaderName = HeaderName::from_static("timing-allow-origin");

const ALL_METHODS: &str = "GET,POST,PUT,DELETE,PATCH,HEAD,OPTIONS,CONNECT,TRACE";

/// The plugin by name.
pub(crate) struct Cors;

#[derive(Deserialize)]
#[serde(default)]
struct Conf {
    allow_origins: String,
    allow_methods: String,
    allow_headers: String,
    expose_headers: String,
    max_age: i64,
    allow_credential: bool,
    allow_origins_by_regex: Option<Vec<String>>,
    allow_origins_by_metadata: Option<Vec<String>>,
    timing_allow_origins: Option<String>,
    timing_allow_origins_by_regex: Option<Vec<String>>,
}

impl Default for Conf {
    fn default() -> Self {
        Self {
            allow_origins: "*".into(),
            allow_methods: "*".into(),
            allow_headers: "*".into(),
            expose_headers: String::new(),
            max_age: 5,
            allow_credential: false,
            allow_origins_by_regex: None,
            allow_origins_by_metadata: None,
            timing_allow_origins: None,
            timing_allow_origins_by_regex: None,
        }
    }
}

impl PluginType for Cors {
    fn name(&self) -> &'static str {
        "cors"
    }

    fn priority(&self) -> i32 {
        4000
    }

    fn schema(&self) -> &'static Value {
        &schema::SCHEMA
    }

    fn metadata_schema(&self) -> Option<&'static Value> {
        Some(&schema::METADATA)
    }

    fn compile(&self, input: &CompileInput<'_>) -> Result<Arc<dyn Plugin>, Fault> {
        let conf: Conf = crate::read(input.conf)?;
        conf.check_credential()?;
        let source = match &conf.allow_origins_by_regex {
            Some(rules) => Source::ByExpressions(Expressions::parse(rules, "/allow_origins_by_regex")?),
            None => Source::Listed(Origins::parse(&conf.allow_origins)),
        };
        let keys = conf.allow_origins_by_metadata.as_deref();
        Ok(Arc::new(Compiled {
            names_any: conf.allow_origins == "*",
            depends_on_origin: keys.is_some() || !matches!(source, Source::Listed(Origins::Any)),
            source,
            by_metadata: keys.map(|keys| of_metadata(keys, input.metadata)),
            constants: conf.constants()?,
            echoes_headers: conf.allow_headers == "**",
            timing: conf.timing()?,
        }))
    }
}

impl Conf {
    /// Browsers refuse `*` with credentials, so a configuration that says both is a mistake.
    fn check_credential(&self) -> Result<(), Fault> {
        let fields = [
            ("/allow_origins", self.allow_origins.as_str()),
            ("/allow_methods", &self.allow_methods),
            ("/allow_headers", &self.allow_headers),
            ("/expose_headers", &self.expose_headers),
            ("/timing_allow_origins", self.timing_allow_origins.as_deref().unwrap_or_default()),
        ];
        match fields.iter().find(|(_, value)| self.allow_credential && *value == "*") {
            Some((pointer, _)) => {
                Err(Fault::new(*pointer, "you can not set '*' for other option when 'allow_credential' is true"))
            }
            None => Ok(()),
        }
    }

    /// The headers that are the same for every origin.
    fn constants(&self) -> Result<Vec<(HeaderName, HeaderValue)>, Fault> {
        let methods = if self.allow_methods == "**" { ALL_METHODS } else { &self.allow_methods };
        let mut constants = vec![
            (ACCESS_CONTROL_ALLOW_METHODS, value(methods, "/allow_methods")?),
            (ACCESS_CONTROL_MAX_AGE, HeaderValue::from(self.max_age)),
        ];
        if !self.expose_headers.is_empty() {
            constants.push((ACCESS_CONTROL_EXPOSE_HEADERS, value(&self.expose_headers, "/expose_headers")?));
        }
        if self.allow_headers != "**" {
            constants.push((ACCESS_CONTROL_ALLOW_HEADERS, value(&self.allow_headers, "/allow_headers")?));
        }
        if self.allow_credential {
            constants.push((ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true")));
        }
        Ok(constants)
    }

    fn timing(&self) -> Result<Option<Source>, Fault> {
        Ok(match (&self.timing_allow_origins_by_regex, &self.timing_allow_origins) {
            (Some(rules), _) => {
                Some(Source::ByExpressions(Expressions::parse(rules, "/timing_allow_origins_by_regex")?))
            }
            (None, origins) => origins.as_deref().map(Origins::parse).map(Source::Listed),
        })
    }
}

/// A header's value; `*`, the most common one, shares no counter between workers.
fn value(text: &str, pointer: &str) -> Result<HeaderValue, Fault> {
    if text == "*" {
        return Ok(HeaderValue::from_static("*"));
    }
    HeaderValue::try_from(text).map_err(|_| Fault::new(pointer, "must be text that can stand in a header"))
}

fn of_metadata(keys: &[String], metadata: Option<&Value>) -> Vec<Origins> {
    let origins = metadata.and_then(|metadata| metadata.get("allow_origins"));
    let text = |key: &String| origins?.get(key)?.as_str();
    keys.iter().filter_map(text).map(Origins::parse).collect()
}

struct Compiled {
    source: Source,
    by_metadata: Option<Vec<Origins>>,
    /// Whether `allow_origins` is `*`: beside metadata it then allows nothing by itself.
    names_any: bool,
    depends_on_origin: bool,
    constants: Vec<(HeaderName, HeaderValue)>,
    /// Whether every header that is asked for is allowed.
    echoes_headers: bool,
    timing: Option<Source>,
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases::REWRITE.and(Phases::HEADER_FILTER)
    }

    /// Keeps the client's Origin, which later plugins may rewrite for the upstream.
    fn rewrite<'a>(&'a self, exchange: &'a mut Exchange) -> Flow<'a> {
        let is_asked = self.depends_on_origin || self.timing.is_some();
        if let Some(origin) = exchange.headers.get(ORIGIN).filter(|_| is_asked).cloned() {
            exchange.kept.put(self, origin);
        }
        match exchange.method {
            Method::OPTIONS => Flow::reply(Reply::empty(StatusCode::OK)),
            _ => Flow::CONTINUE,
        }
    }

    fn header_filter(&self, exchange: &mut Exchange) {
        let origin: Option<HeaderValue> = exchange.kept.take(self);
        if self.depends_on_origin {
            exchange.response.headers.append(VARY, HeaderValue::from_static("Origin"));
        }
        if let Some(allowed) = self.allowed(origin.as_ref()) {
            self.allow(exchange, allowed);
        }
        if let Some(allowed) = self.timing.as_ref().and_then(|source| source.tell(origin.as_ref())) {
            exchange.response.headers.insert(&TIMING_ALLOW_ORIGIN, allowed);
        }
    }
}

impl Compiled {
    fn allowed(&self, origin: Option<&HeaderValue>) -> Option<HeaderValue> {
        if let Some(lists) = &self.by_metadata {
            if lists.iter().any(|list| list.tell(origin).is_some()) {
                return origin.cloned();
            }
            if self.names_any {
                return None;
            }
        }
        self.source.tell(origin)
    }

    fn allow(&self, exchange: &mut Exchange, origin: HeaderValue) {
        let headers = &mut exchange.response.headers;
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        for (name, value) in &self.constants {
            headers.insert(name, value.clone());
        }
        if self.echoes_headers {
            match exchange.headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
                Some(asked) => headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone()),
                None => headers.remove(ACCESS_CONTROL_ALLOW_HEADERS),
            };
        }
    }
}

#[cfg(test)]
mod tests;
