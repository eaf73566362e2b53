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
pub use wire::v1::{Counters, InstanceFacts, NodeHealth};

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

/// What the instance can tell of itself while it runs.
pub trait Observed {
    /// For a heartbeat.
    fn counters(&self) -> Counters;

    /// How the nodes are that health checks watch.
    fn node_health(&self) -> NodeHealth;

    /// How far their health has moved on; cheap, for it is asked every second.
    fn node_changes(&self) -> NodeChanges;
}

/// Counts that grow with what happens to nodes: equal ones, nothing to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NodeChanges {
    /// A node came, went, or began or ceased to serve.
    pub turns: u64,
    /// A standing or counter changed.
    pub reports: u64,
}
