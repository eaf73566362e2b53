//! The caller's password.

pub(crate) mod put;
