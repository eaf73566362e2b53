//! The config channel's language: messages, their typed forms, and the rules both sides share.
//!
//! The protocol's rules stand at the head of `proto/flotilla/channel/v1/channel.proto`. As code:
//! [`sender`] decides what an instance is offered next, [`receiver`] what it does with a frame.
//! Both are sans-io; the sweep in `receiver/tests.rs` plays them against each other.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod changes;
pub mod codec;
pub mod frame;
pub mod identity;
pub mod limits;
pub mod node_health;
pub mod receiver;
pub mod sender;
pub mod signed;

/// Generated from the `.proto`.
#[allow(missing_docs, unreachable_pub, clippy::all)]
pub mod v1 {
    tonic::include_proto!("flotilla.channel.v1");
}

pub use changes::{ChangesError, decode_changes, encode_changes};
pub use identity::{IdentityError, InstanceIdentity};
pub use receiver::{Candidate, Receiver, Refusal, Step};
pub use sender::{Offer, Sender};
pub use signed::{Applied, Signed, SignedError, VerifyingKeys};
