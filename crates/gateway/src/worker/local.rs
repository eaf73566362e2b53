//! What one worker keeps from request to request. Nothing in it is shared with another worker.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwapOption;
use arc_swap::cache::Cache;
use balance::{Algorithm, Balancer, Share, Turn};
use foldhash::fast::RandomState;
use model::resource::{Balancer as Type, KeepalivePool};
use plan::{Chain, CompiledConsumer, CompiledNode, CompiledUpstream, Plan};
use plugin_api::Exchange;

use crate::access_log::AccessLogWriter;
use crate::health::{HealthBook, Seen, Watched};
use crate::plan_slot::Plans;
use crate::settings::{Limits, Networks, Settings};
use crate::upstream::{Named, Names, Pool, Reach, Target, Way};
use crate::worker::breaches::Breaches;
use crate::worker::counters::WorkerCounters;
use crate::worker::drain::Drain;

/// Merged chains kept at most; beyond it all are made anew.
const MERGED_CHAINS: usize = 4096;

/// Longer than any idle timeout one would set, so that forgetting closes no connection that is wanted.
const FORGET: std::time::Duration = std::time::Duration::from_secs(300);

type FastMap<K, V> = HashMap<K, V, RandomState>;

/// The newest plan as this worker last saw it: a look costs one atomic load.
type PlanCache = Cache<Arc<ArcSwapOption<Plan>>, Option<Arc<Plan>>>;

/// State of one worker.
pub(crate) struct Local {
    plans: RefCell<PlanCache>,
    current: RefCell<Option<Rc<Plan>>>,
    upstreams: RefCell<FastMap<u32, Rc<LocalUpstream>>>,
    pools: RefCell<FastMap<Target, std::rc::Weak<Pool>>>,
    merged: RefCell<FastMap<(usize, usize), Merged>>,
    health: Arc<HealthBook>,
    names: Names,
    pub(crate) access_log: Option<AccessLogWriter>,
    pub(crate) limits: Limits,
    /// Clients that are believed what they say of the connection before ours.
    pub(crate) trusted: Networks,
    pub(crate) breaches: Breaches,
    pub(crate) drain: Drain,
    pub(crate) counters: Arc<WorkerCounters>,
    forgot: Cell<Instant>,
}

/// A route's chain with a consumer's over it; the two are held so that their addresses stay theirs.
struct Merged {
    chain: Rc<Chain>,
    _route: Arc<Chain>,
    _consumer: Arc<Chain>,
}

/// An upstream as this worker uses it.
pub(crate) struct LocalUpstream {
    pub(crate) compiled: Arc<CompiledUpstream>,
    balancer: RefCell<Balancer>,
    health: Option<Arc<Watched>>,
    since: Instant,
    reach: Box<[Reach]>,
    used: Cell<bool>,
}

impl Local {
    pub(crate) fn new(
        plans: Plans,
        names: Names,
        access_log: Option<AccessLogWriter>,
        settings: &Settings,
        counters: Arc<WorkerCounters>,
    ) -> Rc<Self> {
        Rc::new(Self {
            health: plans.health,
            plans: RefCell::new(Cache::new(plans.current)),
            current: RefCell::default(),
            upstreams: RefCell::default(),
            pools: RefCell::default(),
            merged: RefCell::default(),
            names,
            access_log,
            limits: settings.limits.clone(),
            trusted: settings.trusted.clone(),
            breaches: Breaches::new(settings.limits.breaches, settings.trusted.clone()),
            drain: Drain::default(),
            counters,
            forgot: Cell::new(Instant::now()),
        })
    }

    /// The plan to serve a request from: one atomic load, and a copy of the references when it is new.
    pub(crate) fn plan(&self) -> Option<Rc<Plan>> {
        let mut plans = self.plans.borrow_mut();
        let latest = plans.load().as_ref()?;
        let mut current = self.current.borrow_mut();
        if let Some(plan) = current.as_ref().filter(|plan| plan.is_same(latest)) {
            return Some(plan.clone());
        }
        self.merged.borrow_mut().clear();
        let plan = Rc::new(Plan::clone(latest));
        *current = Some(plan.clone());
        Some(plan)
    }

