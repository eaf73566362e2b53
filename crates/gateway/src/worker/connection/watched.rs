//! An engine, watched: a client that is silent, or takes nothing, for too long is closed; draining and it ends
//! after the requests under way. One that idles is given back, so that its memory serves others.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use hyper::body::{Body, Incoming};
use hyper::rt::{Read, Write};
use hyper::server::conn::{http1, http2};
use hyper::service::HttpService;

use super::patience::{Passed, Patience};
use crate::worker::OnWorker;
use crate::worker::breaches::is_breach;
use crate::worker::local::Local;
use crate::worker::stream::Tally;
use crate::worker::wheel::Timer;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What hyper's connection types share.
pub(super) trait Engine: Future<Output = hyper::Result<()>> {
    /// Whether a new engine can take over between two requests.
    const CAN_REST: bool;

    /// Takes no further request; ends when those under way have ended.
    fn end_after_requests(self: Pin<&mut Self>);
}

/// Why an engine is watched no longer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Its connection has ended, or is no longer HTTP.
    Ended,
    /// It has ended the connection of a client that broke the rules.
    Broken,
    /// Its client idles, and nothing is on the way.
    Resting,
}

impl From<hyper::Result<()>> for Left {
    fn from(outcome: hyper::Result<()>) -> Self {
        match outcome {
            Err(error) if is_breach(&error) => Left::Broken,
            _ => Left::Ended,
        }
    }
}

impl<I, B, S> Engine for http1::Connection<I, S>
where
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<BoxError>,
    I: Read + Write + Unpin,
    B: Body + 'static,
    B::Error: Into<BoxError>,
{
    const CAN_REST: bool = true;

    fn end_after_requests(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, B, S> Engine for http2::Connection<I, S, OnWorker>
where
    S: HttpService<Incoming, ResBody = B>,
    S::Future: 'static,
    S::Error: Into<BoxError>,
    I: Read + Write + Unpin,
    B: Body + 'static,
    B::Error: Into<BoxError>,
{
    const CAN_REST: bool = false;

    fn end_after_requests(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Runs an engine until its connection ends.
pub(super) struct Watched<'e, E> {
    pub(super) engine: Pin<&'e mut E>,
    pub(super) worker: Rc<Local>,
    pub(super) patience: Rc<Patience>,
    pub(super) tally: Rc<Tally>,
    /// Bytes that the client had taken when its time began.
    seen: u64,
    /// A head of HTTP/2 that has begun, by its number, and the time it has. Beside it other requests may be under way,
    /// for which the client has to do nothing.
    head: Option<(u64, Timer)>,
    /// Our place among those that are woken when draining begins.
    place: Option<usize>,
    closing: bool,
}

impl<'e, E> Watched<'e, E> {
    pub(super) fn new(engine: Pin<&'e mut E>, worker: Rc<Local>, patience: Rc<Patience>, tally: Rc<Tally>) -> Self {
        Self { engine, worker, patience, tally, seen: 0, head: None, place: None, closing: false }
    }
}

impl<E: Engine> Future for Watched<'_, E> {
    type Output = Left;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.place.is_none() {
            this.place = Some(this.worker.drain.register(context.waker().clone()));
        }
        // A broken connection is the client's affair; what was lost on it is in the access log.
        if let Poll::Ready(outcome) = this.engine.as_mut().poll(context) {
            return Poll::Ready(outcome.into());
        }
        // After the engine has read what is there: a request that has arrived is under way.
        if this.worker.drain.has_begun() && !this.closing {
            return this.close(context);
        }
        this.poll_patience(context)
    }
}

impl<E: Engine> Watched<'_, E> {
    fn close(&mut self, context: &mut Context<'_>) -> Poll<Left> {
        self.closing = true;
        self.engine.as_mut().end_after_requests();
        match self.engine.as_mut().poll(context) {
            Poll::Ready(outcome) => Poll::Ready(outcome.into()),
            Poll::Pending => self.poll_patience(context),
        }
    }

    /// Bytes of answers that the client took give it new time. An idle one is told that the connection ends, any other,
    /// and one in the middle of a head of HTTP/2, is cut off.
    fn poll_patience(&mut self, context: &mut Context<'_>) -> Poll<Left> {
        let taken = self.tally.taken();
        if taken > self.seen {
            self.seen = taken;
            self.patience.renew(&self.worker.limits);
        }
        if self.poll_head(context).is_ready() {
            return Poll::Ready(Left::Ended);
        }
        while let Passed::Some = ready!(self.patience.poll_passed(&self.worker.limits, context)) {
            if E::CAN_REST && !self.closing && self.has_nothing_on_the_way() {
                return Poll::Ready(Left::Resting);
            }
        }
        if self.closing || !self.patience.is_idle() {
            return Poll::Ready(Left::Ended);
        }
        self.patience.renew(&self.worker.limits);
        self.close(context)
    }

    /// Ready when a head of HTTP/2 takes longer than the idle time.
    fn poll_head(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let open = self.tally.open_head.get();
        if self.head.as_ref().map_or(0, |(head, _)| *head) != open {
            self.head = (open != 0).then(|| (open, Timer::new()));
            if let Some((_, timer)) = &self.head {
                timer.arm(self.worker.limits.client_idle);
            }
        }
        self.head.as_ref().map_or(Poll::Pending, |(_, timer)| timer.poll_fired(context))
    }

    /// Neither a part of a request, nor of a response.
    fn has_nothing_on_the_way(&self) -> bool {
        self.patience.is_idle() && self.tally.is_between_requests.get() && !self.tally.write_waits.get()
    }
}

impl<E> Drop for Watched<'_, E> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.worker.drain.unregister(place);
        }
    }
}
