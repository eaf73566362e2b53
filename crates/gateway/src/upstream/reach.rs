//! How a worker reaches a node: over connections to its one address, or to each of those that its name has.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

use model::resource::KeepalivePool;
use smallvec::SmallVec;

use super::connect::Target;
use super::names::{Name, Unresolved};
use super::pool::Pool;

/// The ways to one node.
pub(crate) enum Reach {
    /// It has one address.
    Fixed(Way),
    /// It has those of its name.
    Named(Box<Named>),
}

/// A node that is named.
pub(crate) struct Named {
    target: Target,
    limits: KeepalivePool,
    name: Rc<Name>,
    ways: RefCell<SmallVec<[(IpAddr, Way); 2]>>,
}

/// The connections to one address.
#[derive(Clone)]
pub(crate) struct Way {
    /// `ip:port`; the worker's own, for each request counts that it holds it.
    pub(crate) address: Arc<str>,
    pub(crate) pool: Rc<Pool>,
}

impl Named {
    pub(crate) fn new(target: Target, limits: KeepalivePool, name: Rc<Name>) -> Self {
        Self { target, limits, name, ways: RefCell::default() }
    }

    /// Keeps the connections to addresses that the name has now, which an upstream before this one has made.
    pub(crate) fn keep(&self, pool: impl Fn(&Target) -> Option<Rc<Pool>>) {
        let known = self.name.known();
        let kept = known.into_iter().filter_map(|ip| Some((ip, Way::to(ip, pool(&self.target_at(ip))?))));
        self.ways.borrow_mut().extend(kept);
    }

    /// The way to the next of its addresses; `pool` finds or makes the pool of one.
    ///
    /// Each request takes the next, so that a connection which is kept does not hold traffic at an address that the name
    /// no longer has. Waiting for a lookup is rare, and kept out of the size of a request.
    pub(crate) async fn next(&self, pool: impl FnOnce(Target, KeepalivePool) -> Rc<Pool>) -> Result<Way, Unresolved> {
        let ip = match self.name.ready() {
            Some(ip) => ip,
            None => Box::pin(self.name.address()).await?,
        };
        let known = self.ways.borrow().iter().find(|(own, _)| *own == ip).map(|(_, way)| way.clone());
        Ok(known.unwrap_or_else(|| self.open(ip, pool)))
    }

    fn open(&self, ip: IpAddr, pool: impl FnOnce(Target, KeepalivePool) -> Rc<Pool>) -> Way {
        let way = Way::to(ip, pool(self.target_at(ip), self.limits));
        let known = self.name.known();
        let mut ways = self.ways.borrow_mut();
        ways.retain(|(ip, _)| known.contains(ip));
        ways.push((ip, way.clone()));
        way
    }

    fn target_at(&self, ip: IpAddr) -> Target {
        Target { socket: Some(SocketAddr::new(ip, self.target.port)), ..self.target.clone() }
    }
}

impl Way {
    fn to(ip: IpAddr, pool: Rc<Pool>) -> Self {
        let address = SocketAddr::new(ip, pool.target.port).to_string();
        Self { address: address.into(), pool }
    }
}
