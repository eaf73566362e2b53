//! One series: everything counted for one set of labels.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use plugin_api::Exchange;
use plugin_api::exchange::Outcome;

/// Upper bounds in milliseconds. Source: `default_buckets` of APISIX's prometheus exporter.
pub(super) const BUCKETS: [u64; 15] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000];

/// What tells series apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Labels {
    pub(super) route: Box<str>,
    pub(super) matched_uri: Box<str>,
    pub(super) matched_host: Box<str>,
    pub(super) service: Box<str>,
    pub(super) consumer: Box<str>,
    pub(super) node: Box<str>,
    pub(super) code: u16,
}

impl Labels {
    /// The labels of a finished request. With `prefer_name`, routes and services go by name where they have one.
    pub(super) fn of(exchange: &Exchange, prefer_name: bool) -> Self {
        let route = exchange.route.as_deref();
        let pick = |id: Option<&str>, name: Option<&str>| -> Box<str> {
            let preferred = if prefer_name { name.or(id) } else { id };
            preferred.unwrap_or_default().into()
        };
        let consumer = exchange.consumer.as_ref().map(|entry| entry.consumer.username.clone());
        // APISIX's label is the node's address without its port.
        let node = exchange.outcome.upstream_addr.as_deref().unwrap_or_default();
        Self {
            route: pick(route.map(|route| &*route.id), route.and_then(|route| route.name.as_deref())),
            matched_uri: route.map(|route| route.uri.clone()).unwrap_or_default(),
            matched_host: route.and_then(|route| route.host.clone()).unwrap_or_default(),
            service: pick(
                route.and_then(|route| route.service_id.as_deref()),
                route.and_then(|route| route.service_name.as_deref()),
            ),
            consumer: consumer.unwrap_or_default(),
            node: node.rsplit_once(':').map_or(node, |(host, _)| host).into(),
            code: exchange.response.status.as_u16(),
        }
    }
}

/// Counts of one worker for one set of labels.
#[derive(Default)]
pub(super) struct Series {
    pub(super) requests: AtomicU64,
    pub(super) bytes_received: AtomicU64,
    pub(super) bytes_sent: AtomicU64,
    pub(super) total: Histogram,
    pub(super) upstream: Histogram,
    pub(super) gateway: Histogram,
}

/// Times by bucket, and their sum.
#[derive(Default)]
pub(super) struct Histogram {
    pub(super) buckets: [AtomicU64; BUCKETS.len() + 1],
    pub(super) sum_us: AtomicU64,
}

/// One thread writes, others read: no locked instruction is needed.
fn add(counter: &AtomicU64, more: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(more), Relaxed);
}

impl Series {
    /// Counts a finished request.
    pub(super) fn count(&self, outcome: &Outcome) {
        add(&self.requests, 1);
        add(&self.bytes_received, outcome.bytes_received);
        add(&self.bytes_sent, outcome.bytes_sent);
        self.total.count(outcome.total);
        let upstream = outcome.upstream_latency.unwrap_or_default();
        if outcome.upstream_latency.is_some() {
            self.upstream.count(upstream);
        }
        self.gateway.count(outcome.total.saturating_sub(upstream));
    }
}

impl Histogram {
    fn count(&self, time: Duration) {
        let micros = time.as_micros() as u64;
        let bucket = BUCKETS.iter().position(|bound| micros <= bound * 1000).unwrap_or(BUCKETS.len());
        if let Some(counter) = self.buckets.get(bucket) {
            add(counter, 1);
        }
        add(&self.sum_us, micros);
    }
}
