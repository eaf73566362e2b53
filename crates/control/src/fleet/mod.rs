//! The fleet: how instances join, stay, and leave.

mod instances;
mod join;
mod join_tokens;
mod node_health;
mod sweep;

pub use join::{JoinRefusal, JoinRequest, Joined, cut_fact};
pub use join_tokens::IssuedJoinToken;
pub use node_health::{NodeTold, ServiceHealth, ServiceNode};
pub(crate) use sweep::sweep;
