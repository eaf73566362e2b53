//! When to try again: exponential, with full jitter, so that a thousand instances do not come at once.

use std::time::Duration;

/// How long to wait between attempts.
#[derive(Debug, Clone)]
pub(super) struct Backoff {
    least: Duration,
    most: Duration,
    attempts: u32,
}

impl Backoff {
    pub(super) fn new(least: Duration, most: Duration) -> Self {
        Self { least, most, attempts: 0 }
    }

    /// It worked: the next failure starts from the beginning.
    pub(super) fn reset(&mut self) {
        self.attempts = 0;
    }

    /// The next wait: somewhere between `least` and the doubled step. `random` lies in 0..1.
    pub(super) fn next(&mut self, random: f64) -> Duration {
        let factor = 2u32.saturating_pow(self.attempts.min(16));
        self.attempts = self.attempts.saturating_add(1);
        let step = self.least.saturating_mul(factor).min(self.most);
        self.least + step.saturating_sub(self.least).mul_f64(random.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_a_bound_and_start_anew() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        let waits: Vec<_> = (0..6).map(|_| backoff.next(1.0).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1000, 1000]);
        assert_eq!(backoff.next(0.0).as_millis(), 100);
        assert_eq!(backoff.next(0.5).as_millis(), 550);
        backoff.reset();
        assert_eq!(backoff.next(1.0).as_millis(), 100);
    }
}
