//! The plugins of this build.

pub(crate) mod list;
pub(crate) mod names;
pub(crate) mod schema;
