//! The config channel end to end over loopback: the real server and the gateway's real client, with
//! the control plane behind the server and the plan compiler behind the client played by the tests.

#![allow(clippy::unwrap_used, clippy::panic)]

mod control_plane;
mod expiry;
mod faults;
mod fleet;
mod following;
mod instance;
mod isolation;
mod joining;
mod nodes;
mod proxy;
mod raw;
mod wait;
