//! The caller.

pub(crate) mod get;