    /// The worker's state of an upstream, made or renewed when the upstream has changed.
    pub(crate) fn upstream(&self, compiled: &Arc<CompiledUpstream>) -> Rc<LocalUpstream> {
        let mut upstreams = self.upstreams.borrow_mut();
        if let Some(local) = upstreams.get(&compiled.slot).filter(|local| Arc::ptr_eq(&local.compiled, compiled)) {
            local.used.set(true);
            return local.clone();
        }
        let before = upstreams.get(&compiled.slot).map(Rc::as_ref);
        let local = Rc::new(self.new_upstream(compiled, before));
        upstreams.insert(compiled.slot, local.clone());
        local
    }

    fn new_upstream(&self, compiled: &Arc<CompiledUpstream>, before: Option<&LocalUpstream>) -> LocalUpstream {
        let mut balancer = balancer(compiled);
        if let Some(before) = before {
            balancer.follow(&before.balancer.borrow(), |at| before.place_of(&compiled.nodes.get(at)?.address));
        }
        let reach = compiled.nodes.iter().map(|node| self.reach(node, Target::of(compiled, node), compiled.keepalive));
        LocalUpstream {
            compiled: compiled.clone(),
            balancer: RefCell::new(balancer),
            health: self.health.watch(compiled),
            since: before.map_or_else(Instant::now, |before| before.since),
            reach: reach.collect(),
            used: Cell::new(true),
        }
    }

    fn reach(&self, node: &CompiledNode, target: Target, limits: KeepalivePool) -> Reach {
        match target.socket {
            Some(_) => Reach::Fixed(Way { address: Arc::from(&*node.address), pool: self.pool(target, limits) }),
            None => {
                let name = self.names.of(&target.host);
                let named = Named::new(target, limits, name);
                named.keep(|target| self.known_pool(target, limits));
                Reach::Named(Box::new(named))
            }
        }
    }

    /// The pool of an address: several upstreams with one node share it, and it outlives changes of them.
    pub(crate) fn pool(&self, target: Target, limits: KeepalivePool) -> Rc<Pool> {
        self.known_pool(&target, limits).unwrap_or_else(|| {
            let pool = Rc::new(Pool::new(target.clone(), limits));
            self.pools.borrow_mut().insert(target, Rc::downgrade(&pool));
            pool
        })
    }

    fn known_pool(&self, target: &Target, limits: KeepalivePool) -> Option<Rc<Pool>> {
        let pool = self.pools.borrow().get(target)?.upgrade()?;
        pool.set_limits(limits);
        Some(pool)
    }

    /// The chain of a route for a consumer that brings plugins.
    pub(crate) fn merged_chain(&self, route: &Arc<Chain>, consumer: &CompiledConsumer) -> Rc<Chain> {
        let key = (Arc::as_ptr(route) as usize, Arc::as_ptr(&consumer.chain) as usize);
        let mut merged = self.merged.borrow_mut();
        if let Some(known) = merged.get(&key) {
            return known.chain.clone();
        }
        if merged.len() >= MERGED_CHAINS {
            merged.clear();
        }
        let chain = Rc::new(route.with_consumer(&consumer.chain));
        let kept = Merged { chain: chain.clone(), _route: route.clone(), _consumer: consumer.chain.clone() };
        merged.insert(key, kept);
        chain
    }

    /// Closes what has been idle too long, and lets go of an old plan even when no request comes.
    pub(crate) fn tidy(&self) {
        self.plan();
        let now = Instant::now();
        let mut pools = self.pools.borrow_mut();
        pools.retain(|_, pool| pool.upgrade().inspect(|pool| pool.reap(now)).is_some());
        self.forget_unused_upstreams(now);
        self.breaches.tidy(now);
        if let Some(log) = &self.access_log {
            log.flush();
        }
    }
}

