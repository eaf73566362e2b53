//! What an instance serves from: immutable, one per revision, shared by all workers.

use std::sync::Arc;

use plugin_api::{ConsumerEntry, ConsumerIndex, ConsumerInfo, Exchange};

use crate::chain::Chain;
use crate::consumers::{CompiledConsumer, Consumers};
use crate::router::{Match, Router, UpstreamChoice};
use crate::sharded::ShardedMap;
use crate::tls::TlsMap;
use crate::upstream::CompiledUpstream;

/// A compiled configuration. Cloning is a few references; a clone does not change.
#[derive(Clone, Default)]
pub struct Plan {
    pub(crate) router: Router,
    pub(crate) global: Arc<Chain>,
    pub(crate) consumers: Consumers,
    pub(crate) upstreams: ShardedMap<u32, Arc<CompiledUpstream>>,
    pub(crate) upstream_slots: ShardedMap<Box<str>, u32>,
    pub(crate) tls: Arc<TlsMap>,
    pub(crate) routes: usize,
    /// Whether a global rule cannot be served.
    pub(crate) closed: bool,
    /// How many routes match by the request's body.
    pub(crate) routed_by_body: usize,
    /// New with each plan that the compiler gives.
    pub(crate) identity: Arc<()>,
}

impl Plan {
    /// Whether the other is a clone of this plan.
    pub fn is_same(&self, other: &Plan) -> bool {
        Arc::ptr_eq(&self.identity, &other.identity)
    }

    /// The route for a request.
    pub fn route(&self, exchange: &Exchange) -> Option<Match<'_>> {
        self.router.find(exchange)
    }

    /// Whether no request may be served, because a global rule cannot be.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether any route matches by the request's body.
    pub fn is_routed_by_body(&self) -> bool {
        self.routed_by_body > 0
    }

    /// The plugins of the group's global rules.
    pub fn global_chain(&self) -> &Arc<Chain> {
        &self.global
    }

    /// The upstream of a route; `None` when it has none or its reference leads nowhere.
    pub fn upstream<'p>(&'p self, choice: &'p UpstreamChoice) -> Option<&'p Arc<CompiledUpstream>> {
        match choice {
            UpstreamChoice::None => None,
            UpstreamChoice::Own(upstream) => Some(upstream),
            UpstreamChoice::Shared(slot) => self.upstreams.get(slot),
        }
    }

    /// An upstream by its id, for plugins that choose one: of the route's service, else of the group.
    pub fn upstream_by_id(&self, service: Option<&str>, id: &str) -> Option<&Arc<CompiledUpstream>> {
        let of_service = service.and_then(|service| self.upstream_slots.get(&*format!("upstream/{service}/{id}")));
        let slot = of_service.or_else(|| self.upstream_slots.get(&*format!("upstream/{id}")))?;
        self.upstreams.get(slot)
    }

    /// A consumer with its plugins.
    pub fn consumer(&self, username: &str) -> Option<&CompiledConsumer> {
        self.consumers.compiled(username)
    }

    /// Certificates by server name.
    pub fn tls(&self) -> &TlsMap {
        &self.tls
    }

    /// How many routes it serves.
    pub fn route_count(&self) -> usize {
        self.routes
    }
}

impl ConsumerIndex for Plan {
    fn find(&self, plugin: &str, key: &str) -> Option<&Arc<ConsumerEntry>> {
        self.consumers.find(plugin, key)
    }

    fn by_name(&self, username: &str) -> Option<&Arc<ConsumerInfo>> {
        ConsumerIndex::by_name(&self.consumers, username)
    }
}
