//! The HTTP API of the control plane (ports 7443 and 7080).
//!
//! Read in this order: [`serve`] (listeners), `router` (every endpoint), `edge` (what holds for every request), `auth`
//! (who calls), `client_address` (from where), `attempt` (what is recorded of requests that are refused), `endpoints` (one file per endpoint), `input` and
//! `shape` (JSON in and out), `error` (the one error). `sign_on` is what login options take and ask, `scim` what the
//! endpoints below /scim/v2 share, `audit_stream` sends the audit log elsewhere as it is written. `apisix_admin` says the
//! same in the words of Apache APISIX's Admin API (port 9180).

mod apisix_admin;
mod attempt;
pub mod audit_stream;
mod auth;
mod client_address;
mod docs;
mod edge;
mod endpoints;
mod envelope;
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod input;
mod openapi;
mod pace;
pub mod permissions;
mod router;
mod scim;
pub mod serve;
mod shape;
mod sign_on;
mod tls;

pub use router::openapi_document;
pub use serve::{ApiSettings, Running, ServeError, ServerCertificate, serve};
pub use tls::TlsError;
