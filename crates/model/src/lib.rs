//! The resources of a gateway group and the state they form.
//!
//! No I/O, no async, none of our other crates. Read in this order:
//! [`resource`] (what users write), [`validate`] (JSON in, typed resource or named faults out),
//! [`state`] (a group's configuration as a reducer over [`change::Change`]s), [`digest`] (how two
//! sides prove they hold the same state).

pub mod change;
pub mod digest;
pub mod group;
pub mod id;
pub mod json;
pub mod label;
pub mod policy;
pub mod reference;
pub mod regex;
pub mod resource;
pub mod schema;
pub mod secrets;
pub mod signing;
pub mod state;
pub mod validate;
pub mod vars;

pub use change::Change;
pub use digest::Digest;
pub use id::{GroupId, InstanceId, Kind, ResourceId, ResourceKey, Revision};
pub use label::{LabelSelector, Labels};
pub use resource::Resource;
pub use state::GroupState;
pub use validate::{Fault, Faults};
