//! Who calls, and what they may do.
//!
//! `login`, `tokens` and `group_keys` turn what a request brings into an [`Actor`], for whom `rules` compiles what its
//! roles, boundaries and token leave it. `authorise` decides whether an actor may do an `action` to an `object`, and
//! alone makes a [`Permit`], which holds what the store asks for before it touches a group (`store::access`); lists take
//! its scope into their SQL.
//! `login_options` and `sign_on` are the ways in beside name and password, `built_in_login` switches that one off.
//! `users`, `roles` and `policies` keep what all this is made from; `decisions` explains and simulates it.
//! `provisioning` is what an identity provider does to users and roles by SCIM. `recovery` is the way back in for whoever
//! has the database and its master key.

mod action;
mod actor;
mod authorise;
mod built_in_login;
mod decisions;
mod group_keys;
mod license;
mod login;
mod login_options;
mod object;
mod passwords;
mod policies;
mod provisioning;
mod recovery;
mod roles;
mod rules;
mod second_factor;
mod sign_on;
mod throttle;
mod tokens;
mod totp;
pub(crate) mod usernames;
mod users;

pub use action::Action;
pub use actor::{Actor, ActorKind};
pub(crate) use authorise::Needed;
pub use authorise::{Forbidden, Permit};
pub use built_in_login::BuiltInLogin;
pub use decisions::{Difference, PolicyChange, Question, Simulation};
pub use group_keys::{GroupKeySpec, IssuedGroupKey};
pub use login::Session;
pub use login_options::{LoginKind, LoginOption, LoginOptionRules, LoginOptionSpec};
pub use object::Object;
pub(crate) use object::{Coming, Rows};
pub(crate) use passwords::Passwords;
pub use policies::{Policy, PolicySpec, SavedPolicy};
pub use provisioning::{
    Condition, Field, GroupMember, GroupSpec, IssuedScimToken, ProvisionedGroup, ProvisionedMember, ScimSettings,
    ScimToken, Sort, SortBy, Test, UserSpec,
};
pub use recovery::{Recovered, recover_first_admin};
pub use roles::{NamedFilter, Role, RoleSpec};
pub(crate) use rules::{Rules, SUPER_ADMIN};
pub use second_factor::NewSecondFactor;
pub(crate) use sign_on::Attempts;
pub use sign_on::{Identified, ProvisionedBy};
pub use store::{Credential, RequestContext};
pub use tokens::{IssuedToken, TokenSpec};
pub use users::{Invitation, Member, User, UserFilter, UserPatch};
