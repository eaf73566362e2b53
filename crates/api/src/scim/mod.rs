//! What the endpoints below `/scim/v2` share. The language of SCIM itself is the crate `scim`; what an identity
//! provider may do is `control::iam`'s to say.
//!
//! `caller` (who asks), `request` (what is asked), `list` (filters, as far as they go in SQL; pages), `user_shape` and
//! `group_shape` (our objects in SCIM's words and back), `answer` (answers and refusals).

mod answer;
mod caller;
pub(crate) mod group_shape;
mod list;
mod request;
pub(crate) mod user_shape;

pub(crate) use answer::{ScimError, ScimResult, json_answer, listing, removed, resource};
pub(crate) use caller::ScimCaller;
pub(crate) use list::{groups, users};
pub(crate) use request::{Base, Preconditions, ScimBody, ScimQuery};

/// Below which everything lies.
pub(crate) const ROOT: &str = "/scim/v2";
/// Entries of a list whose length is not asked for.
pub(crate) const DEFAULT_COUNT: u32 = 100;
/// Most entries of a list.
pub(crate) const MAX_COUNT: u32 = 500;
