//! Each worker counts in a shard of its own; the scrape sums them up.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use foldhash::fast::RandomState;
use plugin_api::Exchange;

use super::series::{Labels, Series};

/// Series of one worker at most: labels from clients' behaviour must not fill the memory.
const MOST_SERIES: usize = 100_000;
/// Ways to a series that are remembered at most; then they are found anew.
const MOST_WAYS: usize = 65_536;

type AllSeries = HashMap<Labels, Arc<Series>>;

/// A worker's series, readable by the scrape. Its lock is taken for a set of labels never seen before only.
type Shard = Arc<Mutex<AllSeries>>;

/// The shards of all threads that ever counted; a thread's counts outlive it.
static SHARDS: LazyLock<Mutex<Vec<Shard>>> = LazyLock::new(Mutex::default);

/// Requests that were not counted in a series of their own because there are too many.
static OVERFLOWED: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static LOCAL: RefCell<Local> = RefCell::new(Local::new());
}

struct Local {
    /// From numbers that a request has at hand to its series, without building labels.
    ways: HashMap<Way, Arc<Series>, RandomState>,
    shard: Shard,
}

#[derive(PartialEq, Eq, Hash)]
struct Way {
    route: u32,
    consumer: u32,
    /// Fingerprint of the node's address.
    node: usize,
    code: u16,
    prefer_name: bool,
    /// Fingerprint of the path pattern: one route may have several.
    pattern: usize,
}

impl Local {
    fn new() -> Self {
        let shard = Shard::default();
        if let Ok(mut shards) = SHARDS.lock() {
            shards.push(shard.clone());
        }
        Self { ways: HashMap::default(), shard }
    }

    /// The series of a request that no way leads to yet.
    fn find(&mut self, way: Way, exchange: &Exchange) -> Option<Arc<Series>> {
        let labels = Labels::of(exchange, way.prefer_name);
        let mut all = self.shard.lock().ok()?;
        if all.len() >= MOST_SERIES && !all.contains_key(&labels) {
            OVERFLOWED.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let series = all.entry(labels).or_default().clone();
        drop(all);
        if self.ways.len() >= MOST_WAYS {
            self.ways.clear();
        }
        self.ways.insert(way, series.clone());
        Some(series)
    }
}

/// Calls `count` with the series of a finished request.
pub(super) fn with_series(exchange: &Exchange, prefer_name: bool, count: impl FnOnce(&Series)) {
    let route = exchange.route.as_ref();
    let way = Way {
        route: route.map_or(0, |route| route.slot),
        consumer: exchange.consumer.as_ref().map_or(0, |entry| entry.consumer.slot),
        node: exchange.outcome.upstream_addr.as_ref().map_or(0, |node| fingerprint(node)),
        code: exchange.response.status.as_u16(),
        prefer_name,
        pattern: route.map_or(0, |route| fingerprint(&route.uri)),
    };
    LOCAL.with_borrow_mut(|local| match local.ways.get(&way) {
        Some(series) => count(series),
        None => {
            if let Some(series) = local.find(way, exchange) {
                count(&series);
            }
        }
    });
}

/// A text as a number; within one route texts are few, so that two never share one in practice, and if they
/// did, their counts would be added up under the first.
fn fingerprint(text: &str) -> usize {
    use std::hash::BuildHasher;
    foldhash::fast::FixedState::default().hash_one(text) as usize
}

/// All series of all workers; those with the same labels come several times.
pub(super) fn all_series() -> Vec<(Labels, Arc<Series>)> {
    let Ok(shards) = SHARDS.lock() else { return Vec::new() };
    let locked = shards.iter().filter_map(|shard| shard.lock().ok());
    locked
        .flat_map(|all| all.iter().map(|(labels, series)| (labels.clone(), series.clone())).collect::<Vec<_>>())
        .collect()
}

/// How many requests found no room for a series of their own.
pub(super) fn overflowed() -> u64 {
    OVERFLOWED.load(Ordering::Relaxed)
}
