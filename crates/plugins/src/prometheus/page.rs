//! The page that a scrape reads: at the metrics address, and where a route shows it by `public-api`.

use std::sync::OnceLock;

use super::render::{Gauges, render};

/// Its path, as APISIX has it.
pub const PAGE: &str = "/apisix/prometheus/metrics";
/// Its `Content-Type`.
pub const PAGE_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

type Source = Box<dyn Fn() -> Gauges + Send + Sync>;

static GAUGES: OnceLock<Source> = OnceLock::new();

/// Told by the gateway at its start: where the numbers come from that requests do not make. The first one counts.
pub fn publish(gauges: impl Fn() -> Gauges + Send + Sync + 'static) {
    let _ = GAUGES.set(Box::new(gauges));
}

/// The page; `None` before [`publish`], and so on the control plane.
pub fn page() -> Option<String> {
    GAUGES.get().map(|gauges| render(&gauges()))
}
