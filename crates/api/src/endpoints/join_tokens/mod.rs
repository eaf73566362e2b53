//! Tokens with which instances join a group.

pub(crate) mod create;
pub(crate) mod list;
pub(crate) mod revoke;
