//! The data plane: a gateway instance.
//!
//! [`instance`] starts and stops it. `worker` is one thread with its listeners; `request` is a request's
//! way through it; `upstream` are the connections to nodes; `health` probes nodes; `config` brings the configuration in, and
//! `plan_slot` puts the plan compiled from it where the workers find it.

mod access_log;
mod admin;
pub mod config;
mod fault;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod health;
pub mod instance;
mod plan_slot;
mod request;
pub mod run;
mod settings;
mod upstream;
mod worker;

pub use access_log::ACCESS_LOG_FORMAT;
pub use instance::{Bound, Running};
pub use plan_slot::{PlanSlot, Plans};
pub use settings::{AccessLog, AddressFamilies, Dns, Limits, Networks, Settings};
pub use worker::counters::{Counters, Totals};
