//! What is allowed, and what becomes of a request under it.

/// How many requests in how much time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Most requests of a window.
    pub limit: u64,
    /// Length of a window in milliseconds, not 0.
    pub window_ms: u64,
    /// How windows follow each other.
    pub window_type: WindowType,
}

/// How windows follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WindowType {
    /// A window begins with the first request after the one before it.
    #[default]
    Fixed,
    /// Windows stand at multiples of their length, and the one before counts for the part of it that a
    /// window ending now would cover. Smooths what [`WindowType::Fixed`] lets through around an end.
    Sliding,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// Whether it is within the limit.
    pub allowed: bool,
    /// How many more are, as things stand.
    pub remaining: u64,
    /// Milliseconds until the window ends; for a request that a sliding window refuses, until one may pass.
    pub reset_ms: u64,
}

/// A window as it stands: its requests, those of the one before, and the time left.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    /// Requests of the window.
    pub count: u64,
    /// Requests of the window before it, for [`WindowType::Sliding`].
    pub before: u64,
    /// Milliseconds until it ends.
    pub left_ms: u64,
}

impl Rule {
    /// The end of a window that begins at `now_ms`.
    pub(crate) fn end(&self, now_ms: u64) -> u64 {
        match self.window_type {
            WindowType::Fixed => now_ms.saturating_add(self.window_ms),
            WindowType::Sliding => (now_ms / self.window_ms.max(1) + 1).saturating_mul(self.window_ms),
        }
    }

    /// Decides on one more request.
    pub fn decide(&self, standing: Standing) -> Decision {
        let Standing { count, before, left_ms } = standing;
        if count >= self.limit {
            return Decision { allowed: false, remaining: 0, reset_ms: left_ms };
        }
        // Requests times milliseconds, so that nothing is lost in a division.
        let window = u128::from(self.window_ms.max(1));
        let carried = u128::from(before.min(self.limit)) * u128::from(left_ms);
        let free = u128::from(self.limit - count) * window;
        if carried >= free {
            let wait_ms = (carried - free) / u128::from(before.max(1)) + 1;
            return Decision { allowed: false, remaining: 0, reset_ms: (wait_ms as u64).min(left_ms) };
        }
        let remaining = (free - window).saturating_sub(carried) / window;
        Decision { allowed: true, remaining: remaining as u64, reset_ms: left_ms }
    }
}
