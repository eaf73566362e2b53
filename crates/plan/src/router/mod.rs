//! Which route a request belongs to: host first, then path, then the route's other conditions.
//!
//! Order (APISIX's `radixtree_host_uri`): the exact host, then wildcard hosts from the longest suffix,
//! then routes for any host; within a host the exact path, then prefixes from the longest; within one
//! path the higher priority. Routes of one path and priority go by specificity, then by id, so that all
//! instances of a group decide alike.

mod pattern;
mod tree;

use std::cmp::Reverse;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use plugin_api::{Condition, Exchange, RouteInfo};
use smallvec::SmallVec;

use crate::chain::Chain;
use crate::sharded::ShardedMap;
use crate::upstream::{CompiledUpstream, Timeouts};
pub use pattern::{Params, PathPattern, Rest};
pub use tree::Tree;

/// A route ready to serve. With ten thousand of them each request finds its own in slow memory, so that what few routes have is
/// boxed: the others lie in one cache line, reference counts included.
pub struct CompiledRoute {
    /// Id, name and service for plugins, metrics and logs.
    pub info: Arc<RouteInfo>,
    /// Plugins of service, plugin config and route, merged.
    pub chain: Arc<Chain>,
    /// Where requests go.
    pub upstream: UpstreamChoice,
    /// Methods; `None` for any.
    pub methods: Option<MethodSet>,
    /// Whether upgrades pass.
    pub websocket: bool,
    /// Why requests are refused that find this route, if they are.
    pub closed: Option<Closed>,
    /// What few routes have.
    pub rare: Option<Box<Rare>>,
}

/// What few routes have.
#[derive(Default)]
pub struct Rare {
    /// Higher first; 0 where nothing else is said.
    pub priority: i64,
    /// Client networks; empty for any.
    pub remote_addrs: Box<[IpNet]>,
    /// Further conditions.
    pub vars: Option<Condition>,
    /// What is cut off the front of the path for the upstream.
    pub strip_prefix: Option<Box<str>>,
    /// Overrides the upstream's.
    pub timeouts: Option<Timeouts>,
}

/// Why a route is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// It, or what it is put together from, is at fault.
    Faulty,
    /// Its service is gone.
    ServiceGone,
}

/// Where a route's requests go.
#[derive(Clone)]
pub enum UpstreamChoice {
    /// Nowhere: a plugin answers, or 503.
    None,
    /// The route's own.
    Own(Arc<CompiledUpstream>),
    /// One of the plan's shared upstreams, by slot; it may change without the route.
    Shared(u32),
}

/// A set of request methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MethodSet(u16);

impl MethodSet {
    /// A set of these methods.
    pub fn new(methods: &[model::resource::Method]) -> Self {
        Self(methods.iter().fold(0, |set, method| set | 1 << *method as u16))
    }

    fn has(self, method: &http::Method) -> bool {
        use model::resource::Method;
        let method = match method.as_str() {
            "GET" => Method::Get,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            "DELETE" => Method::Delete,
            "PATCH" => Method::Patch,
            "HEAD" => Method::Head,
            "OPTIONS" => Method::Options,
            "CONNECT" => Method::Connect,
            "TRACE" => Method::Trace,
            "PURGE" => Method::Purge,
            _ => return false,
        };
        self.0 & 1 << method as u16 != 0
    }
}

/// The outcome of routing.
pub struct Match<'r> {
    /// The route.
    pub route: &'r Arc<CompiledRoute>,
    /// Its facts with the path pattern that matched.
    pub info: &'r Arc<RouteInfo>,
    /// Values of the pattern's parameters.
    pub params: Params,
}

/// A place of a route in the router.
#[derive(Clone)]
pub struct Place {
    /// Host pattern; `None` for any.
    pub host: Option<model::resource::HostPattern>,
    /// Path pattern, service prefix included.
    pub path: Arc<PathPattern>,
    /// The route's facts with this path.
    pub info: Arc<RouteInfo>,
}

#[derive(Clone)]
struct Candidate {
    route: Arc<CompiledRoute>,
    info: Arc<RouteInfo>,
    path: Arc<PathPattern>,
}

/// Candidates at one path: most often one, which lies beside the path itself.
type Candidates = SmallVec<[Candidate; 1]>;

/// The places of one host. Among ten thousand paths a hash finds one in a line or two of slow memory, a walk down a tree in ten.
#[derive(Clone, Default)]
struct Paths {
    /// By whole paths, which nothing may follow.
    exact: ShardedMap<SmallVec<[u8; 24]>, Candidates>,
    /// By what stands before the first wildcard or parameter.
    longer: Tree<Candidates>,
}

/// All places of all routes. Cloning is cheap and the clone does not change.
#[derive(Clone, Default)]
pub struct Router {
    /// By host, reversed.
    exact_hosts: Tree<Paths>,
    /// By what follows the `*`, reversed.
    wildcard_hosts: Tree<Paths>,
    any_host: Paths,
}

impl Router {
    /// Adds a route at a place.
    pub fn insert(&mut self, place: &Place, route: &Arc<CompiledRoute>) {
        let candidate = Candidate { route: route.clone(), info: place.info.clone(), path: place.path.clone() };
        self.change(place, |candidates| {
            let at = candidates.partition_point(|other| other.rank() <= candidate.rank());
            candidates.insert(at, candidate);
        });
    }

    /// Takes the route with this slot out of a place.
    pub fn remove(&mut self, place: &Place, slot: u32) {
        self.change(place, |candidates| candidates.retain(|candidate| candidate.info.slot != slot));
    }

