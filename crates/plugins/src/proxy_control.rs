//! `proxy-control`: whether a request's short body is gathered before it is sent on.
//!
//! ```json
//! { "request_buffering": false }
//! ```
//! Source: <https://apisix.apache.org/docs/apisix/plugins/proxy-control/>

use std::sync::{Arc, LazyLock};

use model::Fault;
use plugin_api::schema::with_meta;
use plugin_api::{CompileInput, Exchange, Flow, Phases, Plugin, PluginType};
use serde::Deserialize;
use serde_json::{Value, json};

/// The plugin by name. Long bodies stream here whatever it says, short ones are gathered where they may have to be sent
/// again; with `request_buffering` off they stream, too.
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

    fn compile(&self, input: &CompileInput<'_>) -> Result<Arc<dyn Plugin>, Fault> {
        let conf: Conf = crate::read(input.conf)?;
        Ok(Arc::new(conf))
    }
}

#[derive(Deserialize)]
struct Conf {
    request_buffering: bool,
}

impl Plugin for Conf {
    fn phases(&self) -> Phases {
        Phases::REWRITE
    }

    fn rewrite<'a>(&'a self, exchange: &'a mut Exchange) -> Flow<'a> {
        exchange.streams_request_body = !self.request_buffering;
        Flow::CONTINUE
    }
}
