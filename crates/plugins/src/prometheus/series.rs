//! What is counted for one set of labels.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use plugin_api::exchange::Outcome;

/// Upper bounds in milliseconds. Source: `default_buckets` of APISIX's prometheus exporter.
pub(super) const BUCKETS: [u64; 15] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000];

/// A number that one thread adds to and others read: no locked instruction is needed.
#[derive(Default)]
pub(super) struct Counter(AtomicU64);

/// Latency and bandwidth of one worker for one target.
#[derive(Default)]
pub(super) struct Traffic {
    pub(super) bytes_received: Counter,
    pub(super) bytes_sent: Counter,
    pub(super) total: Histogram,
    pub(super) upstream: Histogram,
    pub(super) gateway: Histogram,
}

/// Times by bucket, the last for those beyond all bounds, and their sum.
#[derive(Default)]
pub(super) struct Histogram {
    pub(super) buckets: [Counter; BUCKETS.len() + 1],
    pub(super) sum_us: Counter,
}

impl Counter {
    pub(super) fn add(&self, more: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(more), Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Traffic {
    /// Counts a finished request.
    pub(super) fn count(&self, outcome: &Outcome) {
        self.bytes_received.add(outcome.bytes_received);
        self.bytes_sent.add(outcome.bytes_sent);
        self.total.count(outcome.total);
        if let Some(upstream) = outcome.upstream_latency {
            self.upstream.count(upstream);
        }
        self.gateway.count(outcome.total.saturating_sub(outcome.upstream_latency.unwrap_or_default()));
    }
}

impl Histogram {
    fn count(&self, time: Duration) {
        let micros = time.as_micros() as u64;
        let bucket = BUCKETS.iter().position(|bound| micros <= bound * 1000).unwrap_or(BUCKETS.len());
        if let Some(counter) = self.buckets.get(bucket) {
            counter.add(1);
        }
        self.sum_us.add(micros);
    }
}
