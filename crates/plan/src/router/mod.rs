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
use crate::upstream::{CompiledUpstream, Timeouts};
pub use pattern::{Params, PathPattern, Rest};
pub use tree::Tree;

/// A route ready to serve. With ten thousand of them each request finds its own in slow memory, so that what few routes have is
/// boxed: the others lie in two cache lines.
pub struct CompiledRoute {
    /// Id, name and service for plugins, metrics and logs.
    pub info: Arc<RouteInfo>,
    /// Higher first.
    pub priority: i64,
    /// Methods; `None` for any.
    pub methods: Option<MethodSet>,
    /// Client networks; empty for any.
    pub remote_addrs: Box<[IpNet]>,
    /// Further conditions.
    pub vars: Option<Box<Condition>>,
    /// Plugins of service, plugin config and route, merged.
    pub chain: Arc<Chain>,
    /// Where requests go.
    pub upstream: UpstreamChoice,
    /// What is cut off the front of the path for the upstream.
    pub strip_prefix: Option<Box<str>>,
    /// Overrides the upstream's.
    pub timeouts: Option<Box<Timeouts>>,
    /// Whether upgrades pass.
    pub websocket: bool,
    /// Why requests are refused that find this route, if they are.
    pub closed: Option<Closed>,
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

/// Candidates at one literal path: most often one, which lies in the tree's node itself.
type Candidates = SmallVec<[Candidate; 1]>;

/// Candidates at one literal path; `whole` for those that allow nothing after it.
#[derive(Clone, Default)]
struct AtPath {
    whole: Candidates,
    longer: Candidates,
}

type PathTree = Tree<AtPath>;

/// All places of all routes. Cloning is cheap and the clone does not change.
#[derive(Clone, Default)]
pub struct Router {
    /// By host, reversed.
    exact_hosts: Tree<PathTree>,
    /// By what follows the `*`, reversed.
    wildcard_hosts: Tree<PathTree>,
    any_host: PathTree,
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
            let exact = self.exact_hosts.get(&host).and_then(|tree| find_path(tree, path, exchange));
            if exact.is_some() {
                return exact;
            }
            let wildcard = self.find_wildcard(&host, path, exchange);
            if wildcard.is_some() {
                return wildcard;
            }
        }
        find_path(&self.any_host, path, exchange)
    }

    fn find_wildcard(&self, reversed_host: &[u8], path: &str, exchange: &Exchange) -> Option<Match<'_>> {
        let mut trees: SmallVec<[&PathTree; 8]> = SmallVec::new();
        // `*` stands for at least one character, so the whole host is not a suffix.
        self.wildcard_hosts.walk(reversed_host, |is_whole, tree| {
            if !is_whole {
                trees.push(tree);
            }
        });
        trees.into_iter().rev().find_map(|tree| find_path(tree, path, exchange))
    }

    fn change(&mut self, place: &Place, change: impl FnOnce(&mut Candidates)) {
        let literal = place.path.literal.as_bytes();
        let in_tree = |tree: &mut PathTree| {
            tree.update(literal, |slot| {
                let mut at_path = slot.take().unwrap_or_default();
                match place.path.rest {
                    Rest::Nothing => change(&mut at_path.whole),
                    _ => change(&mut at_path.longer),
                }
                let is_empty = at_path.whole.is_empty() && at_path.longer.is_empty();
                *slot = (!is_empty).then_some(at_path);
            });
        };
        let Some(host) = &place.host else {
            return in_tree(&mut self.any_host);
        };
        let (hosts, key) = match host.wildcard_suffix() {
            Some(suffix) => (&mut self.wildcard_hosts, reversed(suffix)),
            None => (&mut self.exact_hosts, reversed(host.as_str())),
        };
        hosts.update(&key, |slot| {
            let mut tree = slot.take().unwrap_or_default();
            in_tree(&mut tree);
            *slot = (!tree.is_empty()).then_some(tree);
        });
    }
}

impl Candidate {
    /// Candidates are tried in ascending order of this.
    fn rank(&self) -> (Reverse<i64>, Reverse<(u8, usize)>, &str) {
        (Reverse(self.route.priority), Reverse(self.path.specificity()), &self.info.id)
    }

    fn accept(&self, exchange: &Exchange, params: Params) -> Option<Match<'_>> {
        self.route.accepts(exchange).then_some(Match { route: &self.route, info: &self.info, params })
    }
}

fn reversed(host: &str) -> SmallVec<[u8; 64]> {
    host.bytes().rev().collect()
}

fn find_path<'t>(tree: &'t PathTree, path: &str, exchange: &Exchange) -> Option<Match<'t>> {
    let mut prefixes: SmallVec<[&AtPath; 8]> = SmallVec::new();
    let mut whole = None;
    tree.walk(path.as_bytes(), |is_whole, at_path| {
        if is_whole {
            whole = Some(at_path);
        }
        prefixes.push(at_path);
    });
    // Nothing follows these, so their patterns need not be looked at.
    let exact = whole.and_then(|at_path| at_path.whole.iter().find_map(|whole| whole.accept(exchange, Params::new())));
    exact.or_else(|| prefixes.into_iter().rev().find_map(|at_path| try_longer(&at_path.longer, path, exchange)))
}

fn try_longer<'t>(candidates: &'t [Candidate], path: &str, exchange: &Exchange) -> Option<Match<'t>> {
    candidates.iter().find_map(|candidate| candidate.accept(exchange, candidate.path.match_rest(path)?))
}

impl CompiledRoute {
    /// Whether its conditions ask for fields of the request's body.
    pub(crate) fn reads_body(&self) -> bool {
        self.vars.as_deref().is_some_and(Condition::reads_body)
    }

    /// The conditions besides host and path.
    fn accepts(&self, exchange: &Exchange) -> bool {
        self.methods.is_none_or(|methods| methods.has(&exchange.method))
            && (self.remote_addrs.is_empty() || self.accepts_client(exchange.client.remote.ip()))
            && self.vars.as_ref().is_none_or(|vars| vars.holds(exchange))
    }

    fn accepts_client(&self, client: IpAddr) -> bool {
        self.remote_addrs.iter().any(|net| net.contains(&client.to_canonical()))
    }
}

#[cfg(test)]
mod tests;
