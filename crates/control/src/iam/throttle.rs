//! Failed logins make the next ones wait, by whom they mean, in memory.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use store::SecretHash;

/// Failures that cost nothing yet.
const FREE_FAILURES: u32 = 5;
/// The longest wait. Short, because whoever knows a name can make its owner wait.
const LONGEST_WAIT: i64 = 30;
/// Somebody is forgotten after this many seconds without a failure.
const FORGET_AFTER: i64 = 900;
/// Kept at most.
const CAPACITY: usize = 10_000;

#[derive(Debug, Clone, Copy, Default)]
struct Failures {
    count: u32,
    last: i64,
}

/// Whose failures are counted together. Of a fixed size: what is typed as name may be megabytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Subject(SecretHash);

impl Subject {
    /// A user, by whichever of its names it is meant.
    pub(crate) fn user(id: &str) -> Self {
        Self(SecretHash::of(&format!("user/{id}")))
    }

    /// A user, and from where it is tried.
    pub(crate) fn user_from(id: &str, address: &str) -> Self {
        Self(SecretHash::of(&format!("user/{id}/{address}")))
    }

    /// As the store knows it.
    pub(crate) fn hash(&self) -> &SecretHash {
        &self.0
    }

    /// A name that no user has.
    pub(crate) fn nobody(name: &str) -> Self {
        Self(SecretHash::of(&format!("nobody/{name}")))
    }

    /// A user whose one-time codes are guessed by somebody who has its session.
    pub(crate) fn codes_of(user: &str) -> Self {
        Self(SecretHash::of(&format!("codes/{user}")))
    }

    /// A name at a login option. Directories pay no heed to case and spaces around it, so neither may the count.
    pub(crate) fn at_option(option: &str, name: &str) -> Self {
        Self(SecretHash::of(&format!("option/{option}/{}", name.trim().to_lowercase())))
    }
}

/// Counts failures.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    subjects: Mutex<HashMap<Subject, Failures>>,
}

impl Throttle {
    /// How long they have to wait still; none when they may try.
    pub(crate) fn wait(&self, subject: Subject, now: i64) -> Option<Duration> {
        let subjects = self.subjects.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = subjects.get(&subject)?;
        let over = failures.count.checked_sub(FREE_FAILURES)?;
        let wait = 1i64.checked_shl(over.min(10)).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
        let left = failures.last.saturating_add(wait).saturating_sub(now);
        u64::try_from(left).ok().filter(|left| *left > 0).map(Duration::from_secs)
    }

    pub(crate) fn failed(&self, subject: Subject, now: i64) {
        let mut subjects = self.subjects.lock().unwrap_or_else(PoisonError::into_inner);
        if subjects.len() >= CAPACITY {
            subjects.retain(|_, failures| failures.last > now - FORGET_AFTER);
        }
        // Full of fresh names: somebody guesses names, and counting more of them helps nobody.
        if subjects.len() < CAPACITY || subjects.contains_key(&subject) {
            let failures = subjects.entry(subject).or_default();
            let fresh = failures.last <= now - FORGET_AFTER;
            failures.count = if fresh { 1 } else { failures.count.saturating_add(1) };
            failures.last = now;
        }
    }

    pub(crate) fn succeeded(&self, subject: Subject) {
        self.subjects.lock().unwrap_or_else(PoisonError::into_inner).remove(&subject);
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
        let (a, b) = (Subject::user("a"), Subject::user("b"));
        for _ in 0..4 {
            throttle.failed(a, 100);
        }
        assert_eq!(throttle.wait(a, 100), None);
        throttle.failed(a, 100);
        assert_eq!(throttle.wait(a, 100), Some(Duration::from_secs(1)));
        assert_eq!(throttle.wait(a, 101), None);
        assert_eq!(throttle.wait(b, 100), None);
        for _ in 0..50 {
            throttle.failed(a, 100);
        }
        assert_eq!(throttle.wait(a, 100), Some(Duration::from_secs(30)));
        throttle.succeeded(a);
        assert_eq!(throttle.wait(a, 100), None);
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
            throttle.failed(Subject::nobody(&n.to_string()), 100);
        }
        assert_eq!(throttle.subjects.lock().unwrap().len(), CAPACITY);
        throttle.failed(Subject::nobody("late"), 100 + FORGET_AFTER);
        assert_eq!(throttle.subjects.lock().unwrap().len(), 1);
    }

    /// What is kept of a name of megabytes is what is kept of any other.
    #[test]
    fn a_long_name_takes_no_more_room() {
        assert_eq!(std::mem::size_of::<(Subject, Failures)>(), 48);
        assert_ne!(Subject::nobody(&"x".repeat(9_000_000)), Subject::nobody(&"x".repeat(9_000_001)));
        assert_eq!(Subject::at_option("o", " Bob "), Subject::at_option("o", "bob"));
    }
}
