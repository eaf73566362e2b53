//! One HTTP/2 connection to a node, shared by requests.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use hyper::client::conn::http2::SendRequest;

use super::connect::Sender;
use crate::request::UpstreamBody;
use crate::worker::wheel;

/// Requests at once on one connection: what servers commonly allow (RFC 9113, section 6.5.2). Where one allows
/// fewer, the engine lets them wait.
const STREAMS: u32 = 100;

/// A connection with its streams.
pub(super) struct Multiplexed {
    sender: SendRequest<UpstreamBody>,
    active: Cell<u32>,
    requests: Cell<u32>,
    last_used: Cell<Instant>,
}

/// One of its streams.
pub(super) struct Stream(Rc<Multiplexed>);

impl Multiplexed {
    pub(super) fn new(sender: SendRequest<UpstreamBody>) -> Rc<Self> {
        Rc::new(Self { sender, active: Cell::new(0), requests: Cell::new(0), last_used: Cell::new(wheel::turned()) })
    }

    /// A stream of a connection that was just opened.
    pub(super) fn first(self: &Rc<Self>) -> Stream {
        self.active.set(self.active.get() + 1);
        self.requests.set(self.requests.get() + 1);
        Stream(self.clone())
    }

    /// A stream, unless the connection is full, closed, or has carried `most` requests.
    pub(super) fn take(self: &Rc<Self>, most: u32) -> Option<Stream> {
        let fits = self.active.get() < STREAMS && self.requests.get() < most;
        (fits && !self.sender.is_closed()).then(|| self.first())
    }

    /// Whether it carries no request and will carry none.
    pub(super) fn is_over(&self) -> bool {
        self.sender.is_closed()
    }

    /// Whether it carries requests, or did when `is_fresh`.
    pub(super) fn idle_since(&self, is_fresh: impl Fn(Instant) -> bool) -> bool {
        self.active.get() > 0 || is_fresh(self.last_used.get())
    }
}

impl Stream {
    pub(super) fn sender(&self) -> Sender {
        Sender::Http2(self.0.sender.clone())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.active.set(self.0.active.get() - 1);
        self.0.last_used.set(wheel::turned());
    }
}
