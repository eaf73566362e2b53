//! The state of a control plane on SQLite (one replica) or PostgreSQL (many), behind one set of SQL texts.
//!
//! [`Store::open`] gives the handle; each group of tables has its own module and its own entry on it:
//! [`groups`], [`config`] (the resources, the change log, the commit), [`instances`], [`join_tokens`],
//! [`iam`] (users, roles, permission policies and what lets them in), [`audit`], [`settings`]. What touches a group's
//! content takes a proof of permission, [`access`]. Beneath them lie `db`
//! (one SQL text on two databases), `visible` (what of a list its reader may see), [`seal`] (encryption at rest) and
//! `heads` (who is told of a new revision).
//!
//! The store keeps and finds; it does not decide. Who may do what, what is valid, and what is signed is
//! decided in `control`, its only writer. Times are unix seconds unless a name says otherwise.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod access;
pub mod audit;
mod clock;
pub mod config;
mod db;
pub mod error;
pub mod groups;
pub mod hash;
mod heads;
pub mod iam;
pub mod instances;
pub mod join_tokens;
pub mod page;
pub mod seal;
pub mod settings;
mod store;
mod visible;

pub use audit::{AuditEntry, Credential, Outcome, RequestContext};
pub use error::StoreError;
pub use hash::SecretHash;
pub use heads::Head;
pub use page::{Direction, Listed, Order, OrderBy, Page};
pub use seal::MasterKey;
pub use store::Store;
