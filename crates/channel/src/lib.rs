//! The control plane's side of the config channel (port 7943).
//!
//! Read in this order: [`plane`] (what the channel needs of the control plane), [`server`] (one TLS
//! listener), `service` (Join, Renew, Sync), `session` and `outbound` (one instance's stream),
//! `group` (a group's changes, encoded once for all its instances), `reports` (what instances say,
//! batched). The protocol's rules stand in `crates/wire/proto/flotilla/channel/v1/channel.proto`.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod plane;
pub mod server;

mod group;
mod groups;
mod inbound;
mod line;
mod listener;
mod node_health;
mod outbound;
mod over_control;
mod reports;
mod service;
mod session;
mod sessions;
mod tls;

pub use plane::{
    Certificate, ControlPlane, FeedError, FleetError, JoinRequest, Joined, LoggedRevision, Notice, Notices, Refused,
    Report, Snapshot, notices,
};
pub use server::{ChannelError, ChannelSettings, TlsMaterial, serve};
