//! Addresses of nodes that are named, looked up on the worker and kept for a while.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// The system's resolver tells no time to live; this one is short against address changes and long against load.
const KEPT: Duration = Duration::from_secs(10);
/// Names kept at most; more are looked up each time.
const NAMES: usize = 4096;

/// A name without an address. It travels inside an `io::Error`, for the answer is another than to a refused connection.
#[derive(Debug, thiserror::Error)]
#[error("{0} has no address")]
pub(crate) struct Unresolved(Box<str>);

/// Whether a connection failed because the node's name has no address.
pub(crate) fn is_unresolved(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|source| source.is::<Unresolved>())
}

/// Looks names up.
#[derive(Default)]
pub(crate) struct Resolver {
    known: RefCell<HashMap<Box<str>, Known>>,
}

struct Known {
    addresses: Rc<[SocketAddr]>,
    until: Instant,
    turn: usize,
}

impl Resolver {
    /// An address of `host`; several take turns. A name that cannot be looked up any more keeps its last addresses.
    pub(crate) async fn resolve(&self, host: &str, port: u16) -> io::Result<SocketAddr> {
        if let Some(address) = self.known(host, port, false) {
            return Ok(address);
        }
        match tokio::net::lookup_host((host, port)).await {
            Ok(addresses) => self.learn(host, addresses.collect()),
            Err(error) => tracing::warn!(host, %error, "a node's name cannot be looked up"),
        }
        let none = || io::Error::new(io::ErrorKind::NotFound, Unresolved(host.into()));
        self.known(host, port, true).ok_or_else(none)
    }

    fn known(&self, host: &str, port: u16, stale_too: bool) -> Option<SocketAddr> {
        let mut known = self.known.borrow_mut();
        let known = known.get_mut(host).filter(|known| stale_too || known.until > Instant::now())?;
        known.turn = known.turn.wrapping_add(1);
        let address = known.addresses.get(known.turn % known.addresses.len().max(1))?;
        Some(SocketAddr::new(address.ip(), port))
    }

    fn learn(&self, host: &str, addresses: Rc<[SocketAddr]>) {
        let mut known = self.known.borrow_mut();
        if addresses.is_empty() || (known.len() >= NAMES && !known.contains_key(host)) {
            return;
        }
        known.insert(host.into(), Known { addresses, until: Instant::now() + KEPT, turn: 0 });
    }
}
