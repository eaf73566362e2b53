//! A persistent hash map: cloning is a few references, a change copies one shard.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use foldhash::fast::{FixedState, RandomState};

const SHARDS: usize = 128;

/// Values by keys, shared between the compiler, which changes it, and plans, which keep what they got.
#[derive(Clone)]
pub(crate) struct ShardedMap<K, V> {
    shards: Arc<[Shard<K, V>]>,
}

type Shard<K, V> = Arc<HashMap<K, V, RandomState>>;

impl<K, V> Default for ShardedMap<K, V> {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Arc::default()).collect() }
    }
}

impl<K: Hash + Eq + Clone, V: Clone> ShardedMap<K, V> {
    pub(crate) fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.shards.get(shard_of(key))?.get(key)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        let at = shard_of(&key);
        if let Some(shard) = Arc::make_mut(&mut self.shards).get_mut(at) {
            Arc::make_mut(shard).insert(key, value);
        }
    }

    pub(crate) fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        if let Some(shard) = Arc::make_mut(&mut self.shards).get_mut(shard_of(key)) {
            Arc::make_mut(shard).remove(key);
        }
    }
}

/// Every map uses one fixed hash for the shard, and a random one within it.
fn shard_of<Q: Hash + ?Sized>(key: &Q) -> usize {
    FixedState::default().hash_one(key) as usize % SHARDS
}
