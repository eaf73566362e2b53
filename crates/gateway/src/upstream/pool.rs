//! Connections to one node.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Instant;

use model::resource::KeepalivePool;
use tokio::sync::{Mutex, MutexGuard};

use super::connect::{Sender, Target};
use super::http1::Http1;
use super::multiplexed::{Multiplexed, Stream};

/// The connections to one node that one worker keeps.
pub(crate) struct Pool {
    pub(crate) target: Target,
    limits: Cell<KeepalivePool>,
    /// HTTP/1: the one used last is taken first, so that the others can grow old.
    idle: RefCell<Vec<Idle>>,
    /// HTTP/2: each carries several requests at once.
    multiplexed: RefCell<Vec<Rc<Multiplexed>>>,
    /// Held while a connection of HTTP/2 is opened, so that requests which come meanwhile wait for it.
    opening: Mutex<()>,
}

struct Idle {
    connection: Rc<Http1>,
    requests: u32,
    since: Instant,
}

/// A connection in use; goes back to its pool when the response has been read.
pub(crate) struct Lease {
    pub(crate) sender: Sender,
    place: Place,
    /// Whether it has carried a request before: then it may have been closed under us.
    pub(crate) reused: bool,
}

/// What a lease takes up.
enum Place {
    /// All of a connection, which carried so many requests before.
    Whole { pool: Rc<Pool>, requests: u32 },
    /// One of many streams; free again when this is dropped.
    Stream { _stream: Stream },
}

impl Pool {
    pub(crate) fn new(target: Target, limits: KeepalivePool) -> Self {
        Self {
            target,
            limits: Cell::new(limits),
            idle: RefCell::default(),
            multiplexed: RefCell::default(),
            opening: Mutex::new(()),
        }
    }

    pub(crate) fn set_limits(&self, limits: KeepalivePool) {
        self.limits.set(limits);
    }

    /// A kept connection that can carry a request.
    pub(crate) fn take(self: &Rc<Self>) -> Option<Lease> {
        if self.target.http2 { self.take_stream() } else { self.take_idle() }
    }

    fn take_idle(self: &Rc<Self>) -> Option<Lease> {
        let mut idle = self.idle.borrow_mut();
        while let Some(Idle { connection, requests, .. }) = idle.pop() {
            if connection.is_open() {
                let place = Place::Whole { pool: self.clone(), requests };
                return Some(Lease { sender: Sender::Http1(connection), place, reused: true });
            }
        }
        None
    }

    fn take_stream(&self) -> Option<Lease> {
        let requests = self.limits.get().requests;
        let stream = self.multiplexed.borrow().iter().find_map(|connection| connection.take(requests))?;
        Some(Lease { sender: stream.sender(), place: Place::Stream { _stream: stream }, reused: true })
    }

    /// To be held while a connection is opened that several requests could share; `None` where none can.
    pub(crate) async fn opening(&self) -> Option<MutexGuard<'_, ()>> {
        if self.target.http2 { Some(self.opening.lock().await) } else { None }
    }

    /// A connection just opened.
    pub(crate) fn lease(self: &Rc<Self>, sender: Sender) -> Lease {
        let place = match &sender {
            Sender::Http1(_) => Place::Whole { pool: self.clone(), requests: 0 },
            Sender::Http2(sender) => {
                let connection = Multiplexed::new(sender.clone());
                self.multiplexed.borrow_mut().push(connection.clone());
                Place::Stream { _stream: connection.first() }
            }
        };
        Lease { sender, place, reused: false }
    }

    /// Closes what has been idle too long.
    pub(crate) fn reap(&self, now: Instant) {
        let timeout = f64::from(self.limits.get().idle_timeout);
        let is_fresh = |since: Instant| timeout <= 0.0 || now.duration_since(since).as_secs_f64() < timeout;
        self.idle.borrow_mut().retain(|idle| is_fresh(idle.since) && idle.connection.is_open());
        self.multiplexed.borrow_mut().retain(|connection| !connection.is_over() && connection.idle_since(is_fresh));
    }

    fn put(&self, connection: Rc<Http1>, requests: u32, now: Instant) {
        let limits = self.limits.get();
        let mut idle = self.idle.borrow_mut();
        if requests >= limits.requests || limits.size == 0 || !connection.is_free() {
            return;
        }
        if idle.len() >= limits.size as usize {
            idle.remove(0);
        }
        connection.rest();
        idle.push(Idle { connection, requests, since: now });
    }
}

impl Lease {
    /// The response has been read to its end.
    pub(crate) fn give_back(self, now: Instant) {
        if let (Sender::Http1(connection), Place::Whole { pool, requests }) = (self.sender, self.place) {
            pool.put(connection, requests + 1, now);
        }
    }
}
