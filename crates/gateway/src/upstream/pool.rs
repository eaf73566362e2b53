//! Idle connections to one node.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Instant;

use hyper::client::conn::http1::SendRequest;
use model::resource::KeepalivePool;

use super::connect::Target;
use crate::request::UpstreamBody;

/// The connections to one node that one worker keeps.
pub(crate) struct Pool {
    pub(crate) target: Target,
    limits: Cell<KeepalivePool>,
    /// The one used last is taken first, so that the others can grow old.
    idle: RefCell<Vec<Idle>>,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

struct Connection {
    sender: SendRequest<UpstreamBody>,
    requests: u32,
}

/// A connection in use; goes back to its pool when the response has been read.
pub(crate) struct Lease {
    pool: Rc<Pool>,
    connection: Connection,
    /// Whether it has carried a request before: then it may have been closed under us.
    pub(crate) reused: bool,
}

impl Pool {
    pub(crate) fn new(target: Target, limits: KeepalivePool) -> Self {
        Self { target, limits: Cell::new(limits), idle: RefCell::default() }
    }

    pub(crate) fn set_limits(&self, limits: KeepalivePool) {
        self.limits.set(limits);
    }

    /// An idle connection that is still open.
    pub(crate) fn take(self: &Rc<Self>) -> Option<Lease> {
        let mut idle = self.idle.borrow_mut();
        while let Some(Idle { connection, .. }) = idle.pop() {
            if !connection.sender.is_closed() {
                return Some(Lease { pool: self.clone(), connection, reused: true });
            }
        }
        None
    }

    /// A connection just opened.
    pub(crate) fn lease(self: &Rc<Self>, sender: SendRequest<UpstreamBody>) -> Lease {
        let connection = Connection { sender, requests: 0 };
        Lease { pool: self.clone(), connection, reused: false }
    }

    /// Closes what has been idle too long.
    pub(crate) fn reap(&self, now: Instant) {
        let timeout = f64::from(self.limits.get().idle_timeout);
        let is_fresh = |idle: &Idle| timeout <= 0.0 || now.duration_since(idle.since).as_secs_f64() < timeout;
        self.idle.borrow_mut().retain(|idle| is_fresh(idle) && !idle.connection.sender.is_closed());
    }

    fn put(&self, mut connection: Connection, now: Instant) {
        connection.requests += 1;
        let limits = self.limits.get();
        let mut idle = self.idle.borrow_mut();
        if connection.requests >= limits.requests || limits.size == 0 || connection.sender.is_closed() {
            return;
        }
        if idle.len() >= limits.size as usize {
            idle.remove(0);
        }
        idle.push(Idle { connection, since: now });
    }
}

impl Lease {
    pub(crate) fn sender(&mut self) -> &mut SendRequest<UpstreamBody> {
        &mut self.connection.sender
    }

    /// The response has been read to its end.
    pub(crate) fn give_back(self, now: Instant) {
        self.pool.put(self.connection, now);
    }
}
