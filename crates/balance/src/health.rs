//! When a node counts as healthy: a state machine in one word, so that threads can share it without a lock.

/// What was seen of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// A status that counts as success, or a connection where only that was asked for.
    Success,
    /// A status that counts as failure.
    HttpFailure,
    /// No connection, or one that broke.
    TcpFailure,
    /// No answer in time.
    Timeout,
}

/// How many reports in a row decide; 0 switches a kind off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Thresholds {
    pub successes: u8,
    pub http_failures: u8,
    pub tcp_failures: u8,
    pub timeouts: u8,
}

/// A node's standing, in the words of APISIX's `resty.healthcheck`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Serves.
    Healthy,
    /// Serves; there were failures of late.
    MostlyHealthy,
    /// Does not serve; there were successes of late.
    MostlyUnhealthy,
    /// Does not serve.
    Unhealthy,
}

impl Standing {
    /// `mostly_healthy`
    pub fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::MostlyHealthy => "mostly_healthy",
            Self::MostlyUnhealthy => "mostly_unhealthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// Standing and counters of a node; new ones are healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// The standing.
    pub standing: Standing,
    /// Successes in a row.
    pub successes: u8,
    /// Bad statuses since the last success.
    pub http_failures: u8,
    /// Failed connections since the last success.
    pub tcp_failures: u8,
    /// Timeouts since the last success.
    pub timeouts: u8,
}

impl Default for Health {
    fn default() -> Self {
        Self { standing: Standing::Healthy, successes: 0, http_failures: 0, tcp_failures: 0, timeouts: 0 }
    }
}

impl Health {
    /// Whether the node may serve.
    pub fn serves(self) -> bool {
        matches!(self.standing, Standing::Healthy | Standing::MostlyHealthy)
    }

    /// The health after a report. One that says what is already settled changes nothing.
    #[must_use]
    pub fn after(mut self, report: Report, thresholds: Thresholds) -> Self {
        let is_success = report == Report::Success;
        let settled = if is_success { Standing::Healthy } else { Standing::Unhealthy };
        let (count, limit) = match report {
            Report::Success => (&mut self.successes, thresholds.successes),
            Report::HttpFailure => (&mut self.http_failures, thresholds.http_failures),
            Report::TcpFailure => (&mut self.tcp_failures, thresholds.tcp_failures),
            Report::Timeout => (&mut self.timeouts, thresholds.timeouts),
        };
        if limit == 0 || self.standing == settled {
            return self;
        }
        *count = count.saturating_add(1);
        let reached = *count >= limit;
        if is_success {
            (self.http_failures, self.tcp_failures, self.timeouts) = (0, 0, 0);
        } else {
            self.successes = 0;
        }
        self.standing = match (reached, self.serves()) {
            (true, _) => settled,
            (false, true) => Standing::MostlyHealthy,
            (false, false) => Standing::MostlyUnhealthy,
        };
        self
    }

    /// As one word; 0 is the default.
    pub fn to_word(self) -> u64 {
        let standing = self.standing as u8;
        let bytes = [standing, self.successes, self.http_failures, self.tcp_failures, self.timeouts, 0, 0, 0];
        u64::from_le_bytes(bytes)
    }

    /// From a word of [`Health::to_word`].
    pub fn from_word(word: u64) -> Self {
        let [standing, successes, http_failures, tcp_failures, timeouts, ..] = word.to_le_bytes();
        let standing = match standing {
            0 => Standing::Healthy,
            1 => Standing::MostlyHealthy,
            2 => Standing::MostlyUnhealthy,
            _ => Standing::Unhealthy,
        };
        Self { standing, successes, http_failures, tcp_failures, timeouts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THRESHOLDS: Thresholds = Thresholds { successes: 2, http_failures: 3, tcp_failures: 2, timeouts: 0 };

    fn after(reports: &[Report]) -> Health {
        reports.iter().fold(Health::default(), |health, report| health.after(*report, THRESHOLDS))
    }

    #[test]
    fn thresholds_are_counted_in_a_row() {
        use Report::{HttpFailure, Success, TcpFailure, Timeout};
        assert_eq!(after(&[HttpFailure, HttpFailure]).standing, Standing::MostlyHealthy);
        assert_eq!(after(&[HttpFailure; 3]).standing, Standing::Unhealthy);
        assert_eq!(after(&[TcpFailure, Success, TcpFailure]).standing, Standing::MostlyHealthy);
        assert_eq!(after(&[TcpFailure, TcpFailure, Success]).standing, Standing::MostlyUnhealthy);
        assert_eq!(after(&[TcpFailure, TcpFailure, Success, Success]).standing, Standing::Healthy);
        assert_eq!(after(&[TcpFailure, TcpFailure, Success, HttpFailure, Success]).standing, Standing::MostlyUnhealthy);
        assert_eq!(after(&[Timeout; 9]), Health::default(), "0 switches a kind off");
    }

    /// Against a model that remembers all reports, over seeded sequences.
    #[test]
    fn a_node_changes_sides_only_after_its_threshold_and_words_lose_nothing() {
        for seed in 0..2000u64 {
            let (mut health, mut streak) = (Health::default(), Vec::new());
            for step in 0..60u64 {
                let reports = [Report::Success, Report::HttpFailure, Report::TcpFailure, Report::Timeout];
                let report = reports[(crate::hash(&[seed.to_le_bytes(), step.to_le_bytes()].concat()) % 4) as usize];
                let before = health;
                health = health.after(report, THRESHOLDS);
                assert_eq!(Health::from_word(health.to_word()), health);
                if report != Report::Timeout {
                    let was_success = streak.last().is_some_and(|last| *last == Report::Success);
                    if was_success != (report == Report::Success) {
                        streak.clear();
                    }
                    streak.push(report);
                }
                let same = streak.iter().filter(|seen| **seen == report).count();
                match (before.serves(), health.serves()) {
                    (true, false) => {
                        assert!(same >= if report == Report::HttpFailure { 3 } else { 2 }, "{seed} {step}")
                    }
                    (false, true) => assert!(report == Report::Success && same >= 2, "{seed} {step}"),
                    _ => {}
                }
            }
        }
    }
}
