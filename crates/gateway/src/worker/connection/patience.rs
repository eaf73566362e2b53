//! How long a connection waits for its client.

use std::cell::Cell;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::settings::Limits;
use crate::worker::wheel::Timer;

/// After so much of its time an idle client's connection lets go of what only requests need.
const REST: Duration = Duration::from_millis(200);

/// Runs while every request of the connection has to wait for the client: to send a head, or to take what is
/// written to it. One for all requests of a connection.
pub(super) struct Patience {
    timer: Timer,
    /// Requests under way.
    open: Cell<u32>,
    /// Those of them that wait for something else than the client.
    ours: Cell<u32>,
    /// Whether the client's time has come to the point where its connection rests.
    rests: Cell<bool>,
}

/// How far the client's time has run.
pub(super) enum Passed {
    /// It has been idle for a little.
    Some,
    /// It is over.
    All,
}

impl Patience {
    pub(super) fn new(limits: &Limits) -> Self {
        let timer = Timer::new();
        timer.arm(limits.client_idle);
        Self { timer, open: Cell::new(0), ours: Cell::new(0), rests: Cell::new(true) }
    }

    /// A request's head is here.
    pub(super) fn begin(&self) {
        self.open.set(self.open.get() + 1);
        self.await_upstream();
    }

    /// One more request waits for something else than the client.
    pub(super) fn await_upstream(&self) {
        self.ours.set(self.ours.get() + 1);
    }

    /// One more request waits for the client.
    pub(super) fn await_client(&self, limits: &Limits) {
        self.ours.set(self.ours.get().saturating_sub(1));
        self.renew(limits);
    }

    /// A request has ended that waited for the client.
    pub(super) fn end(&self, limits: &Limits) {
        self.open.set(self.open.get().saturating_sub(1));
        self.renew(limits);
    }

    /// The client took something: it has new time.
    pub(super) fn renew(&self, limits: &Limits) {
        let rests_first = self.is_idle() && limits.client_idle > REST;
        self.rests.set(!rests_first);
        self.timer.arm(match (rests_first, self.is_idle()) {
            (true, _) => REST,
            (false, true) => limits.client_idle,
            (false, false) => limits.client_body,
        });
    }

    pub(super) fn is_idle(&self) -> bool {
        self.open.get() == 0
    }

    /// Ready when so much of the client's time has passed and it was its turn.
    pub(super) fn poll_passed(&self, limits: &Limits, context: &mut Context<'_>) -> Poll<Passed> {
        while self.timer.poll_fired(context).is_ready() {
            if self.ours.get() != 0 {
                self.renew(limits);
            } else if self.rests.replace(true) {
                return Poll::Ready(Passed::All);
            } else {
                self.timer.arm(limits.client_idle.saturating_sub(REST));
                return Poll::Ready(Passed::Some);
            }
        }
        Poll::Pending
    }
}
