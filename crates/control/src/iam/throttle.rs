//! Failed logins make the next ones wait, by user name, in memory.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Failures that cost nothing yet.
const FREE_FAILURES: u32 = 5;
/// The longest wait. Short, because whoever knows a name can make its owner wait.
const LONGEST_WAIT: i64 = 30;
/// A name is forgotten after this many seconds without a failure.
const FORGET_AFTER: i64 = 900;
/// Names kept at most.
const CAPACITY: usize = 10_000;

#[derive(Debug, Clone, Copy, Default)]
struct Failures {
    count: u32,
    last: i64,
}

/// Counts failures.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    names: Mutex<HashMap<String, Failures>>,
}

impl Throttle {
    /// How long this name has to wait still; none when it may try.
    pub(crate) fn wait(&self, name: &str, now: i64) -> Option<Duration> {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = names.get(name)?;
        let over = failures.count.checked_sub(FREE_FAILURES)?;
        let wait = 1i64.checked_shl(over.min(10)).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
        let left = failures.last.saturating_add(wait).saturating_sub(now);
        u64::try_from(left).ok().filter(|left| *left > 0).map(Duration::from_secs)
    }

    pub(crate) fn failed(&self, name: &str, now: i64) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() >= CAPACITY {
            names.retain(|_, failures| failures.last > now - FORGET_AFTER);
        }
        // Full of fresh names: somebody guesses names, and counting more of them helps nobody.
        if names.len() < CAPACITY || names.contains_key(name) {
            let failures = names.entry(name.to_owned()).or_default();
            let fresh = failures.last <= now - FORGET_AFTER;
            failures.count = if fresh { 1 } else { failures.count.saturating_add(1) };
            failures.last = now;
        }
    }

    pub(crate) fn succeeded(&self, name: &str) {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}

/// How often anybody may begin what costs us a call to others, by address.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// The minute, and how often in it.
    addresses: Mutex<HashMap<String, (i64, u32)>>,
}

/// Begins within one minute.
const BEGINS_A_MINUTE: u32 = 60;

impl Pace {
    /// Counts one more; how long to wait when it is one too many.
    pub(crate) fn begin(&self, address: &str, now: i64) -> Option<Duration> {
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        let minute = now.div_euclid(60);
        if addresses.len() >= CAPACITY {
            addresses.retain(|_, (of, _)| *of == minute);
        }
        // Full of fresh addresses: somebody has many, and counting more of them helps nobody.
        if addresses.len() >= CAPACITY && !addresses.contains_key(address) {
            return None;
        }
        let (of, count) = addresses.entry(address.to_owned()).or_default();
        if *of != minute {
            (*of, *count) = (minute, 0);
        }
        *count = count.saturating_add(1);
        let left = u64::try_from(60 - now.rem_euclid(60)).unwrap_or(60);
        (*count > BEGINS_A_MINUTE).then(|| Duration::from_secs(left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sixth_attempt_waits_and_success_forgets() {
        let throttle = Throttle::default();
        for _ in 0..4 {
            throttle.failed("a", 100);
        }
        assert_eq!(throttle.wait("a", 100), None);
        throttle.failed("a", 100);
        assert_eq!(throttle.wait("a", 100), Some(Duration::from_secs(1)));
        assert_eq!(throttle.wait("a", 101), None);
        assert_eq!(throttle.wait("b", 100), None);
        for _ in 0..50 {
            throttle.failed("a", 100);
        }
        assert_eq!(throttle.wait("a", 100), Some(Duration::from_secs(30)));
        throttle.succeeded("a");
        assert_eq!(throttle.wait("a", 100), None);
    }

    #[test]
    fn an_address_begins_so_often_a_minute() {
        let pace = Pace::default();
        for n in 0..BEGINS_A_MINUTE {
            assert_eq!(pace.begin("a", 125), None, "{n}");
        }
        assert_eq!(pace.begin("a", 130), Some(Duration::from_secs(50)));
        assert_eq!(pace.begin("b", 130), None);
        assert_eq!(pace.begin("a", 180), None);
    }

    #[test]
    fn names_are_bounded() {
        let throttle = Throttle::default();
        for n in 0..CAPACITY + 10 {
            throttle.failed(&n.to_string(), 100);
        }
        assert_eq!(throttle.names.lock().unwrap().len(), CAPACITY);
        throttle.failed("late", 100 + FORGET_AFTER);
        assert_eq!(throttle.names.lock().unwrap().len(), 1);
    }
}
