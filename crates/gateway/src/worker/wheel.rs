//! One coarse timer wheel per worker.
//!
//! A precise timer costs 0.6 microseconds a request (an ordered structure, a clock read); timeouts of
//! seconds need no such precision. A [`Timer`] is made once per connection and armed again and again:
//! arming writes a number, and only when its bucket comes up is it looked at.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;
use smallvec::SmallVec;

/// How often the wheel turns; deadlines are met up to two of these late.
const TICK: Duration = Duration::from_millis(50);
/// 102 seconds; a later deadline goes round more than once.
const BUCKETS: usize = 2048;

thread_local! {
    static WHEEL: RefCell<Wheel> = RefCell::new(Wheel::new());
}

struct Wheel {
    started: Instant,
    turned: Instant,
    now: u64,
    entries: Vec<Entry>,
    free: Vec<u32>,
    buckets: Vec<Vec<u32>>,
}

#[derive(Default)]
struct Entry {
    /// Tick at which it fires; 0 while it is not armed.
    deadline: u64,
    fired: bool,
    /// Ticks whose buckets hold it: the one that is early enough, and later ones left from longer times.
    looks: SmallVec<[u64; 2]>,
    waker: Option<Waker>,
}

impl Wheel {
    fn new() -> Self {
        let buckets = (0..BUCKETS).map(|_| Vec::new()).collect();
        let started = Instant::now();
        Self { started, turned: started, now: 1, entries: Vec::new(), free: Vec::new(), buckets }
    }

    fn add(&mut self) -> u32 {
        if let Some(id) = self.free.pop() {
            return id;
        }
        self.entries.push(Entry::default());
        (self.entries.len() - 1) as u32
    }

    fn arm(&mut self, id: u32, after: Duration) {
        let ticks = after.as_millis() as u64 / TICK.as_millis() as u64 + 2;
        let entry = &mut self.entries[id as usize];
        entry.deadline = self.now + ticks;
        entry.fired = false;
        self.queue(id);
    }

    /// Sees to it that an armed entry is looked at in time: not always at its deadline, never after it.
    fn queue(&mut self, id: u32) {
        let entry = &mut self.entries[id as usize];
        let at = entry.deadline.clamp(self.now + 1, self.now + BUCKETS as u64 - 1);
        if entry.looks.iter().all(|look| *look > at) {
            entry.looks.push(at);
            self.buckets[at as usize % BUCKETS].push(id);
        }
    }

    /// Its place is free at once, whatever buckets still hold it: HTTP/2 has a timer for each request, and a minute's
    /// requests must not wait for their buckets. Who takes the place next is looked at a few times too often.
    fn release(&mut self, id: u32) {
        let entry = &mut self.entries[id as usize];
        entry.deadline = 0;
        entry.fired = false;
        entry.waker = None;
        self.free.push(id);
    }

    /// Turns to the present; gives the wakers of what fired.
    fn turn(&mut self) -> Vec<Waker> {
        self.turned = Instant::now();
        let target = ((self.turned - self.started).as_millis() / TICK.as_millis()) as u64 + 1;
        let mut wakers = Vec::new();
        while self.now < target {
            self.now += 1;
            for id in std::mem::take(&mut self.buckets[self.now as usize % BUCKETS]) {
                self.visit(id, &mut wakers);
            }
        }
        wakers
    }

    fn visit(&mut self, id: u32, wakers: &mut Vec<Waker>) {
        let now = self.now;
        let entry = &mut self.entries[id as usize];
        entry.looks.retain(|look| *look > now);
        if entry.deadline > now {
            // It was armed again since: an active connection comes by here once per timeout.
            self.queue(id);
        } else if entry.deadline != 0 {
            entry.deadline = 0;
            entry.fired = true;
            wakers.extend(entry.waker.take());
        }
    }
}

