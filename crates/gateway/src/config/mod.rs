//! How the instance comes to its configuration: joins its group, follows the config channel, keeps
//! the last good configuration on disk.
//!
//! Read in this order: [`run`], `join`, `sync` (one stream), `apply` (verify, compile, persist, answer),
//! `last_good`. The protocol's rules stand at the head of the channel's `.proto`; the rules of what to
//! take and what to refuse are `wire::Receiver`.
//!
//! All of it, compiling included, runs on one thread of its own: never on a worker.

mod apply;
mod backoff;
mod connect;
mod disk;
mod identity;
mod join;
mod last_good;
mod run;
mod status;
mod sync;
mod token;
mod verify;

#[cfg(feature = "fuzzing")]
pub(crate) use last_good::read_records;
pub use run::{ConfigError, ConfigSettings, run};
pub use status::{Status, StatusRefusal};
pub use token::{JoinToken, TokenError};
pub use wire::Refusal;
pub use wire::v1::{Counters, InstanceFacts};

use model::Change;

/// What compiles changes and puts the new plan in force.
pub trait PlanSink {
    /// Compiles the changes and swaps the plan; all or nothing. The first call brings the whole
    /// configuration, and with it the right to serve, even when it is empty.
    ///
    /// # Errors
    /// [`Refusal`] names the object and field; the old plan goes on serving.
    fn apply(&mut self, changes: &[Change]) -> Result<(), Refusal>;
}
