//! How a service's nodes are, as the instances of its group tell.

use std::collections::BTreeMap;

use model::{GroupId, InstanceId, Kind, ResourceId, ResourceKey};
use serde_json::Value;
use store::config::StoredResource;
use store::instances::{InstanceStatus, NodeState, NodeStatus, NodesOf, NodesSeen};

use crate::control::Control;
use crate::error::ControlError;
use crate::iam::Actor;

/// Seconds after which what an instance told counts no more, though it is heard of: it tells every two minutes, unless it is of a
/// version that does not.
const COUNTS_FOR: i64 = 300;

/// How the nodes of a service are.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceHealth {
    /// By owner, host and port.
    pub nodes: Vec<ServiceNode>,
    /// Some instance watches more nodes than it tells of, so there may be others.
    pub leaves_nodes_out: bool,
}

/// One node.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceNode {
    /// The service, route or upstream that it stands in.
    pub owner: ResourceKey,
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Its priority.
    pub priority: i32,
    /// Whether requests are judged besides probes.
    pub passive: bool,
    /// The worst that an instance tells now; `None` when none does.
    pub status: Option<NodeStatus>,
    /// What each instance told.
    pub told: Vec<NodeTold>,
}

/// How a node is to one instance.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeTold {
    /// The instance.
    pub instance: InstanceId,
    /// Its machine.
    pub hostname: String,
    /// Standing and counters.
    pub state: NodeState,
    /// When it told, in unix seconds.
    pub told_at: i64,
    /// Whether that still counts: the instance is heard of, and goes on telling.
    pub is_current: bool,
}

impl Control {
    /// How the nodes of a service are, or of one of its upstreams alone: those of its own upstream, of further ones and the one it
    /// names, and of its routes' own. Nodes that no health check watches, or that no request has asked for yet, are not among them.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn service_health(
        &self,
        actor: &Actor,
        group: &GroupId,
        service: &ResourceId,
        upstream: Option<&ResourceId>,
    ) -> Result<ServiceHealth, ControlError> {
        let key = ResourceKey::new(Kind::Service, service.clone());
        let permit = self.permit_to_read(actor, group, &key).await?;
        let stored = self.within(self.inner.store.config().get(permit.group(), &key)).await?;
        let stored = stored.ok_or_else(|| ControlError::not_found(&key))?;
        let named = named_upstream(&stored)?;
        let of = NodesOf { service, named: named.as_ref(), upstream };
        let (instances, liveness) = (self.inner.store.instances(), self.liveness());
        let seen = self.within(instances.nodes_of(permit.group(), of, liveness)).await?;
        let leaves_nodes_out = self.within(instances.leaves_nodes_out(permit.group())).await?;
        Ok(ServiceHealth { nodes: by_node(seen, liveness.now), leaves_nodes_out })
    }
}

/// The `upstream_id` of a service. Ids of upstreams are taken once in a group, so it is one below the service or one beside it.
fn named_upstream(service: &StoredResource) -> Result<Option<ResourceId>, ControlError> {
    let body: Value = serde_json::from_slice(&service.body).map_err(ControlError::internal)?;
    Ok(body.get("upstream_id").and_then(Value::as_str).and_then(|id| ResourceId::new(id).ok()))
}

fn by_node(seen: Vec<NodesSeen>, now: i64) -> Vec<ServiceNode> {
    let mut nodes: BTreeMap<_, ServiceNode> = BTreeMap::new();
    for NodesSeen { owner, nodes: states, instance, hostname, instance_status, is_revoked, told_at } in seen {
        let is_heard = matches!(instance_status, InstanceStatus::Healthy | InstanceStatus::OutOfSync) && !is_revoked;
        let is_current = is_heard && now.saturating_sub(told_at) <= COUNTS_FOR;
        for state in states {
            let place = (owner.clone(), state.host.clone(), state.port, state.priority);
            let node = nodes.entry(place).or_insert_with(|| ServiceNode {
                owner: owner.clone(),
                host: state.host.clone(),
                port: state.port,
                priority: state.priority,
                passive: false,
                status: None,
                told: Vec::new(),
            });
            node.passive |= state.passive;
            if is_current {
                node.status = node.status.max(Some(state.status));
            }
            let (instance, hostname) = (instance.clone(), hostname.clone());
            node.told.push(NodeTold { instance, hostname, state, told_at, is_current });
        }
    }
    nodes.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(instance: &str, status: NodeStatus, instance_status: InstanceStatus, told_at: i64) -> NodesSeen {
        let state = NodeState {
            host: "10.0.0.1".into(),
            port: 80,
            priority: 0,
            passive: false,
            status,
            successes: 0,
            http_failures: 0,
            tcp_failures: 0,
            timeouts: 0,
        };
        NodesSeen {
            owner: ResourceKey::new(Kind::Service, ResourceId::new("s").unwrap()),
            nodes: vec![state],
            instance: instance.parse().unwrap(),
            hostname: format!("host-{instance}"),
            instance_status,
            is_revoked: false,
            told_at,
        }
    }

    fn standing(seen: Vec<NodesSeen>) -> (Option<NodeStatus>, Vec<bool>) {
        let nodes = by_node(seen, 1000);
        let [node] = &nodes[..] else { panic!("{nodes:?}") };
        (node.status, node.told.iter().map(|told| told.is_current).collect())
    }

    #[test]
    fn the_worst_that_is_told_now_counts() {
        use InstanceStatus::{Healthy, LostConnection, Offline, OutOfSync};
        let good = || seen("a", NodeStatus::MostlyHealthy, Healthy, 900);
        let bad = |status, at| seen("b", NodeStatus::Unhealthy, status, at);
        let worst = (Some(NodeStatus::Unhealthy), vec![true, true]);
        assert_eq!(standing(vec![good(), bad(OutOfSync, 1000)]), worst);
        let other = (Some(NodeStatus::MostlyHealthy), vec![true, false]);
        assert_eq!(standing(vec![good(), bad(LostConnection, 990)]), other);
        assert_eq!(standing(vec![good(), bad(Offline, 990)]), other);
        assert_eq!(standing(vec![good(), bad(Healthy, 699)]), other, "heard of, but it tells no more");
        let revoked = NodesSeen { is_revoked: true, ..bad(Healthy, 1000) };
        assert_eq!(standing(vec![good(), revoked]), other);
        assert_eq!(standing(vec![bad(Offline, 1000)]), (None, vec![false]));
    }
}
