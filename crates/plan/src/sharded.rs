//! A persistent hash map: cloning is a reference, a change copies one shard.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use foldhash::fast::{FixedState, RandomState};

/// With more entries in a shard, on average, there come to be more shards.
const FULL: usize = 64;
/// How many times more.
const GROWTH: usize = 8;
/// A change copies the list of shards, too.
const MOST_SHARDS: usize = 512;

/// Values by keys, shared between the compiler, which changes it, and plans, which keep what they got.
#[derive(Clone)]
pub(crate) struct ShardedMap<K, V> {
    /// A power of [`GROWTH`].
    shards: Arc<[Shard<K, V>]>,
    len: usize,
}

type Shard<K, V> = Arc<HashMap<K, V, RandomState>>;

impl<K, V> Default for ShardedMap<K, V> {
    fn default() -> Self {
        Self { shards: Arc::new([Arc::default()]), len: 0 }
    }
}

impl<K: Hash + Eq + Clone, V: Clone> ShardedMap<K, V> {
    pub(crate) fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        if self.is_empty() {
            return None;
        }
        self.shards.get(shard_of(key, self.shards.len()))?.get(key)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        if self.len >= FULL * self.shards.len() && self.shards.len() < MOST_SHARDS {
            self.grow();
        }
        let added = self.shard_mut(&key).is_some_and(|shard| shard.insert(key, value).is_none());
        self.len += usize::from(added);
    }

    pub(crate) fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let removed = self.shard_mut(key)?.remove(key)?;
        self.len -= 1;
        Some(removed)
    }

    fn shard_mut<Q: Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut HashMap<K, V, RandomState>> {
        let at = shard_of(key, self.shards.len());
        Arc::make_mut(&mut self.shards).get_mut(at).map(Arc::make_mut)
    }

    fn grow(&mut self) {
        let mut shards: Vec<HashMap<K, V, RandomState>> = Vec::new();
        shards.resize_with(self.shards.len() * GROWTH, HashMap::default);
        for (key, value) in self.shards.iter().flat_map(|shard| shard.iter()) {
            let at = shard_of(key, shards.len());
            if let Some(shard) = shards.get_mut(at) {
                shard.insert(key.clone(), value.clone());
            }
        }
        self.shards = shards.into_iter().map(Arc::new).collect();
    }
}

/// Every map uses one fixed hash for the shard, and a random one within it.
fn shard_of<Q: Hash + ?Sized>(key: &Q, shards: usize) -> usize {
    FixedState::default().hash_one(key) as usize % shards
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against a plain map, with a clone taken half-way that must not change any more.
        #[test]
        fn behaves_as_a_map(steps in proptest::collection::vec((0u32..400, proptest::option::weighted(0.8, 0u32..9)), 0..2000)) {
            let (mut sharded, mut map) = (ShardedMap::default(), BTreeMap::new());
            let mut before = None;
            for (n, (key, value)) in steps.iter().enumerate() {
                if n == steps.len() / 2 {
                    before = Some((sharded.clone(), map.clone()));
                }
                match value {
                    Some(value) => {
                        sharded.insert(*key, *value);
                        map.insert(*key, *value);
                    }
                    None => prop_assert_eq!(sharded.remove(key), map.remove(key)),
                }
            }
            for (sharded, map) in before.into_iter().chain([(sharded, map)]) {
                prop_assert_eq!(sharded.len, map.len());
                prop_assert_eq!(sharded.is_empty(), map.is_empty());
                for key in 0..400 {
                    prop_assert_eq!(sharded.get(&key), map.get(&key));
                }
            }
        }
    }

    #[test]
    fn a_change_copies_one_shard_of_many() {
        let mut map = ShardedMap::default();
        (0u32..100_000).for_each(|key| map.insert(key, ()));
        assert_eq!(map.shards.len(), MOST_SHARDS);
        let before = map.clone();
        map.insert(100_000, ());
        let copied = map.shards.iter().zip(before.shards.iter()).filter(|(one, other)| !Arc::ptr_eq(one, other));
        assert_eq!(copied.count(), 1);
    }
}
