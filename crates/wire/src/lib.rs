//! The config channel's language: messages, their typed forms, and the rules both sides share.
//!
//! The protocol's rules stand at the head of `proto/flotilla/channel/v1/channel.proto`.

/// Generated from the `.proto`.
#[allow(missing_docs, unreachable_pub, clippy::all)]
pub mod v1 {
    tonic::include_proto!("flotilla.channel.v1");
}
