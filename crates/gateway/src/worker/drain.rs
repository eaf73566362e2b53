//! Ending connections without losing a request on them.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Poll, Waker};

/// Tells the connections of a worker to end after the request under way.
#[derive(Default)]
pub(crate) struct Drain {
    begun: Cell<bool>,
    wakers: RefCell<slab::Slab<Waker>>,
}

impl Drain {
    pub(crate) fn has_begun(&self) -> bool {
        self.begun.get()
    }

    /// Wakes every connection; each finds that draining has begun.
    pub(crate) fn begin(&self) {
        self.begun.set(true);
        self.wakers.borrow().iter().for_each(|(_, waker)| waker.wake_by_ref());
    }

    /// The task of a connection wants to be woken.
    pub(crate) fn register(&self, waker: Waker) -> usize {
        self.wakers.borrow_mut().insert(waker)
    }

    pub(crate) fn unregister(&self, key: usize) {
        self.wakers.borrow_mut().try_remove(key);
    }

    /// Runs `future` to its end; `None` when draining begins before that and it cannot end at once.
    pub(crate) async fn unless_begun<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        let mut place = None;
        poll_fn(|context| {
            let place = place.get_or_insert_with(|| Place { drain: self, key: self.register(context.waker().clone()) });
            match future.as_mut().poll(context) {
                Poll::Ready(output) => Poll::Ready(Some(output)),
                Poll::Pending if place.drain.has_begun() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }
}

/// A waker among those that are woken; gone when this is dropped.
struct Place<'d> {
    drain: &'d Drain,
    key: usize,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.drain.unregister(self.key);
    }
}