    /// The route for a request whose path, host, method and headers are known.
    pub fn find(&self, exchange: &Exchange) -> Option<Match<'_>> {
        let path = exchange.path();
        if !self.exact_hosts.is_empty() || !self.wildcard_hosts.is_empty() {
            let host = reversed(exchange.host());
            let exact = self.exact_hosts.get(&host).and_then(|paths| paths.find(path, exchange));
            if exact.is_some() {
                return exact;
            }
            let wildcard = self.find_wildcard(&host, path, exchange);
            if wildcard.is_some() {
                return wildcard;
            }
        }
        self.any_host.find(path, exchange)
    }

    fn find_wildcard(&self, reversed_host: &[u8], path: &str, exchange: &Exchange) -> Option<Match<'_>> {
        let mut suffixes: SmallVec<[&Paths; 8]> = SmallVec::new();
        self.wildcard_hosts.walk(reversed_host, |_, paths| suffixes.push(paths));
        suffixes.into_iter().rev().find_map(|paths| paths.find(path, exchange))
    }

    fn change(&mut self, place: &Place, change: impl FnOnce(&mut Candidates)) {
        let Some(host) = &place.host else {
            return self.any_host.change(&place.path, change);
        };
        let (hosts, key) = match host.wildcard_suffix() {
            Some(suffix) => (&mut self.wildcard_hosts, reversed(suffix)),
            None => (&mut self.exact_hosts, reversed(host.as_str())),
        };
        hosts.update(&key, |slot| {
            let mut paths = slot.take().unwrap_or_default();
            paths.change(&place.path, change);
            *slot = (!paths.is_empty()).then_some(paths);
        });
    }
}

impl Paths {
    fn find(&self, path: &str, exchange: &Exchange) -> Option<Match<'_>> {
        // Nothing follows these, so their patterns need not be looked at.
        let exact = self.exact.get(path.as_bytes());
        let exact = exact.and_then(|candidates| candidates.iter().find_map(|one| one.accept(exchange, Params::new())));
        exact.or_else(|| self.find_longer(path, exchange))
    }

    fn find_longer(&self, path: &str, exchange: &Exchange) -> Option<Match<'_>> {
        let mut prefixes: SmallVec<[&Candidates; 8]> = SmallVec::new();
        self.longer.walk(path.as_bytes(), |_, candidates| prefixes.push(candidates));
        let mut candidates = prefixes.into_iter().rev().flatten();
        candidates.find_map(|candidate| candidate.accept(exchange, candidate.path.match_rest(path)?))
    }

    fn change(&mut self, path: &PathPattern, change: impl FnOnce(&mut Candidates)) {
        let literal = path.literal.as_bytes();
        let changed = |candidates: Option<Candidates>| {
            let mut candidates = candidates.unwrap_or_default();
            change(&mut candidates);
            (!candidates.is_empty()).then_some(candidates)
        };
        match path.rest {
            Rest::Nothing => {
                if let Some(candidates) = changed(self.exact.remove(literal)) {
                    self.exact.insert(literal.into(), candidates);
                }
            }
            _ => self.longer.update(literal, |slot| *slot = changed(slot.take())),
        }
    }

    fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.longer.is_empty()
    }
}

impl Candidate {
    /// Candidates are tried in ascending order of this.
    fn rank(&self) -> (Reverse<i64>, Reverse<(u8, usize)>, &str) {
        (Reverse(self.route.priority()), Reverse(self.path.specificity()), &self.info.id)
    }

    fn accept(&self, exchange: &Exchange, params: Params) -> Option<Match<'_>> {
        self.route.accepts(exchange).then_some(Match { route: &self.route, info: &self.info, params })
    }
}

fn reversed(host: &str) -> SmallVec<[u8; 64]> {
    host.bytes().rev().collect()
}

impl CompiledRoute {
    /// What is cut off the front of the path for the upstream.
    pub fn strip_prefix(&self) -> Option<&str> {
        self.rare.as_ref()?.strip_prefix.as_deref()
    }

    /// What overrides the upstream's.
    pub fn timeouts(&self) -> Option<Timeouts> {
        self.rare.as_ref()?.timeouts
    }

    /// Whether its conditions ask for fields of the request's body.
    pub(crate) fn reads_body(&self) -> bool {
        self.rare.as_ref().and_then(|rare| rare.vars.as_ref()).is_some_and(Condition::reads_body)
    }

    fn priority(&self) -> i64 {
        self.rare.as_ref().map_or(0, |rare| rare.priority)
    }

    /// The conditions besides host and path.
    fn accepts(&self, exchange: &Exchange) -> bool {
        self.methods.is_none_or(|methods| methods.has(&exchange.method))
            && self.rare.as_ref().is_none_or(|rare| rare.accepts(exchange))
    }
}

impl Rare {
    fn accepts(&self, exchange: &Exchange) -> bool {
        (self.remote_addrs.is_empty() || self.accepts_client(exchange.client.remote.ip()))
            && self.vars.as_ref().is_none_or(|vars| vars.holds(exchange))
    }

    /// Whether there is anything in it.
    fn says_nothing(&self) -> bool {
        let Self { priority, remote_addrs, vars, strip_prefix, timeouts } = self;
        *priority == 0 && remote_addrs.is_empty() && vars.is_none() && strip_prefix.is_none() && timeouts.is_none()
    }

    /// In its box, if there is anything in it.
    pub(crate) fn boxed(self) -> Option<Box<Self>> {
        (!self.says_nothing()).then(|| Box::new(self))
    }

    fn accepts_client(&self, client: IpAddr) -> bool {
        self.remote_addrs.iter().any(|net| net.contains(&client.to_canonical()))
    }
}

#[cfg(test)]
mod tests;
