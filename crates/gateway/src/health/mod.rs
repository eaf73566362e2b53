//! The health of nodes: kept for the whole instance, apart from the plan, so that it survives changes.
//!
//! As in APISIX an upstream with checks is watched from its first request on. A worker looks the shared state up
//! when it first uses the upstream; from then on a request costs relaxed loads. Probes run on a thread of their own.

mod book;
mod probe;
mod show;
mod told;
mod watched;

pub(crate) use book::HealthBook;
pub(crate) use probe::probe;
pub(crate) use show::{page, statuses};
pub(crate) use watched::{Seen, Watched};
