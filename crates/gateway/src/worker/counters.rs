//! What a worker counts for heartbeats and metrics. One thread writes, others read now and then.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use plugin_api::exchange::Outcome;

/// Totals of one worker, and what is open on it now.
#[derive(Debug, Default)]
pub(crate) struct WorkerCounters {
    requests: AtomicU64,
    responses_5xx: AtomicU64,
    requests_now: AtomicU64,
    connections: AtomicU64,
    connections_now: AtomicU64,
    connections_refused: AtomicU64,
    bytes_received: AtomicU64,
    bytes_sent: AtomicU64,
}

/// Sums over all workers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Requests finished.
    pub requests: u64,
    /// Of them, answered with a status of 500 to 599.
    pub responses_5xx: u64,
    /// Requests under way.
    pub requests_now: u64,
    /// Connections served.
    pub connections: u64,
    /// Connections open.
    pub connections_now: u64,
    /// Connections that were closed at once.
    pub connections_refused: u64,
    /// Bytes of finished requests.
    pub bytes_received: u64,
    /// Bytes of their responses.
    pub bytes_sent: u64,
}

/// Only the worker writes, so a plain addition is enough: no locked instruction on the request's way.
fn add(counter: &AtomicU64, more: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(more), Relaxed);
}

fn subtract_one(counter: &AtomicU64) {
    counter.store(counter.load(Relaxed).saturating_sub(1), Relaxed);
}

impl WorkerCounters {
    pub(crate) fn request_begins(&self) {
        add(&self.requests_now, 1);
    }

    pub(crate) fn request_ends(&self, status: u16, outcome: &Outcome) {
        subtract_one(&self.requests_now);
        add(&self.requests, 1);
        add(&self.responses_5xx, u64::from((500..600).contains(&status)));
        add(&self.bytes_received, outcome.bytes_received);
        add(&self.bytes_sent, outcome.bytes_sent);
    }

    pub(crate) fn connection_opens(&self) {
        add(&self.connections, 1);
        add(&self.connections_now, 1);
    }

    pub(crate) fn connection_refused(&self) {
        add(&self.connections_refused, 1);
    }

    pub(crate) fn connection_closes(&self) {
        subtract_one(&self.connections_now);
    }

    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    pub(crate) fn connections_now(&self) -> u64 {
        self.connections_now.load(Relaxed)
    }
}

/// The counters of all workers of an instance.
#[derive(Debug, Clone)]
pub struct Counters(Arc<[Arc<WorkerCounters>]>);

impl Counters {
    pub(crate) fn new(workers: usize) -> Self {
        Self((0..workers.max(1)).map(|_| Arc::default()).collect())
    }

    pub(crate) fn of_each_worker(&self) -> impl Iterator<Item = Arc<WorkerCounters>> + '_ {
        self.0.iter().cloned()
    }

    /// Sums over all workers.
    pub fn totals(&self) -> Totals {
        self.0.iter().fold(Totals::default(), |sum, worker| Totals {
            requests: sum.requests + worker.requests.load(Relaxed),
            responses_5xx: sum.responses_5xx + worker.responses_5xx.load(Relaxed),
            requests_now: sum.requests_now + worker.requests_now.load(Relaxed),
            connections: sum.connections + worker.connections.load(Relaxed),
            connections_now: sum.connections_now + worker.connections_now.load(Relaxed),
            connections_refused: sum.connections_refused + worker.connections_refused.load(Relaxed),
            bytes_received: sum.bytes_received + worker.bytes_received.load(Relaxed),
            bytes_sent: sum.bytes_sent + worker.bytes_sent.load(Relaxed),
        })
    }
}
