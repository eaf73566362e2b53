//! One step from one configuration to the next.

use std::sync::Arc;

use crate::id::ResourceKey;

/// A resource's canonical JSON (see [`crate::json::canonical`]), shared by all who hold it.
pub type Body = Arc<[u8]>;

/// A put or a delete of one resource. Bodies are canonical JSON: what is signed, stored, sent and
/// digested is the same bytes, so a version that does not know a field cannot change the digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Create or replace.
    Put(ResourceKey, Body),
    /// Remove; removing what is not there changes nothing.
    Delete(ResourceKey),
}

impl Change {
    /// Which resource it touches.
    pub fn key(&self) -> &ResourceKey {
        match self {
            Change::Put(key, _) | Change::Delete(key) => key,
        }
    }
}
