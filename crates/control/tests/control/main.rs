//! The use cases over real databases.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod audit;
mod batches;
mod configuration;
mod decisions;
mod fleet;
mod identity;
mod permissions;
mod postgres;
mod replicas;
mod super_admins;
mod support;
