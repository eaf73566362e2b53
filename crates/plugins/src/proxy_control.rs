//! `proxy-control`: whether a request's body is gathered before it is sent on.
//!
//! ```json
//! { "request_buffering": false }
//! ```
//! Source: <https://apisix.apache.org/docs/apisix/plugins/proxy-control/>

use std::sync::{Arc, LazyLock};

use model::Fault;
use plugin_api::schema::with_meta;
use plugin_api::{CompileInput, Phases, Plugin, PluginType};
use serde_json::{Value, json};

/// The plugin by name. Every body streams here, and a retry never needs one that was gathered, so both settings do the
/// same; configurations that have one work as they are.
pub(crate) struct ProxyControl;

impl PluginType for ProxyControl {
    fn name(&self) -> &'static str {
        "proxy-control"
    }

    fn priority(&self) -> i32 {
        21990
    }

    fn schema(&self) -> &'static Value {
        static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
            with_meta(json!({
                "type": "object",
                "properties": { "request_buffering": { "type": "boolean", "default": true } },
            }))
        });
        &SCHEMA
    }

    fn compile(&self, _: &CompileInput<'_>) -> Result<Arc<dyn Plugin>, Fault> {
        Ok(Arc::new(Streams))
    }
}

struct Streams;

impl Plugin for Streams {
    fn phases(&self) -> Phases {
        Phases::default()
    }
}
