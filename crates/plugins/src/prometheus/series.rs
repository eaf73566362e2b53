//! What is counted for one set of labels.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use plugin_api::exchange::Outcome;

/// Upper bounds in milliseconds. Source: `default_buckets` of APISIX's prometheus exporter.
pub(super) const BUCKETS: [u64; 15] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000];

/// A number that one thread adds to and others read: no locked instruction is needed.
#[derive(Default)]
pub(super) struct Counter(AtomicU64);

/// The times of a request: all of it, its upstream's part, the gateway's part.
pub(super) const TIMES: usize = 3;

/// Latency and bandwidth of one worker for one target.
///
/// With ten thousand routes each request finds these counters in slow memory. The three times of a request fall in one
/// bucket or its neighbours, so the counters of a bucket lie side by side, and the first bucket beside the sums: most
/// requests touch two cache lines.
#[derive(Default)]
#[repr(align(64))]
pub(super) struct Traffic {
    pub(super) bytes_received: Counter,
    pub(super) bytes_sent: Counter,
    /// Microseconds, by time.
    sums_us: [Counter; TIMES],
    /// By upper bound, the last for what is beyond all bounds; then by time.
    buckets: [[Counter; TIMES]; BUCKETS.len() + 1],
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
        let upstream = outcome.upstream_latency;
        let gateway = outcome.total.saturating_sub(upstream.unwrap_or_default());
        for (time, latency) in [Some(outcome.total), upstream, Some(gateway)].into_iter().enumerate() {
            if let Some(latency) = latency {
                self.count_time(time, latency);
            }
        }
    }

    fn count_time(&self, time: usize, latency: Duration) {
        let micros = latency.as_micros() as u64;
        let bucket = BUCKETS.iter().position(|bound| micros <= bound * 1000).unwrap_or(BUCKETS.len());
        if let Some(counter) = self.buckets.get(bucket).and_then(|counters| counters.get(time)) {
            counter.add(1);
        }
        if let Some(sum) = self.sums_us.get(time) {
            sum.add(micros);
        }
    }

    /// How often each bucket was met by this time, and the sum in microseconds.
    pub(super) fn histogram(&self, time: usize) -> (impl Iterator<Item = u64> + '_, u64) {
        let buckets = self.buckets.iter().map(move |counters| counters.get(time).map_or(0, Counter::get));
        (buckets, self.sums_us.get(time).map_or(0, Counter::get))
    }
}
