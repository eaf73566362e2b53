//! Ending connections without losing a request on them.

use std::cell::{Cell, RefCell};
use std::task::Waker;

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
}
