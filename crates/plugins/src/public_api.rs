//! `public-api`: a route that answers with what the instance itself has to tell.
//!
//! ```json
//! { "uri": "/apisix/prometheus/metrics" }
//! ```
//! There is one such page, that of the metrics, and it is to GET; anything else is 404, as in APISIX.
//! Source: <https://apisix.apache.org/docs/apisix/plugins/public-api/>

use std::sync::{Arc, LazyLock};

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use model::Fault;
use plugin_api::schema::with_meta;
use plugin_api::{CompileInput, Exchange, Flow, Phases, Plugin, PluginType, Reply};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::prometheus;

/// The plugin by name.
pub(crate) struct PublicApi;

#[derive(Deserialize)]
struct Conf {
    /// The page; else the request's own path tells it.
    uri: Option<String>,
}

impl PluginType for PublicApi {
    fn name(&self) -> &'static str {
        "public-api"
    }

    fn priority(&self) -> i32 {
        501
    }

    fn schema(&self) -> &'static Value {
        static SCHEMA: LazyLock<Value> =
            LazyLock::new(|| with_meta(json!({ "type": "object", "properties": { "uri": { "type": "string" } } })));
        &SCHEMA
    }

    fn compile(&self, input: &CompileInput<'_>) -> Result<Arc<dyn Plugin>, Fault> {
        let conf: Conf = crate::read(input.conf)?;
        Ok(Arc::new(Compiled { uri: conf.uri.map(String::into_boxed_str) }))
    }
}

struct Compiled {
    uri: Option<Box<str>>,
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases::ACCESS
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Flow<'a> {
        let page = self.uri.as_deref().unwrap_or_else(|| exchange.path());
        let asks = exchange.method == Method::GET && page == prometheus::PAGE;
        let metrics = asks.then(prometheus::page).flatten();
        Flow::reply(match metrics {
            Some(metrics) => {
                let content_type = (CONTENT_TYPE, HeaderValue::from_static(prometheus::PAGE_TYPE));
                Reply { status: StatusCode::OK, headers: HeaderMap::from_iter([content_type]), body: metrics.into() }
            }
            None => Reply::page(StatusCode::NOT_FOUND),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{compile, exchange, reply_of};

    #[test]
    fn only_the_metrics_are_a_page() {
        prometheus::publish(prometheus::Gauges::default);
        for (conf, path, status) in [
            (r#"{ "uri": "/apisix/prometheus/metrics" }"#, "/numbers", 200),
            ("{}", "/apisix/prometheus/metrics", 200),
            ("{}", "/numbers", 404),
            (r#"{ "uri": "/apisix/batch-requests" }"#, "/apisix/prometheus/metrics", 404),
        ] {
            let plugin = compile(&PublicApi, conf);
            let mut exchange = exchange(path, &[]);
            let reply = reply_of(plugin.access(&mut exchange)).expect("a reply");
            assert_eq!(reply.status, status, "{conf} {path}");
            let has_metrics = String::from_utf8_lossy(&reply.body).contains("apisix_http_requests_total");
            assert_eq!(has_metrics, status == 200, "{conf} {path}");
        }
    }

    #[test]
    fn the_page_is_only_to_get() {
        prometheus::publish(prometheus::Gauges::default);
        let plugin = compile(&PublicApi, "{}");
        for (method, status) in [(Method::GET, 200), (Method::HEAD, 404), (Method::POST, 404), (Method::DELETE, 404)] {
            let mut exchange = exchange("/apisix/prometheus/metrics", &[]);
            exchange.method = method.clone();
            let reply = reply_of(plugin.access(&mut exchange)).expect("a reply");
            assert_eq!(reply.status, status, "{method}");
        }
    }
}
