//! How long a connection waits for its client.

use std::cell::Cell;
use std::task::{Context, Poll};

use crate::settings::Limits;
use crate::worker::wheel::Timer;

/// Runs while every request of the connection has to wait for the client: to send a head, or to take what is
/// written to it. One for all requests of a connection.
pub(super) struct Patience {
    timer: Timer,
    /// Requests under way.
    open: Cell<u32>,
    /// Those of them that wait for something else than the client.
    ours: Cell<u32>,
}

impl Patience {
    pub(super) fn new(limits: &Limits) -> Self {
        let timer = Timer::new();
        timer.arm(limits.client_idle);
        Self { timer, open: Cell::new(0), ours: Cell::new(0) }
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
        self.timer.arm(self.time(limits));
    }

    /// A request has ended that waited for the client.
    pub(super) fn end(&self, limits: &Limits) {
        self.open.set(self.open.get().saturating_sub(1));
        self.timer.arm(self.time(limits));
    }

    /// The client took something: it has new time.
    pub(super) fn renew(&self, limits: &Limits) {
        self.timer.arm(self.time(limits));
    }

    pub(super) fn is_idle(&self) -> bool {
        self.open.get() == 0
    }

    /// Ready when the client had its time and it was its turn.
    pub(super) fn poll_over(&self, limits: &Limits, context: &mut Context<'_>) -> Poll<()> {
        while self.timer.poll_fired(context).is_ready() {
            if self.ours.get() == 0 {
                return Poll::Ready(());
            }
            self.timer.arm(self.time(limits));
        }
        Poll::Pending
    }

    fn time(&self, limits: &Limits) -> std::time::Duration {
        if self.is_idle() { limits.client_idle } else { limits.client_body }
    }
}
