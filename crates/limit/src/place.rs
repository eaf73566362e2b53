//! Where one key is counted, in four words that all workers share.
//!
//! Counting takes no lock: it is one compare-and-swap of `state`. Beginning a window and handing the place to
//! another key happen under the lock of the set, and both change the sequence number in `state`, so that a
//! request which looked before cannot count after. The order of the writes is what readers rely on:
//! `key` is cleared, then `state`, `before` and `end_ms` change, then the new `key` shows.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::rule::{Decision, Rule, Standing, WindowType};

/// No key: the place is free.
pub(crate) const FREE: u64 = 0;

/// `state`: a sequence number above, the window's requests below.
const COUNT_BITS: u32 = 48;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;

#[derive(Default)]
pub(crate) struct Place {
    key: AtomicU64,
    state: AtomicU64,
    /// Requests of the window before, for sliding windows.
    before: AtomicU64,
    end_ms: AtomicU64,
}

/// How trying to count ended.
pub(crate) enum Attempt {
    Decided(Decision),
    /// The window is over: begin the next and try again.
    Ended,
    /// The place belongs to another key by now.
    Moved,
}

impl Place {
    pub(crate) fn key(&self) -> u64 {
        self.key.load(Ordering::Acquire)
    }

    /// When the window ends; 0 for a free place.
    pub(crate) fn end_ms(&self) -> u64 {
        if self.key() == FREE { 0 } else { self.end_ms.load(Ordering::Acquire) }
    }

    /// Counts one request of `key`.
    pub(crate) fn count(&self, key: u64, rule: &Rule, now_ms: u64) -> Attempt {
        loop {
            let state = self.state.load(Ordering::Acquire);
            let end_ms = self.end_ms.load(Ordering::Acquire);
            let before = self.before.load(Ordering::Acquire);
            if self.key() != key {
                return Attempt::Moved;
            }
            if now_ms >= end_ms {
                return Attempt::Ended;
            }
            let left_ms = (end_ms - now_ms).min(rule.window_ms);
            let decision = rule.decide(Standing { count: state & COUNT_MASK, before, left_ms });
            let counted = || self.state.compare_exchange_weak(state, state + 1, Ordering::AcqRel, Ordering::Relaxed);
            if !decision.allowed || counted().is_ok() {
                return Attempt::Decided(decision);
            }
        }
    }

    /// Begins the next window. Only under the set's lock.
    pub(crate) fn begin_window(&self, key: u64, rule: &Rule, now_ms: u64) {
        let ended_ms = self.end_ms.load(Ordering::Acquire);
        if self.key() != key || now_ms < ended_ms {
            return;
        }
        let count = self.take_count();
        let is_next = rule.window_type == WindowType::Sliding && now_ms < ended_ms.saturating_add(rule.window_ms);
        self.before.store(if is_next { count } else { 0 }, Ordering::Release);
        self.end_ms.store(rule.end(now_ms), Ordering::Release);
    }

    /// Gives the place to `key`, with a window that begins now. Only under the set's lock.
    pub(crate) fn assign(&self, key: u64, rule: &Rule, now_ms: u64) {
        self.key.store(FREE, Ordering::Release);
        self.take_count();
        self.before.store(0, Ordering::Release);
        self.end_ms.store(rule.end(now_ms), Ordering::Release);
        self.key.store(key, Ordering::Release);
    }

    /// Begins to count from 0 under the next sequence number; gives what was counted to the last.
    fn take_count(&self) -> u64 {
        // Nobody else changes the sequence number: that needs the lock which the caller holds.
        let sequence = self.state.load(Ordering::Acquire) >> COUNT_BITS;
        let next = sequence.wrapping_add(1) << COUNT_BITS;
        self.state.swap(next, Ordering::AcqRel) & COUNT_MASK
    }
}
