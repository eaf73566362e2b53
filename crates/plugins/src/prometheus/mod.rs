//! `prometheus`: counts requests, latency and bandwidth for the scrape at `/apisix/prometheus/metrics`.
//!
//! ```json
//! { "prefer_name": true }
//! ```
//! Names, labels and buckets are APISIX's, so its Grafana dashboards work.
//! Source: <https://apisix.apache.org/docs/apisix/3.18/plugins/prometheus/>

mod labels;
mod page;
mod render;
mod series;
mod shard;

use std::sync::{Arc, LazyLock};

use model::Fault;
use plugin_api::schema::with_meta;
use plugin_api::{CompileInput, Exchange, Phases, Plugin, PluginType};
use serde::Deserialize;
use serde_json::{Value, json};

use labels::{Disabled, METRICS};
pub use page::{PAGE, PAGE_TYPE, page, publish};
pub use render::Gauges;

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
            with_meta(json!({
                "type": "object",
                "properties": { "prefer_name": { "type": "boolean", "default": false } },
            }))
        });
        &SCHEMA
    }

    fn metadata_schema(&self) -> Option<&'static Value> {
        static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
            let names = json!({ "type": "array", "items": { "type": "string" } });
            let metrics: serde_json::Map<_, _> =
                METRICS.iter().map(|metric| ((*metric).to_owned(), names.clone())).collect();
            json!({
                "type": "object",
                "properties": {
                    "disabled_labels": {
                        "type": "object",
                        "description": "labels left empty, by metric",
                        "properties": metrics,
                    },
                },
            })
        });
        Some(&SCHEMA)
    }

    fn compile(&self, input: &CompileInput<'_>) -> Result<Arc<dyn Plugin>, Fault> {
        let conf: Conf = crate::read(input.conf)?;
        Ok(Arc::new(Settings { prefer_name: conf.prefer_name, disabled: Disabled::of(input.metadata) }))
    }
}

/// How requests are labelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Settings {
    prefer_name: bool,
    disabled: Disabled,
}

impl Plugin for Settings {
    fn phases(&self) -> Phases {
        Phases::LOG
    }

    fn log(&self, exchange: &mut Exchange) {
        shard::count(exchange, *self);
    }
}
