//! What is set for the whole control plane.

pub(crate) mod get_built_in_login;
pub(crate) mod put_built_in_login;
