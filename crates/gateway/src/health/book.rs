//! Where workers and prober find the state of nodes.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use model::resource::HealthChecks;
use plan::{CompiledNode, CompiledUpstream, HostHeader};
use tokio::sync::Notify;

use super::watched::{Changes, NodeHealth, Watched, WatchedNode};

/// State that nobody uses is kept so long: a change that takes a node out and back finds it again.
const KEPT: Duration = Duration::from_secs(600);

/// Every upstream with checks that is in use, and the state of every node of one.
#[derive(Default)]
pub(crate) struct HealthBook {
    inner: Mutex<Inner>,
    /// Wakes the prober when the first upstream comes.
    pub(super) changed: Notify,
    pub(super) changes: Arc<Changes>,
}

#[derive(Default)]
struct Inner {
    /// By the upstream's slot: the newest form of each.
    watched: HashMap<u32, Arc<Watched>>,
    nodes: HashMap<Key, (Arc<NodeHealth>, Instant)>,
}

/// What makes a node the same through changes: whose it is, where it is, how it is checked.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    owner: Box<str>,
    address: Arc<str>,
    checks: Arc<str>,
}

impl HealthBook {
    /// The shared state of an upstream; `None` without checks. Not for the way of a request.
    pub(crate) fn watch(&self, upstream: &Arc<CompiledUpstream>) -> Option<Arc<Watched>> {
        let checks = upstream.checks.as_ref()?;
        let mut inner = self.inner();
        let same = inner.watched.get(&upstream.slot);
        if let Some(same) = same.filter(|same| std::ptr::eq(same.upstream.as_ptr(), Arc::as_ptr(upstream))) {
            return Some(same.clone());
        }
        let nodes = inner.nodes_of(upstream, checks);
        let watched = Arc::new(Watched::new(upstream, checks, nodes, self.changes.clone()));
        inner.watched.insert(upstream.slot, watched.clone());
        drop(inner);
        self.changes.turns.fetch_add(1, Relaxed);
        self.changed.notify_one();
        Some(watched)
    }

    /// Those still in use, by their owners' names.
    pub(super) fn all(&self) -> Vec<Arc<Watched>> {
        let mut inner = self.inner();
        let before = inner.watched.len();
        inner.watched.retain(|_, watched| watched.upstream.strong_count() > 0);
        if inner.watched.len() < before {
            self.changes.turns.fetch_add(1, Relaxed);
        }
        let mut all: Vec<_> = inner.watched.values().cloned().collect();
        all.sort_by(|a, b| a.owner.cmp(&b.owner));
        all
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As in APISIX what requests to the node get by `pass_host` stands above the check's own `host`.
fn asked_for(upstream: &CompiledUpstream, checks: &HealthChecks, node: &CompiledNode) -> Box<str> {
    let own = match node.socket {
        Some(SocketAddr::V6(_)) => format!("[{}]", node.host).into(),
        _ => node.host.clone(),
    };
    match &upstream.host_header {
        HostHeader::Fixed(host) => host.to_str().map_or(own, Into::into),
        HostHeader::Node if node.socket.is_none() => own,
        HostHeader::Node | HostHeader::Client => checks.active.host.as_deref().map_or(own, Into::into),
    }
}

impl Inner {
    fn nodes_of(&mut self, upstream: &CompiledUpstream, checks: &HealthChecks) -> Box<[WatchedNode]> {
        let now = Instant::now();
        self.nodes.retain(|_, (node, used)| Arc::strong_count(node) > 1 || now.duration_since(*used) < KEPT);
        let settings: Arc<str> = serde_json::to_string(checks).unwrap_or_default().into();
        let mut watch = |node: &CompiledNode| {
            let key = Key { owner: upstream.owner.clone(), address: node.address.clone(), checks: settings.clone() };
            let (health, used) = self.nodes.entry(key).or_insert_with(|| (Arc::default(), now));
            *used = now;
            let port = checks.active.port.unwrap_or(node.port);
            let socket = node.socket.map(|socket| (socket.ip(), port).into());
            let (host, own_port, priority) = (node.host.clone(), node.port, node.priority);
            let asked_for = asked_for(upstream, checks, node);
            WatchedNode { host, asked_for, own_port, priority, port, socket, health: health.clone() }
        };
        upstream.nodes.iter().map(&mut watch).collect()
    }
}

#[cfg(test)]
mod tests {
    use model::{Change, Kind, ResourceId, ResourceKey};
    use serde_json::json;

    use crate::plan_slot::PlanSlot;

    #[test]
    fn probes_ask_for_what_requests_ask_for() {
        let (none, own) = (json!({}), json!({ "host": "check.test" }));
        let (pass, node) = (json!({ "pass_host": "pass" }), json!({ "pass_host": "node" }));
        let rewrite = json!({ "pass_host": "rewrite", "upstream_host": "up.test:8080" });
        for (address, upstream, active, host) in [
            ("a.test:81", &pass, &none, "a.test"),
            ("a.test:81", &pass, &own, "check.test"),
            ("a.test:81", &node, &own, "a.test"),
            ("a.test:81", &rewrite, &own, "up.test:8080"),
            ("10.0.0.1:81", &pass, &none, "10.0.0.1"),
            ("10.0.0.1:81", &node, &none, "10.0.0.1"),
            ("10.0.0.1:81", &node, &own, "check.test"),
            ("10.0.0.1:81", &rewrite, &none, "up.test:8080"),
            ("[::1]:81", &pass, &none, "[::1]"),
        ] {
            let mut body = upstream.clone();
            body["nodes"] = json!({ address: 1 });
            body["checks"] = json!({ "active": active });
            let mut slot = PlanSlot::new(plugins::registry());
            let key = ResourceKey::new(Kind::Upstream, ResourceId::new("u").expect("an id"));
            slot.apply(&[Change::Put(key, model::json::canonical(&body).into())]).expect("a plan");
            let plan = slot.plans().current.load_full().expect("a plan");
            let upstream = plan.upstream_by_id(None, "u").expect("the upstream");
            let watched = slot.plans().health.watch(upstream).expect("it has checks");
            let asked_for: Vec<_> = watched.nodes.iter().map(|node| &*node.asked_for).collect();
            assert_eq!(asked_for, [host], "{body}");
        }
    }
}
