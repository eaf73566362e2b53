//! What is provisioned by SCIM: users and roles with what SCIM keeps of them, and the one token that is good for it.
//!
//! A change is written against what its caller read ([`StoreError::Changed`](crate::StoreError::Changed) when that
//! has moved on), so that two clients at once do not undo each other.

mod condition;
mod roles;
mod settings;
mod users;

pub use condition::{Condition, Field, Sort, SortBy, Test};
pub use roles::{GroupMember, ProvisionedRole, RoleChange};
pub use settings::{ScimSettings, ScimToken};
pub use users::{Profile, ProvisionedUser, UserChange};

use crate::store::Store;

/// What is provisioned.
pub struct Provisioning<'a> {
    pub(crate) store: &'a Store,
}
