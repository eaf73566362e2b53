//! State by key, parted over locks that are hardly ever waited for, and bounded.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

const SHARDS: usize = 64;

/// Values by key, a hash of what they belong to.
pub(crate) struct Shards<V> {
    shards: Box<[Mutex<HashMap<u64, V>>]>,
    most_per_shard: usize,
}

impl<V> Shards<V> {
    /// Room for about `keys` keys.
    pub(crate) fn with_room_for(keys: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, most_per_shard: keys.div_ceil(SHARDS).max(1) }
    }

    /// Works on the value of `key`, or on `new` when there is none yet. Where room is needed, those values go first
    /// that `is_over`, else any one.
    pub(crate) fn with<R>(
        &self,
        key: u64,
        new: impl FnOnce() -> V,
        is_over: impl Fn(&V) -> bool,
        work: impl FnOnce(&mut V) -> R,
    ) -> Option<R> {
        let shard = self.shards.get(key as usize % SHARDS)?;
        // What the lock guards is whole after each step, so a panic under it leaves nothing half done.
        let mut values = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if values.len() >= self.most_per_shard && !values.contains_key(&key) {
            values.retain(|_, value| !is_over(value));
            if values.len() >= self.most_per_shard
                && let Some(any) = values.keys().next().copied()
            {
                values.remove(&any);
            }
        }
        Some(work(values.entry(key).or_insert_with(new)))
    }

    /// Works on the value of `key`, and forgets it when `work` says so.
    pub(crate) fn finish(&self, key: u64, work: impl FnOnce(&mut V) -> bool) {
        let Some(shard) = self.shards.get(key as usize % SHARDS) else { return };
        let mut values = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if values.get_mut(&key).is_some_and(work) {
            values.remove(&key);
        }
    }
}
