//! A gateway, upstreams and clients on loopback.

mod client;
mod gateway;
mod probe;
mod tls_node;
mod upstream;
mod version_1;

use std::time::{Duration, Instant};

pub(crate) use client::{Answer, Client, get, raw};
pub(crate) use gateway::{Gateway, delete, put, settings};
pub(crate) use probe::{Tape, registry};
pub(crate) use tls_node::tls_node;
pub(crate) use upstream::{Echo, Exchange, Script, one_then, refused_port};
pub(crate) use version_1::version_1;

/// Longer than anything here takes, shorter than a test run that hangs.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// Waits until `holds`, which is looked at again and again.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < DEADLINE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The future's outcome, within the deadline.
pub(crate) async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    tokio::time::timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("waited in vain: {what}"))
}
