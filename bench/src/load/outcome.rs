//! What a load has seen.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{MEASURING, Shared, Which};
use crate::histogram::Histogram;

/// What was seen while measuring.
#[derive(Default, Clone)]
pub(crate) struct Outcome {
    pub(crate) latencies: Histogram,
    /// Right answers.
    pub(crate) right: u64,
    /// Other answers.
    pub(crate) wrong: u64,
    /// Connections refused, broken or unreadable.
    pub(crate) errors: u64,
    /// The first wrong answer or error, for people.
    pub(crate) first_fault: Option<String>,
}

/// An outcome that grows, and what others see of it meanwhile.
pub(super) struct Tally {
    shared: Arc<Shared>,
    pub(super) outcome: Outcome,
}

impl Tally {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, outcome: Outcome::default() }
    }

    pub(super) fn phase(&self) -> u8 {
        self.shared.phase()
    }

    pub(super) fn which(&self) -> Which {
        if self.shared.asks_other.load(Ordering::Relaxed) { Which::Other } else { Which::Own }
    }

    /// One answer and what is wrong with it. Before measuring only wrong ones are kept.
    pub(super) fn count(&mut self, fault: Option<String>, asked: Option<Instant>) {
        self.shared.answers.fetch_add(1, Ordering::Relaxed);
        let is_measuring = self.phase() == MEASURING;
        if let (true, Some(asked)) = (is_measuring, asked) {
            self.outcome.latencies.record(asked.elapsed());
        }
        match fault {
            None => self.outcome.right += u64::from(is_measuring),
            Some(fault) => {
                self.outcome.wrong += 1;
                self.outcome.first_fault.get_or_insert(fault);
            }
        }
    }

    /// A connection was refused, broke, or said what cannot be read.
    pub(super) fn error(&mut self, error: &dyn Display) {
        self.shared.faults.fetch_add(1, Ordering::Relaxed);
        self.outcome.errors += 1;
        self.outcome.first_fault.get_or_insert_with(|| error.to_string());
    }
}

/// How long a stop, or a connection to be made anew, may wait.
pub(super) const TICK: Duration = Duration::from_millis(20);
