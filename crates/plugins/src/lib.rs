//! The built-in plugins, one file or folder each, and the registry that names them all.

mod consumer;
mod header_edits;
mod key_auth;
mod limit_count;
pub mod prometheus;
mod proxy_rewrite;
mod response_rewrite;
#[cfg(test)]
mod testing;

use std::sync::LazyLock;

use model::Fault;
use plugin_api::{PluginType, Registry};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// All built-in plugins.
pub fn registry() -> &'static Registry {
    static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
        let all: [&'static dyn PluginType; 5] = [
            &key_auth::KeyAuth,
            &limit_count::LimitCount,
            &prometheus::Prometheus,
            &proxy_rewrite::ProxyRewrite,
            &response_rewrite::ResponseRewrite,
        ];
        Registry::new(all)
    });
    &REGISTRY
}

/// A configuration with its defaults. Its schema was checked before, so this fails for a newer version's fields only.
fn read<T: DeserializeOwned>(conf: &Value) -> Result<T, Fault> {
    T::deserialize(conf).map_err(|error| Fault::new("", error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priorities_are_those_of_apisix() {
        let order: Vec<_> = registry().by_priority().iter().map(|plugin| (plugin.name(), plugin.priority())).collect();
        let expected = [
            ("key-auth", 2500),
            ("proxy-rewrite", 1008),
            ("limit-count", 1002),
            ("response-rewrite", 899),
            ("prometheus", 500),
        ];
        assert_eq!(order, expected);
    }

    #[test]
    fn schemas_refuse_in_apisix_words() {
        let cases = [
            (
                "key-auth",
                r#"{"header": 1}"#,
                "/header",
                r#"property "header" validation failed: wrong type: expected string, got number"#,
            ),
            ("limit-count", r#"{"time_window": 60}"#, "/count", r#"property "count" is required"#),
            (
                "limit-count",
                r#"{"count": 0, "time_window": 60}"#,
                "/count",
                r#"property "count" validation failed: expected 0 to be greater than 0"#,
            ),
            (
                "limit-count",
                r#"{"count": 1, "time_window": 60, "policy": "x"}"#,
                "/policy",
                r#"property "policy" validation failed: matches none of the enum values"#,
            ),
        ];
        for (plugin, conf, pointer, reason) in cases {
            let conf: Value = serde_json::from_str(conf).expect("json");
            let fault = registry().check(plugin, &conf).expect_err("fault");
            assert_eq!(fault.pointer, pointer);
            assert_eq!(fault.message, format!("failed to check the configuration of plugin {plugin} err: {reason}"));
        }
        assert_eq!(registry().check("nothing", &Value::Null).expect_err("fault").message, "unknown plugin [nothing]");
    }

    #[test]
    fn every_plugin_takes_meta() {
        let conf = serde_json::json!({ "_meta": { "disable": false, "priority": 1, "filter": [] } });
        assert_eq!(registry().check("key-auth", &conf), Ok(()));
        let conf = serde_json::json!({ "_meta": { "pre_function": "return" } });
        assert_eq!(registry().check("key-auth", &conf).expect_err("fault").pointer, "/_meta/pre_function");
    }
}
