//! Provisioning by SCIM: what an identity provider does to users and roles.
//!
//! It comes with the organization's one SCIM token and acts as an actor of its own (`scim` in the audit log), with the
//! rights that `rules::access_of_scim` gives it. Two things are beyond it: the role Super Admin, which it can neither
//! give nor take and whose holders it can only shut out, and the first admin.
//!
//! `settings` is the token and the switch, `users` and `groups` the use cases. Groups are roles.

mod groups;
mod settings;
mod users;

pub use groups::{GroupSpec, ProvisionedGroup};
pub use settings::IssuedScimToken;
pub use store::iam::provisioning::{Condition, Field, GroupMember, ScimSettings, ScimToken, Sort, SortBy, Test};
pub use users::{ProvisionedMember, UserSpec};

use super::action::Action;
use super::actor::Actor;
use super::authorise;
use super::object::Object;
use crate::error::ControlError;

/// How often a change is tried anew on what another has changed meanwhile.
pub(super) const ATTEMPTS: usize = 5;

const SUPER_ADMIN_IS_BEYOND: &str = ": it concerns the role Super Admin, which SCIM can neither give, take nor touch";
const FIRST_ADMIN_HAS_ONE_ROLE: &str = ": the first admin has the role Super Admin and no other";
const FIRST_ADMIN_STAYS: &str = ": the first admin can be neither removed nor shut out";
const BUILT_IN: &str = ": the role came with the product and keeps its name";

fn forbidden(actor: &Actor, action: Action, object: &Object, hint: &'static str) -> ControlError {
    let mut forbidden = authorise::forbidden(actor, action, object);
    forbidden.hint = hint;
    forbidden.into()
}

/// The caller may ask again.
pub(super) fn changed_meanwhile(what: &str, id: &str) -> ControlError {
    ControlError::Unavailable(format!("{what} {id} is being changed by others; try again"))
}