impl Local {
    /// An upstream that no request used between two turns is forgotten, and with it the pools that no other uses. One that
    /// a request is still under way to counts it.
    fn forget_unused_upstreams(&self, now: Instant) {
        if now.duration_since(self.forgot.get()) >= FORGET {
            self.forgot.set(now);
            self.upstreams.borrow_mut().retain(|_, local| local.used.take() || Rc::strong_count(local) > 1);
        }
    }
}

impl LocalUpstream {
    fn place_of(&self, address: &str) -> Option<usize> {
        self.compiled.nodes.iter().position(|node| *node.address == *address)
    }

    /// The next node among the healthy that were not yet tried. As in APISIX, an only node serves whatever is
    /// known of it, and so do all nodes when none is healthy.
    pub(crate) fn choose(&self, tried: &[usize], exchange: &Exchange) -> Option<usize> {
        if self.compiled.nodes.len() == 1 {
            return Some(0);
        }
        let turn = RequestTurn { exchange, upstream: self };
        let mut balancer = self.balancer.borrow_mut();
        let Some(health) = self.health.as_deref().filter(|health| health.any_serves()) else {
            return balancer.next(&turn, |at| !tried.contains(&at));
        };
        balancer.next(&turn, |at| !tried.contains(&at) && health.serves(at))
    }

    /// Counts a request towards the node until what it gives is dropped; `None` when the algorithm does not ask.
    pub(crate) fn begin(self: &Rc<Self>, node: usize) -> Option<InFlight> {
        let mut balancer = self.balancer.borrow_mut();
        if !balancer.watches_requests() {
            return None;
        }
        balancer.begin(node);
        Some(InFlight { upstream: self.clone(), node: node as u32, began: Instant::now(), answered: false })
    }

    /// What the request saw of the node, for passive checks.
    pub(crate) fn report(&self, node: usize, seen: Seen) {
        if let Some(health) = &self.health {
            health.report_passively(node, seen);
        }
    }

    pub(crate) fn reach(&self, node: usize) -> Option<&Reach> {
        self.reach.get(node)
    }
}

/// A request under way to a node, for algorithms that ask.
pub(crate) struct InFlight {
    upstream: Rc<LocalUpstream>,
    node: u32,
    began: Instant,
    pub(crate) answered: bool,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let now = self.upstream.since.elapsed();
        self.upstream.balancer.borrow_mut().end(self.node as usize, now, self.began.elapsed(), self.answered);
    }
}

struct RequestTurn<'a> {
    exchange: &'a Exchange,
    upstream: &'a LocalUpstream,
}

impl Turn for RequestTurn<'_> {
    fn key(&self) -> u64 {
        self.upstream.compiled.hash_key.with(self.exchange, balance::hash)
    }

    fn random(&self) -> u64 {
        rand::random()
    }

    fn now(&self) -> std::time::Duration {
        self.upstream.since.elapsed()
    }
}

fn balancer(compiled: &CompiledUpstream) -> Balancer {
    let nodes = compiled.nodes.iter().map(|node| Share {
        address: &node.address,
        weight: node.weight,
        priority: node.priority,
    });
    let nodes: Vec<_> = nodes.collect();
    let algorithm = match compiled.balancer {
        Type::Roundrobin => Algorithm::RoundRobin,
        Type::Chash => Algorithm::Hash,
        Type::LeastConn => Algorithm::LeastConn,
        Type::Ewma => Algorithm::Ewma,
    };
    let mut balancer = Balancer::new(algorithm, &nodes);
    if let Balancer::RoundRobin(turns) = &mut balancer {
        turns.skip(rand::random_range(0..=nodes.len()));
    }
    balancer
}
