//! Gateway instances.

pub(crate) mod count_by_status;
mod filter;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod list_of_group;
pub(crate) mod revoke;
mod shown;
