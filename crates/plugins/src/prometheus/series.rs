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
/// bucket or its neighbours, so the counters of a bucket lie side by side, and the first bucket beside the sums, in the order
/// written here: most requests touch one cache line or two.
#[derive(Default)]
#[repr(C, align(64))]
pub(super) struct Traffic {
    /// Requests with the labels of status that were the first of this target; others are counted elsewhere.
    pub(super) first_status: Counter,
    pub(super) bytes_received: Counter,
    pub(super) bytes_sent: Counter,
    /// Microseconds of all upstreams' parts, and of all the gateway's parts; the whole times are both.
    parts_us: [Counter; 2],
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
    /// How far the counters reach that a quick request touches.
    #[cfg(test)]
    pub(super) const FIRST_BUCKET_ENDS: usize = std::mem::offset_of!(Self, buckets) + size_of::<[Counter; TIMES]>();

    /// Counts a finished request.
    pub(super) fn count(&self, outcome: &Outcome) {
        self.bytes_received.add(outcome.bytes_received);
        self.bytes_sent.add(outcome.bytes_sent);
        let micros = |latency: Duration| latency.as_micros() as u64;
        let upstream = outcome.upstream_latency.map(micros);
        let gateway = micros(outcome.total).saturating_sub(upstream.unwrap_or_default());
        let [of_upstream, of_gateway] = &self.parts_us;
        of_upstream.add(upstream.unwrap_or_default());
        of_gateway.add(gateway);
        let whole = upstream.unwrap_or_default() + gateway;
        for (time, micros) in [Some(whole), upstream, Some(gateway)].into_iter().enumerate() {
            let bucket = |micros| BUCKETS.iter().position(|bound| micros <= bound * 1000).unwrap_or(BUCKETS.len());
            let counters = micros.and_then(|micros| self.buckets.get(bucket(micros)));
            if let Some(counter) = counters.and_then(|counters| counters.get(time)) {
                counter.add(1);
            }
        }
    }

    /// How often each bucket was met by this time, and the sum in microseconds.
    pub(super) fn histogram(&self, time: usize) -> (impl Iterator<Item = u64> + '_, u64) {
        let buckets = self.buckets.iter().map(move |counters| counters.get(time).map_or(0, Counter::get));
        let [of_upstream, of_gateway] = self.parts_us.each_ref().map(Counter::get);
        let sum = match time {
            0 => of_upstream + of_gateway,
            1 => of_upstream,
            _ => of_gateway,
        };
        (buckets, sum)
    }
}
