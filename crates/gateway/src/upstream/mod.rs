//! Connections to nodes: one pool per node, of one worker.

mod connect;
mod multiplexed;
mod pool;
mod resolve;
pub(crate) mod trust;

pub(crate) use connect::{Connector, Sent, Target};
pub(crate) use pool::{Lease, Pool};
pub(crate) use resolve::is_unresolved;
