//! The audit log.

mod csv_rows;
pub(crate) mod event_types;
pub(crate) mod export;
mod filter;
pub(crate) mod get_config;
pub(crate) mod list;
pub(crate) mod put_config;
mod shown;
pub(crate) mod verify;

pub(crate) use shown::shown;
