//! SCIM 2.0 (RFC 7643, RFC 7644) without I/O: what clients may say, and what it means.
//!
//! A resource is a JSON object in SCIM's words. [`schema`] is the one table of attributes: it reads what clients send
//! ([`schema::Definition::read`]) and is told to them. [`filter`] parses and evaluates filters, [`patch`] applies
//! changes, [`projection`] leaves out what was not asked for; all three name attributes by a [`path`]. Every refusal
//! is an [`Error`] with the status and the `scimType` that the RFC wants.
//!
//! Nothing here knows users, roles or the database.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod error;
pub mod filter;
mod json;
pub mod patch;
pub mod path;
pub mod projection;
pub mod schema;

pub use error::{Error, ErrorType};
pub use json::Object;

/// Media type of requests and answers.
pub const MEDIA_TYPE: &str = "application/scim+json";

/// Unix seconds as SCIM writes moments: `2026-01-31T12:00:00Z`.
pub fn moment(unix_seconds: i64) -> String {
    jiff::Timestamp::from_second(unix_seconds).map(|moment| moment.to_string()).unwrap_or_default()
}
