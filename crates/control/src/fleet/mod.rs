//! The fleet: how instances join, stay, and leave.

mod instances;
mod join;
mod join_tokens;
mod sweep;

pub use join::{JoinRefusal, JoinRequest, Joined, cut_fact};
pub use join_tokens::IssuedJoinToken;
pub(crate) use sweep::sweep;
