//! What plugins may know of the instance they run on.

use std::sync::atomic::{AtomicU16, Ordering};

static HTTPS_PORT: AtomicU16 = AtomicU16::new(0);

/// The port that the instance takes HTTPS traffic on; `None` before it listens, and on the control plane.
pub fn https_port() -> Option<u16> {
    Some(HTTPS_PORT.load(Ordering::Relaxed)).filter(|port| *port != 0)
}

/// Told by the gateway when it listens.
pub fn set_https_port(port: u16) {
    HTTPS_PORT.store(port, Ordering::Relaxed);
}
