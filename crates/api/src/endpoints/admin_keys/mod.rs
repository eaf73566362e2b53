//! Further admin keys of a group, each with a name, an end and rights of its own.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod list;
