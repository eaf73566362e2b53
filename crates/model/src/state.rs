//! A group's whole configuration as a reducer over changes; both sides of the channel run it.

use std::collections::BTreeMap;
use std::collections::btree_map::Range;
use std::ops::Bound;

use crate::change::{Body, Change};
use crate::digest::{Digest, SetHash};
use crate::id::{Kind, ResourceId, ResourceKey};

/// All resources of one group, with a digest that follows every change.
#[derive(Clone, Default)]
pub struct GroupState {
    resources: BTreeMap<ResourceKey, Body>,
    hash: SetHash,
}

impl GroupState {
    /// Applies one change and returns what stood there before.
    pub fn apply(&mut self, change: &Change) -> Option<Body> {
        match change {
            Change::Put(key, body) => self.put(key, body),
            Change::Delete(key) => self.delete(key),
        }
    }

    /// Applies changes in order.
    pub fn apply_all<'a>(&mut self, changes: impl IntoIterator<Item = &'a Change>) {
        for change in changes {
            self.apply(change);
        }
    }

    /// The changes that turn `self` into `target`: deletes first, what refers before what it refers to, then puts the
    /// other way round, so that no step on the way leaves a reference without its object.
    pub fn diff(&self, target: &GroupState) -> Vec<Change> {
        let kinds = Kind::ALL.into_iter();
        let gone = kinds.clone().rev().flat_map(|kind| self.of_kind(kind).map(|(key, _)| key));
        let gone = gone.filter(|key| !target.contains(key)).cloned().map(Change::Delete);
        let put = kinds.flat_map(|kind| target.of_kind(kind)).filter(|(key, body)| self.get(key) != Some(*body));
        gone.chain(put.map(|(key, body)| Change::Put(key.clone(), body.clone()))).collect()
    }

    /// Digest of the whole configuration; equal exactly when the states are.
    pub fn digest(&self) -> Digest {
        self.hash.digest()
    }

    /// A resource's canonical JSON.
    pub fn get(&self, key: &ResourceKey) -> Option<&Body> {
        self.resources.get(key)
    }

    /// Whether the resource exists.
    pub fn contains(&self, key: &ResourceKey) -> bool {
        self.resources.contains_key(key)
    }

    /// Every resource, ordered by kind, parent and id.
    pub fn iter(&self) -> impl Iterator<Item = (&ResourceKey, &Body)> {
        self.resources.iter()
    }

    /// Every resource of one kind, ordered by parent and id.
    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = (&ResourceKey, &Body)> {
        self.iter_from(kind, None).take_while(move |(key, _)| key.kind == kind)
    }

    /// The credentials of a consumer, or the further upstreams of a service.
    pub fn below<'a>(
        &'a self,
        kind: Kind,
        parent: &'a ResourceId,
    ) -> impl Iterator<Item = (&'a ResourceKey, &'a Body)> {
        self.iter_from(kind, Some(parent))
            .take_while(move |(key, _)| key.kind == kind && key.parent.as_ref() == Some(parent))
    }

    /// How many resources there are.
    pub fn len(&self) -> usize {
        self.resources.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.resources.is_empty()
    }

    fn iter_from(&self, kind: Kind, parent: Option<&ResourceId>) -> Range<'_, ResourceKey, Body> {
        // "-" is the least text that is an id ('-' < '.' < digits < letters).
        let least = ResourceId::new("-").map(|id| ResourceKey { kind, parent: parent.cloned(), id });
        let start = least.map_or(Bound::Unbounded, Bound::Included);
        self.resources.range((start, Bound::Unbounded))
    }

    fn put(&mut self, key: &ResourceKey, body: &Body) -> Option<Body> {
        self.hash.add(key, body);
        let before = self.resources.insert(key.clone(), body.clone());
        if let Some(before) = &before {
            self.hash.remove(key, before);
        }
        before
    }

    fn delete(&mut self, key: &ResourceKey) -> Option<Body> {
        let before = self.resources.remove(key)?;
        self.hash.remove(key, &before);
        Some(before)
    }
}

impl PartialEq for GroupState {
    fn eq(&self, other: &Self) -> bool {
        self.resources == other.resources
    }
}

impl Eq for GroupState {}

impl std::fmt::Debug for GroupState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GroupState").field("resources", &self.resources.len()).field("digest", &self.digest()).finish()
    }
}

#[cfg(test)]
mod tests;
