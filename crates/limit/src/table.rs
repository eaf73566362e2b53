//! Counters by key for all workers of an instance: bounded, and without a lock on the way of a request.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::place::{Attempt, FREE, Place};
use crate::rule::{Decision, Rule};

/// Places that one key may take; a full set gives up the window that ends first.
const WAYS: usize = 8;
/// Sets that come into being together, with the first key of any of them: what nobody limits costs nothing.
const SETS_OF_SHARD: usize = 64;

/// Counters by key.
pub struct Table {
    shards: Box<[OnceLock<Box<[Set]>>]>,
    evicted: AtomicU64,
}

#[derive(Default)]
struct Set {
    places: [Place; WAYS],
    /// Held while a key moves in or a window begins, never while one is counted.
    moving: Mutex<()>,
}

impl Table {
    /// Room for at least `keys` keys at once; 34 bytes each once it is used.
    pub fn with_room_for(keys: usize) -> Self {
        let shards = keys.div_ceil(WAYS * SETS_OF_SHARD).next_power_of_two();
        Self { shards: (0..shards).map(|_| OnceLock::new()).collect(), evicted: AtomicU64::new(0) }
    }

    /// Decides on a request of `key`, a hash of what is limited, at `now_ms`. A refused request is not counted.
    /// The clock may start anywhere; where two workers' readings differ a little, a request near the end of a
    /// window counts in either.
    pub fn hit(&self, key: u64, rule: &Rule, now_ms: u64) -> Decision {
        let key = key.max(FREE + 1);
        let Some(set) = self.set(key) else {
            return Decision { allowed: true, remaining: rule.limit, reset_ms: rule.window_ms };
        };
        loop {
            let place = set.find(key).unwrap_or_else(|| set.move_in(key, rule, now_ms, &self.evicted));
            match place.count(key, rule, now_ms) {
                Attempt::Decided(decision) => return decision,
                Attempt::Ended => {
                    let _guard = set.lock();
                    place.begin_window(key, rule, now_ms);
                }
                Attempt::Moved => {}
            }
        }
    }

    /// How many windows were given up before their end because their set was full.
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    /// The set of a key. There is one for each; `None` would be a table without sets.
    fn set(&self, key: u64) -> Option<&Set> {
        let at = key as usize;
        let shard = self.shards.get((at / SETS_OF_SHARD) & (self.shards.len() - 1))?;
        let sets = shard.get_or_init(|| (0..SETS_OF_SHARD).map(|_| Set::default()).collect());
        sets.get(at % SETS_OF_SHARD)
    }
}

impl Set {
    fn find(&self, key: u64) -> Option<&Place> {
        self.places.iter().find(|place| place.key() == key)
    }

    /// Gives `key` a place: a free one, else the one whose window ended or ends first.
    fn move_in(&self, key: u64, rule: &Rule, now_ms: u64, evicted: &AtomicU64) -> &Place {
        let _guard = self.lock();
        // Another worker may have been first.
        if let Some(place) = self.find(key) {
            return place;
        }
        let [first, ..] = &self.places;
        let place = self.places.iter().min_by_key(|place| place.end_ms()).unwrap_or(first);
        if place.end_ms() > now_ms {
            evicted.fetch_add(1, Ordering::Relaxed);
        }
        place.assign(key, rule, now_ms);
        place
    }

    /// What the lock guards is in atomics and right at any moment, so a panic under it leaves nothing half done.
    fn lock(&self) -> MutexGuard<'_, ()> {
        self.moving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