/// Turns the worker's wheel for as long as the worker runs.
pub(crate) async fn drive() {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let wakers = WHEEL.with_borrow_mut(Wheel::turn);
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// When the wheel turned last, which costs less than to ask what time it is: up to a tick ago.
pub(crate) fn turned() -> Instant {
    WHEEL.with_borrow(|wheel| wheel.turned)
}

/// A place on the wheel. Belongs to the thread that made it.
#[derive(Debug)]
pub(crate) struct Timer {
    id: u32,
}

/// The time given ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Elapsed;

impl Timer {
    pub(crate) fn new() -> Self {
        Self { id: WHEEL.with_borrow_mut(Wheel::add) }
    }

    /// Fires after `after`, whatever it was armed for before.
    pub(crate) fn arm(&self, after: Duration) {
        WHEEL.with_borrow_mut(|wheel| wheel.arm(self.id, after));
    }

    pub(crate) fn disarm(&self) {
        WHEEL.with_borrow_mut(|wheel| wheel.entries[self.id as usize].deadline = 0);
    }

    /// Ready once it fired; wakes the task when it does.
    pub(crate) fn poll_fired(&self, context: &mut Context<'_>) -> Poll<()> {
        WHEEL.with_borrow_mut(|wheel| {
            let entry = &mut wheel.entries[self.id as usize];
            if entry.fired {
                return Poll::Ready(());
            }
            match &mut entry.waker {
                Some(waker) => waker.clone_from(context.waker()),
                None => entry.waker = Some(context.waker().clone()),
            }
            Poll::Pending
        })
    }

    /// Runs `future`, but no longer than `limit`.
    pub(crate) fn limit<F: Future>(&self, limit: Duration, future: F) -> Limited<'_, F> {
        Limited { timer: self, limit, armed: false, future }
    }
}

pin_project! {
    /// A future that may run for so long; see [`Timer::limit`]. An async function would hold it twice.
    pub(crate) struct Limited<'t, F> {
        timer: &'t Timer,
        limit: Duration,
        armed: bool,
        #[pin]
        future: F,
    }

    impl<F> PinnedDrop for Limited<'_, F> {
        fn drop(this: Pin<&mut Self>) {
            if this.armed {
                this.timer.disarm();
            }
        }
    }
}

impl<F: Future> Future for Limited<'_, F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        // Before the future runs: it may know better how long the first step takes, and arm the timer itself.
        if !*this.armed {
            *this.armed = true;
            this.timer.arm(*this.limit);
        }
        if let Poll::Ready(output) = this.future.poll(context) {
            return Poll::Ready(Ok(output));
        }
        this.timer.poll_fired(context).map(|()| Err(Elapsed))
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        // A worker that ends drops its connections after its wheel.
        let _ = WHEEL.try_with(|wheel| wheel.borrow_mut().release(self.id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_worker<T>(run: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime.expect("runtime"), async {
            tokio::task::spawn_local(drive());
            run.await
        })
    }

    #[test]
    fn what_is_late_is_cut_off_and_what_is_not_is_not() {
        on_worker(async {
            let timer = Timer::new();
            let late = timer.limit(Duration::from_millis(120), std::future::pending::<()>()).await;
            assert_eq!(late, Err(Elapsed));
            let quick = timer.limit(Duration::from_millis(120), tokio::task::yield_now()).await;
            assert_eq!(quick, Ok(()));
            let again = timer.limit(Duration::from_millis(60), std::future::pending::<()>()).await;
            assert_eq!(again, Err(Elapsed));
        });
    }

    #[test]
    fn arming_again_puts_the_deadline_off() {
        on_worker(async {
            let timer = Timer::new();
            let started = Instant::now();
            timer.arm(Duration::from_millis(60));
            timer.arm(Duration::from_millis(300));
            std::future::poll_fn(|context| timer.poll_fired(context)).await;
            assert!(started.elapsed() >= Duration::from_millis(300));
        });
    }

    #[test]
    fn a_short_time_after_a_long_one_is_short() {
        on_worker(async {
            let timer = Timer::new();
            let started = Instant::now();
            assert_eq!(timer.limit(Duration::from_secs(60), tokio::task::yield_now()).await, Ok(()));
            let late = timer.limit(Duration::from_millis(100), std::future::pending::<()>()).await;
            assert_eq!(late, Err(Elapsed));
            assert!(started.elapsed() < Duration::from_secs(30));
        });
    }

    #[test]
    fn places_are_used_again_at_once() {
        on_worker(async {
            for after in [60, 30, 60, 10].into_iter().cycle().take(1000) {
                let timer = Timer::new();
                timer.arm(Duration::from_secs(after));
            }
            let held = WHEEL.with_borrow(|wheel| {
                (wheel.entries.len(), wheel.entries[0].looks.len(), wheel.buckets.iter().map(Vec::len).sum::<usize>())
            });
            assert_eq!(held, (1, 3, 3), "one place, looked at after ten, thirty and sixty seconds");
            tokio::time::timeout(Duration::from_secs(10), async {
                let timer = Timer::new();
                timer.arm(Duration::from_millis(1));
                std::future::poll_fn(|context| timer.poll_fired(context)).await;
            })
            .await
            .expect("fires");
        });
    }
}
