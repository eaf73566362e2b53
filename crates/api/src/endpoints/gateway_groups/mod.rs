//! Gateway groups.

pub(crate) mod batch;
pub(crate) mod count;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod get_admin_key;
pub(crate) mod list;
pub(crate) mod permitted_users;
pub(crate) mod put_admin_key;
pub(crate) mod revisions;
mod shown;
mod spec;
pub(crate) mod status;
pub(crate) mod update;
