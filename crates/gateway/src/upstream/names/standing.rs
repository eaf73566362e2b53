//! What is known of a name, and for how long. No I/O; the time is an argument.
//!
//! Source for answers past their time: RFC 8767.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::lookup::Outcome;
use crate::settings::Dns;

/// How long a request waits for new addresses while it has old ones.
const PATIENCE: Duration = Duration::from_millis(500);
/// After a failed lookup the next one waits this long.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// That a name has no address is believed at least and at most this long, whatever its zone says.
const NEGATIVE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));

/// Bounds from the settings.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    least: Duration,
    most: Duration,
    stale: Duration,
}

impl Times {
    pub(super) fn of(settings: &Dns) -> Self {
        Self { least: settings.ttl_min, most: settings.ttl_max.max(settings.ttl_min), stale: settings.stale }
    }
}

/// What is known.
#[derive(Debug, Default)]
pub(super) enum Standing {
    /// Nothing yet.
    #[default]
    Unknown,
    /// It has addresses.
    Known {
        addresses: Box<[IpAddr]>,
        /// From here on a request makes look for new ones, which are then there in time.
        due: Instant,
        /// To here they are good.
        until: Instant,
        /// To here they are better than none.
        stale_until: Instant,
        /// Whether the last lookup failed.
        failing: bool,
    },
    /// It has none, or could not be looked up at all.
    Nothing { until: Instant },
}

impl Standing {
    /// Whether to look it up.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        match self {
            Standing::Unknown => true,
            Standing::Known { due, stale_until, .. } => now >= *due || now >= *stale_until,
            Standing::Nothing { until } => now >= *until,
        }
    }

    /// How long to wait for a lookup: `None` for its end.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        match self {
            Standing::Unknown => None,
            Standing::Nothing { until } => (now < *until).then_some(Duration::ZERO),
            Standing::Known { stale_until, .. } if now >= *stale_until => None,
            Standing::Known { until, failing, .. } if now < *until || *failing => Some(Duration::ZERO),
            Standing::Known { .. } => Some(PATIENCE),
        }
    }

    /// The addresses to use.
    pub(super) fn addresses(&self, now: Instant) -> Option<&[IpAddr]> {
        match self {
            Standing::Known { addresses, stale_until, .. } if now < *stale_until => Some(addresses),
            _ => None,
        }
    }

    /// Takes in what a lookup gave. That a name has no address counts; that it could not be asked for leaves what was known.
    pub(super) fn learn(&mut self, outcome: Outcome, now: Instant, times: &Times) {
        match outcome {
            Outcome::Found { addresses, ttl } => {
                let ttl = ttl.clamp(times.least, times.most);
                let until = now + ttl;
                // In the last tenth of their time, so that requests to a name in use never wait.
                let due = now + ttl.mul_f32(0.9);
                *self = Standing::Known { addresses, due, until, stale_until: until + times.stale, failing: false };
            }
            Outcome::None { ttl } => {
                *self = Standing::Nothing { until: now + ttl.unwrap_or_default().clamp(NEGATIVE.0, NEGATIVE.1) };
            }
            Outcome::Failed(_) => self.fail(now),
        }
    }

    fn fail(&mut self, now: Instant) {
        match self {
            Standing::Known { due, stale_until, failing, .. } if now < *stale_until => {
                *due = now + AFTER_FAILURE;
                *failing = true;
            }
            _ => *self = Standing::Nothing { until: now + AFTER_FAILURE },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const TIMES: Times = Times { least: SECOND, most: Duration::from_secs(100), stale: Duration::from_secs(50) };

    fn found(ttl: u64) -> Outcome {
        Outcome::Found { addresses: [[10, 0, 0, 1].into()].into(), ttl: Duration::from_secs(ttl) }
    }

    fn failed() -> Outcome {
        Outcome::Failed("test".into())
    }

    fn learned(outcome: Outcome, now: Instant) -> Standing {
        let mut standing = Standing::Unknown;
        standing.learn(outcome, now, &TIMES);
        standing
    }

    #[test]
    fn what_is_unknown_is_waited_for() {
        let (standing, now) = (Standing::Unknown, Instant::now());
        assert!(standing.is_due(now) && standing.wait(now).is_none() && standing.addresses(now).is_none());
    }

    #[test]
    fn an_answer_is_good_for_its_time_and_renewed_before() {
        let now = Instant::now();
        let standing = learned(found(10), now);
        assert!(!standing.is_due(now + 8 * SECOND) && standing.is_due(now + 9 * SECOND));
        assert_eq!(standing.wait(now + 9 * SECOND), Some(Duration::ZERO));
        assert_eq!(standing.wait(now + 10 * SECOND), Some(PATIENCE));
        assert!(standing.addresses(now + 11 * SECOND).is_some());
    }

    #[test]
    fn times_are_bounded() {
        let now = Instant::now();
        let (short, long) = (learned(found(0), now), learned(found(10_000), now));
        assert!(short.wait(now + SECOND / 2) == Some(Duration::ZERO) && short.wait(now + SECOND) == Some(PATIENCE));
        assert!(!long.is_due(now + 89 * SECOND) && long.is_due(now + 90 * SECOND));
    }

    #[test]
    fn a_failing_lookup_keeps_the_addresses_for_a_bounded_time() {
        let now = Instant::now();
        let mut standing = learned(found(10), now);
        standing.learn(failed(), now + 10 * SECOND, &TIMES);
        assert!(!standing.is_due(now + 10 * SECOND) && standing.is_due(now + 11 * SECOND));
        assert_eq!(standing.wait(now + 30 * SECOND), Some(Duration::ZERO), "nobody waits for a dead name server");
        assert!(standing.addresses(now + 59 * SECOND).is_some() && standing.addresses(now + 60 * SECOND).is_none());
        assert_eq!(standing.wait(now + 60 * SECOND), None);
        standing.learn(failed(), now + 61 * SECOND, &TIMES);
        assert!(matches!(standing, Standing::Nothing { .. }));
    }

    #[test]
    fn that_there_is_no_address_counts_and_is_kept_briefly() {
        let now = Instant::now();
        for (ttl, kept) in [(None, 1), (Some(3), 3), (Some(3600), 5)] {
            let mut standing = learned(found(10), now);
            standing.learn(Outcome::None { ttl: ttl.map(Duration::from_secs) }, now, &TIMES);
            assert!(standing.addresses(now).is_none() && !standing.is_due(now));
            assert_eq!(standing.wait(now), Some(Duration::ZERO));
            assert!(standing.is_due(now + kept * SECOND) && !standing.is_due(now + kept * SECOND - SECOND / 10));
        }
    }
}
