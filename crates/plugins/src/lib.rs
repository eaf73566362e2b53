//! The built-in plugins, one file or folder each, and the registry that names them all.

mod basic_auth;
mod consumer;
mod consumer_restriction;
mod cors;
mod header_edits;
mod hmac_auth;
mod ip_restriction;
mod ip_set;
mod jwt_auth;
mod key_auth;
mod limit_count;
mod pattern;
pub mod prometheus;
mod proxy_rewrite;
mod referer_restriction;
mod replacement;
mod response_rewrite;
#[cfg(test)]
mod testing;
mod ua_restriction;
mod uri_blocker;

use std::sync::LazyLock;

use model::Fault;
use plugin_api::{PluginType, Registry};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// All built-in plugins.
pub fn registry() -> &'static Registry {
    static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
        let all: &[&'static dyn PluginType] = &[
            &basic_auth::BasicAuth,
            &consumer_restriction::ConsumerRestriction,
            &cors::Cors,
            &hmac_auth::HmacAuth,
            &ip_restriction::IpRestriction,
            &jwt_auth::JwtAuth,
            &key_auth::KeyAuth,
            &limit_count::LimitCount,
            &prometheus::Prometheus,
            &proxy_rewrite::ProxyRewrite,
            &referer_restriction::RefererRestriction,
            &response_rewrite::ResponseRewrite,
            &ua_restriction::UaRestriction,
            &uri_blocker::UriBlocker,
        ];
        Registry::new(all.iter().copied())
    });
    &REGISTRY
}

/// A configuration with its defaults. Its schema was checked before, so this fails for a newer version's fields only.
fn read<T: DeserializeOwned>(conf: &Value) -> Result<T, Fault> {
    T::deserialize(conf).map_err(|error| Fault::new("", error.to_string()))
}

#[cfg(test)]
mod tests;
