//! A group's configuration: the one way in, and the ways to read it.
//!
//! A write goes: [`write`](self) takes the group's head and brings it up to date -> `permission` says what each operation
//! takes, and `iam` whether the actor has it -> `draft` checks each operation (`check`), follows cascades and references (`references`) -> `head` compiles it as a dry run, digests,
//! signs, commits -> again, when another replica was faster.

mod check;
mod draft;
mod expiry;
mod head;
mod patch;
mod permission;
mod read;
mod references;
mod together;
mod validate;
mod write;

use model::{ResourceKey, Revision};
pub use permission::{Verb, action};
use serde_json::Value;
pub use store::config::{ParentFilter, ResourceFilter, StoredResource};

pub(crate) use expiry::expire;
pub(crate) use head::Heads;

/// One operation of a batch.
#[derive(Debug, Clone)]
pub enum Operation {
    /// Create or replace.
    Put {
        /// Which resource.
        key: ResourceKey,
        /// Its body as a user writes it.
        body: Value,
    },
    /// Remove, with all that stands below it.
    Delete {
        /// Which resource.
        key: ResourceKey,
    },
    /// Remove though others refer to it. Those stay, and are not served until their reference leads somewhere again.
    ForceDelete {
        /// Which resource.
        key: ResourceKey,
    },
}

impl Operation {
    /// Which resource it is about.
    pub fn key(&self) -> &ResourceKey {
        match self {
            Operation::Put { key, .. } | Operation::Delete { key } | Operation::ForceDelete { key } => key,
        }
    }
}

/// A resource as it stands after a write of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The head of the group now.
    pub revision: Revision,
    /// Whether the resource was made rather than replaced.
    pub created: bool,
    /// Whether there is a new revision: a write that changes nothing makes none.
    pub changed: bool,
    /// The resource.
    pub resource: StoredResource,
}
