//! Version of the contract and of the build.

pub(crate) mod get;
