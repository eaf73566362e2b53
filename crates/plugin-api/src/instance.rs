//! What plugins may know of the instance they run on.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};

static HTTPS_PORT: AtomicU16 = AtomicU16::new(0);
static GROUP: OnceLock<String> = OnceLock::new();

/// The id of the instance's gateway group, so that what groups keep in one outside place stays apart; empty on the
/// control plane.
pub fn gateway_group() -> &'static str {
    GROUP.get().map_or("", String::as_str)
}

/// Told by the gateway once it knows; an instance belongs to one group for ever.
pub fn set_gateway_group(id: &str) {
    let _ = GROUP.set(id.to_owned());
}

/// The port that the instance takes HTTPS traffic on; `None` before it listens, and on the control plane.
pub fn https_port() -> Option<u16> {
    Some(HTTPS_PORT.load(Ordering::Relaxed)).filter(|port| *port != 0)
}

/// Told by the gateway when it listens.
pub fn set_https_port(port: u16) {
    HTTPS_PORT.store(port, Ordering::Relaxed);
}
