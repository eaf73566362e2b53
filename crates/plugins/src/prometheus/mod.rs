//! `prometheus`: counts requests, latency and bandwidth for the scrape at `/apisix/prometheus/metrics`.
//!
//! ```json
//! { "prefer_name": true }
//! ```
//! Names and labels are APISIX's, so its Grafana dashboards work.
//! Source: <https://apisix.apache.org/docs/apisix/plugins/prometheus/>

mod render;
mod series;
mod shard;

use std::sync::{Arc, LazyLock};

use model::Fault;
use plugin_api::{CompileInput, Exchange, Phases, Plugin, PluginType};
use serde::Deserialize;
use serde_json::{Value, json};

pub use render::{Gauges, render};

/// The plugin by name.
pub(crate) struct Prometheus;

#[derive(Deserialize)]
struct Conf {
    #[serde(default)]
    prefer_name: bool,
}

impl PluginType for Prometheus {
    fn name(&self) -> &'static str {
        "prometheus"
    }

    fn priority(&self) -> i32 {
        500
    }

    fn schema(&self) -> &'static Value {
        static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
            json!({
                "type": "object",
                "properties": { "prefer_name": { "type": "boolean", "default": false } },
            })
        });
        &SCHEMA
    }

    fn compile(&self, input: &CompileInput<'_>) -> Result<Arc<dyn Plugin>, Fault> {
        let conf: Conf = crate::read(input.conf)?;
        Ok(Arc::new(Compiled { prefer_name: conf.prefer_name }))
    }
}

struct Compiled {
    prefer_name: bool,
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases::LOG
    }

    fn log(&self, exchange: &mut Exchange) {
        shard::with_series(exchange, self.prefer_name, |series| series.count(&exchange.outcome));
    }
}
