//! Each worker counts in a shard of its own; the scrape sums them up.

use std::borrow::Borrow;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;
use plugin_api::{ConsumerInfo, Exchange, RouteInfo};

use super::Settings;
use super::labels::{Source, Status, Target};
use super::series::{Counter, Traffic};

/// Sets of labels that one worker counts at most: what clients do must not fill the memory.
const MOST_SERIES: usize = 65_536;
/// Shortcuts that are remembered at most; then they are found anew.
const MOST_SHORTCUTS: usize = 65_536;
/// When there are so many for the first time, those of routes that are gone are forgotten.
const FIRST_SWEEP: usize = 64;

/// A worker's series, readable by the scrape. The worker locks it for labels it has no shortcut to only.
#[derive(Default)]
pub(super) struct Shard {
    pub(super) statuses: HashMap<Status, StatusCount>,
    pub(super) targets: HashMap<Target, Arc<Traffic>>,
}

/// Where requests of one status are counted.
#[derive(Clone)]
pub(super) enum StatusCount {
    /// Beside the traffic of its target.
    First(Arc<Traffic>),
    /// In a place of its own.
    Further(Arc<Counter>),
}

impl StatusCount {
    pub(super) fn counter(&self) -> &Counter {
        match self {
            StatusCount::First(traffic) => &traffic.first_status,
            StatusCount::Further(counter) => counter,
        }
    }
}

/// The shards of all threads that ever counted; a thread's counts outlive it.
static SHARDS: LazyLock<Mutex<Vec<Arc<Mutex<Shard>>>>> = LazyLock::new(Mutex::default);

/// Requests that were not counted because there are too many series.
static OVERFLOWED: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static LOCAL: RefCell<Local> = RefCell::new(Local::new());
}

struct Local {
    shortcuts: HashSet<Shortcut, RandomState>,
    /// How many shortcuts there are when the next sweep is due: twice what the last one left.
    sweep_at: usize,
    shard: Arc<Mutex<Shard>>,
}

/// A request's labels by where their sources lie in memory, so that no text is read for a known combination.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    route: usize,
    consumer: usize,
    node: usize,
    code: u16,
    source: Source,
    settings: Settings,
}

/// From a [`Key`] to what is counted, in one cache line.
#[repr(align(64))]
struct Shortcut {
    key: Key,
    traffic: Arc<Traffic>,
    /// `None` for the one beside the traffic.
    further_status: Option<Arc<Counter>>,
    sources: Box<Sources>,
}

/// As long as a shortcut holds on to these, nothing else can lie where its key says.
struct Sources {
    route: Option<Arc<RouteInfo>>,
    _consumer: Option<Arc<ConsumerInfo>>,
    _node: Option<Arc<str>>,
}

impl Key {
    fn of(exchange: &Exchange, settings: Settings) -> Self {
        let consumer = exchange.consumer.as_ref().map(|entry| &entry.consumer);
        Self {
            route: exchange.route.as_ref().map_or(0, |route| Arc::as_ptr(route.get()) as usize),
            consumer: consumer.map_or(0, |consumer| Arc::as_ptr(consumer) as usize),
            node: exchange.outcome.upstream_addr.as_ref().map_or(0, |node| Arc::as_ptr(node).cast::<u8>() as usize),
            code: exchange.response.status.as_u16(),
            source: Source::of(exchange),
            settings,
        }
    }
}

impl Shortcut {
    /// Whether a request may still come by it: nothing else than it knows a route that is gone.
    fn is_of_use(&self) -> bool {
        self.sources.route.as_ref().is_none_or(|route| Arc::strong_count(route) > 1)
    }

    fn count(&self, exchange: &Exchange) {
        self.further_status.as_deref().unwrap_or(&self.traffic.first_status).add(1);
        self.traffic.count(&exchange.outcome);
    }
}

impl Borrow<Key> for Shortcut {
    fn borrow(&self) -> &Key {
        &self.key
    }
}

impl Hash for Shortcut {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl PartialEq for Shortcut {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Shortcut {}

impl Local {
    fn new() -> Self {
        let shard = Arc::<Mutex<Shard>>::default();
        lock(&SHARDS).push(shard.clone());
        Self { shortcuts: HashSet::default(), sweep_at: FIRST_SWEEP, shard }
    }

