//! JSON Schemas of the resources.

pub(crate) mod core;
