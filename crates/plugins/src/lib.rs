//! The built-in plugins, one file or folder each, and the registry that names them all.

mod basic_auth;
mod client_control;
mod consumer;
mod consumer_restriction;
mod cors;
mod echo;
mod escape;
mod fault_injection;
mod file_logger;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod gunzip;
mod gzip;
mod header_edits;
mod header_json;
mod header_names;
mod hmac_auth;
mod http_logger;
mod ip_restriction;
mod ip_set;
mod jwt_auth;
mod key_auth;
mod limit_conn;
mod limit_count;
mod limit_req;
mod log;
mod mocking;
mod pattern;
pub mod prometheus;
mod proxy_control;
mod proxy_rewrite;
mod public_api;
mod real_ip;
mod redirect;
mod referer_restriction;
mod regex_pair;
mod replacement;
mod request_id;
mod request_validation;
mod response_rewrite;
#[cfg(test)]
mod schema_tests;
#[cfg(test)]
mod testing;
mod traffic_split;
mod ua_restriction;
mod uri_blocker;

use std::sync::LazyLock;

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, ETAG, LAST_MODIFIED};
use model::Fault;
use plugin_api::{Exchange, PluginType, Registry};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// All built-in plugins.
pub fn registry() -> &'static Registry {
    static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
        let all: &[&'static dyn PluginType] = &[
            &basic_auth::BasicAuth,
            &client_control::ClientControl,
            &consumer_restriction::ConsumerRestriction,
            &cors::Cors,
            &echo::Echo,
            &fault_injection::FaultInjection,
            &file_logger::FileLogger,
            &gzip::Gzip,
            &hmac_auth::HmacAuth,
            &http_logger::HttpLogger,
            &ip_restriction::IpRestriction,
            &jwt_auth::JwtAuth,
            &key_auth::KeyAuth,
            &limit_conn::LimitConn,
            &limit_count::LimitCount,
            &limit_req::LimitReq,
            &mocking::Mocking,
            &prometheus::Prometheus,
            &proxy_control::ProxyControl,
            &proxy_rewrite::ProxyRewrite,
            &public_api::PublicApi,
            &real_ip::RealIp,
            &redirect::Redirect,
            &referer_restriction::RefererRestriction,
            &request_id::RequestId,
            &request_validation::RequestValidation,
            &response_rewrite::ResponseRewrite,
            &traffic_split::TrafficSplit,
            &ua_restriction::UaRestriction,
            &uri_blocker::UriBlocker,
        ];
        Registry::new(all.iter().copied())
    });
    &REGISTRY
}

/// Brings log entries that are on their way to their sinks, but takes no longer than `limit`.
pub async fn flush_logs(limit: std::time::Duration) {
    log::courier::flush(limit).await;
}

/// What the upstream said of its body is not true of another. Source: `clear_header_as_body_modified` of APISIX.
fn forget_body_headers(exchange: &mut Exchange) {
    for name in [CONTENT_LENGTH, CONTENT_ENCODING, LAST_MODIFIED, ETAG] {
        exchange.response.headers.remove(name);
    }
}

/// A fault of the expression in this field, in APISIX's words.
fn in_expression(field: &str, fault: Fault) -> Fault {
    let message = format!("failed to validate the '{field}' expression: {}", fault.message);
    Fault { message, ..fault }.under(&format!("/{field}"))
}

/// A configuration with its defaults. Its schema was checked before, so this fails for a newer version's fields only.
fn read<T: DeserializeOwned>(conf: &Value) -> Result<T, Fault> {
    T::deserialize(conf).map_err(|error| Fault::new("", error.to_string()))
}

#[cfg(test)]
mod tests;