    /// Forgets shortcuts of routes that are gone, and all of them when that is not enough.
    fn make_room(&mut self) {
        if self.shortcuts.len() < self.sweep_at {
            return;
        }
        self.shortcuts.retain(Shortcut::is_of_use);
        if self.shortcuts.len() >= MOST_SHORTCUTS {
            self.shortcuts.clear();
        }
        self.sweep_at = (self.shortcuts.len() * 2).clamp(FIRST_SWEEP, MOST_SHORTCUTS);
    }

    /// Finds or begins the series of a request; `None` when there are too many.
    fn find(&self, key: Key, exchange: &Exchange, settings: Settings) -> Option<Shortcut> {
        let labels = Status::of(exchange, settings.prefer_name, settings.disabled);
        let (traffic, status) = lock(&self.shard).series(labels)?;
        let sources = Sources {
            route: exchange.route.as_ref().map(|route| Arc::clone(route.get())),
            _consumer: exchange.consumer.as_ref().map(|entry| entry.consumer.clone()),
            _node: exchange.outcome.upstream_addr.clone(),
        };
        let further_status = match status {
            StatusCount::First(_) => None,
            StatusCount::Further(counter) => Some(counter),
        };
        Some(Shortcut { key, traffic, further_status, sources: Box::new(sources) })
    }
}

impl Shard {
    fn series(&mut self, labels: Status) -> Option<(Arc<Traffic>, StatusCount)> {
        if let Some(status) = self.statuses.get(&labels) {
            return Some((self.targets.get(labels.target())?.clone(), status.clone()));
        }
        let known = self.targets.get(labels.target()).cloned();
        if self.statuses.len() >= MOST_SERIES || (known.is_none() && self.targets.len() >= MOST_SERIES) {
            return None;
        }
        let (traffic, status) = match known {
            Some(traffic) => (traffic, StatusCount::Further(Arc::default())),
            None => {
                let traffic = Arc::<Traffic>::default();
                self.targets.insert(labels.target().clone(), traffic.clone());
                (traffic.clone(), StatusCount::First(traffic))
            }
        };
        self.statuses.insert(labels, status.clone());
        Some((traffic, status))
    }
}

/// Counts a finished request.
pub(super) fn count(exchange: &Exchange, settings: Settings) {
    let key = Key::of(exchange, settings);
    LOCAL.with_borrow_mut(|local| {
        if let Some(shortcut) = local.shortcuts.get(&key) {
            return shortcut.count(exchange);
        }
        let Some(shortcut) = local.find(key, exchange, settings) else {
            OVERFLOWED.fetch_add(1, Ordering::Relaxed);
            return;
        };
        shortcut.count(exchange);
        local.make_room();
        local.shortcuts.insert(shortcut);
    });
}

/// Calls `visit` with the shard of each worker; that worker waits only if it meets new labels meanwhile.
pub(super) fn each(mut visit: impl FnMut(&Shard)) {
    let shards = lock(&SHARDS).clone();
    for shard in shards {
        visit(&lock(&shard));
    }
}

/// How many requests were not counted because there are too many series.
pub(super) fn overflowed() -> u64 {
    OVERFLOWED.load(Ordering::Relaxed)
}

/// Counters are right at any moment, so a panic elsewhere leaves nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use plugin_api::testing::matched;

    use super::super::labels::Disabled;
    use super::*;
    use crate::testing;

    #[test]
    fn what_a_request_touches_lies_together() {
        assert_eq!((size_of::<Shortcut>(), align_of::<Shortcut>()), (64, 64));
        assert_eq!(Traffic::FIRST_BUCKET_ENDS, 64);
    }

    #[test]
    fn routes_that_are_gone_are_forgotten() {
        let route = |id: usize| Arc::new(RouteInfo { id: id.to_string().into(), ..RouteInfo::default() });
        let settings = Settings { prefer_name: false, disabled: Disabled::default() };
        let mut exchange = testing::exchange("/", &[]);
        let stays: Vec<_> = (0..10).map(route).collect();
        let mut goes = Vec::new();
        for id in 0..1_000 {
            let route = stays.get(id).cloned().unwrap_or_else(|| route(id));
            goes.push(Arc::downgrade(&route));
            exchange.route = matched(route);
            count(&exchange, settings);
        }
        let left = goes.iter().filter(|route| route.strong_count() > 0).count();
        assert!(left <= 2 * FIRST_SWEEP, "{left}");
        assert!(stays.iter().all(|route| Arc::strong_count(route) == 2), "those that serve keep their shortcuts");
    }
}
