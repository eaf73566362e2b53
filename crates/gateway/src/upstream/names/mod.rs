//! Addresses of nodes that are named: looked up on the thread that needs them, and kept as long as their records allow.
//!
//! Each worker, and the prober of health, has names of its own, so that nothing here is shared or locked. `standing` is what
//! is known of a name and for how long, without I/O; `lookup` asks; `sources` is whom to ask.

mod lookup;
mod sources;
mod standing;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::settings::Dns;
use lookup::{Lookup, Outcome};
use standing::{Standing, Times};

/// What nobody has asked for is forgotten after this.
const KEPT: Duration = Duration::from_secs(600);

/// A name without an address.
#[derive(Debug, thiserror::Error)]
#[error("{0} has no address")]
pub(crate) struct Unresolved(Box<str>);

/// The names that one thread knows.
pub(crate) struct Names {
    lookup: Rc<Lookup>,
    times: Times,
    known: RefCell<HashMap<Box<str>, Rc<Name>>>,
}

/// One name. Whoever asks for it while it is looked up waits for the same lookup.
pub(crate) struct Name {
    host: Box<str>,
    lookup: Rc<Lookup>,
    times: Times,
    standing: RefCell<Standing>,
    /// Addresses take turns.
    turn: Cell<usize>,
    /// When the lookup under way began.
    looking: Cell<Option<Instant>>,
    looked: Notify,
    asked: Cell<Instant>,
}

impl Names {
    pub(crate) fn new(settings: &Dns) -> Self {
        let times = Times::of(settings);
        Self { lookup: Rc::new(Lookup::new(settings.clone())), times, known: RefCell::default() }
    }

    /// The name, the same for all who ask.
    pub(crate) fn of(&self, host: &str) -> Rc<Name> {
        let mut known = self.known.borrow_mut();
        if let Some(name) = known.get(host) {
            return name.clone();
        }
        let now = Instant::now();
        known.retain(|_, name| Rc::strong_count(name) > 1 || now.duration_since(name.asked.get()) < KEPT);
        let name = Rc::new(Name {
            host: host.into(),
            lookup: self.lookup.clone(),
            times: self.times,
            standing: RefCell::default(),
            // Workers start at different addresses, else all would go to the first one first.
            turn: Cell::new(rand::random_range(0..=u16::MAX).into()),
            looking: Cell::default(),
            looked: Notify::new(),
            asked: Cell::new(now),
        });
        known.insert(host.into(), name.clone());
        name
    }
}

impl Name {
    /// The next of the name's addresses, when there is nothing to wait for.
    pub(crate) fn ready(self: &Rc<Self>) -> Option<IpAddr> {
        let now = Instant::now();
        if self.ask(now) == Some(Duration::ZERO) { self.next(now) } else { None }
    }

    /// The next of the name's addresses.
    ///
    /// Waits where nothing is known yet. Where the addresses are past their time it waits a little for new ones, and not at all
    /// when the lookup before has failed.
    pub(crate) async fn address(self: &Rc<Self>) -> Result<IpAddr, Unresolved> {
        let now = Instant::now();
        match self.ask(now) {
            Some(Duration::ZERO) => {}
            Some(limit) => self.looked(limit.saturating_sub(self.looking_for(now))).await,
            None => self.looked.notified().await,
        }
        self.next(Instant::now()).ok_or_else(|| Unresolved(self.host.clone()))
    }

    /// Starts a lookup where one is due, and tells how long to wait for it: `None` for its end.
    fn ask(self: &Rc<Self>, now: Instant) -> Option<Duration> {
        self.asked.set(now);
        let (wait, is_due) = {
            let standing = self.standing.borrow();
            (standing.wait(now), standing.is_due(now))
        };
        if is_due {
            self.look(now);
        }
        wait
    }

    fn next(&self, now: Instant) -> Option<IpAddr> {
        let standing = self.standing.borrow();
        let addresses = standing.addresses(now)?;
        let turn = self.turn.get().wrapping_add(1);
        self.turn.set(turn);
        addresses.get(turn % addresses.len().max(1)).copied()
    }

    /// The addresses that it has now, as far as is known.
    pub(crate) fn known(&self) -> Vec<IpAddr> {
        self.standing.borrow().addresses(Instant::now()).unwrap_or_default().to_vec()
    }

    async fn looked(&self, limit: Duration) {
        // Too late is as good as an answer: the addresses from before serve.
        let _ = tokio::time::timeout(limit, self.looked.notified()).await;
    }

    fn looking_for(&self, now: Instant) -> Duration {
        self.looking.get().map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    /// Starts a lookup, unless one is under way. It ends by its own deadline and goes on when who asked has left.
    fn look(self: &Rc<Self>, now: Instant) {
        if self.looking.get().is_some() {
            return;
        }
        self.looking.set(Some(now));
        let name = self.clone();
        tokio::task::spawn_local(async move {
            let outcome = name.lookup.look(&name.host).await;
            if let Outcome::Failed(why) = &outcome {
                tracing::warn!(host = %name.host, why, "a node's name cannot be looked up");
            }
            name.standing.borrow_mut().learn(outcome, Instant::now(), &name.times);
            name.looking.set(None);
            name.looked.notify_waiters();
        });
    }
}
