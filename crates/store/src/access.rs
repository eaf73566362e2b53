//! The proof of permission: what touches a group's content takes a [`GroupAccess`] in place of the group's id.
//!
//! Who has an id has heard a name; who has a proof was permitted to go in, or is the control plane itself and says why.
//! The store decides nothing, so it makes none of its own: `control::iam` grants it once it has decided, and the few
//! parts of the control plane that act for no user give their reason. `tests/tests/laws.rs` holds which files do either,
//! and which functions of the store are content with an id: those by which a decision comes about.

use std::fmt;
use std::ops::Deref;

use model::GroupId;

/// The id of a gateway group that may be gone into. It reads as the id; nothing turns an id into it but the two
/// functions below.
#[derive(Debug, Clone)]
pub struct GroupAccess {
    id: GroupId,
}

/// Why the control plane goes into a group without a user who is permitted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SystemReason {
    /// The config channel serves instances: their certificate says the group.
    Feed,
    /// A resource whose time has come is looked at, and its end noted and forgotten.
    Expiry,
    /// What an operation takes depends on what stands there, so that is read before anything is permitted. None of it
    /// is told to the actor until the decision has fallen.
    Deciding,
    /// A refused attempt is recorded in the chain of the group it names, if there is one.
    Audit,
}

impl GroupAccess {
    /// The group, for an actor who was permitted something in it. For `control::iam` alone.
    pub fn granted(id: GroupId) -> Self {
        Self { id }
    }

    /// The group, for the control plane itself.
    pub fn system(id: GroupId, reason: SystemReason) -> Self {
        tracing::trace!(group = %id, ?reason, "the control plane goes into a group by itself");
        Self { id }
    }
}

impl Deref for GroupAccess {
    type Target = GroupId;

    fn deref(&self) -> &GroupId {
        &self.id
    }
}

impl fmt::Display for GroupAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}
