//! SCIM 2.0 below `/scim/v2`: provisioning of users, and of groups, which are roles.

pub(crate) mod discovery;
pub(crate) mod groups;
pub(crate) mod users;
