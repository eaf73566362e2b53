//! Health as the control plane is told it.

use std::sync::atomic::Ordering::Relaxed;

use balance::Standing;
use model::{Kind, ResourceId, ResourceKey};
use wire::changes::key_to_wire;
use wire::{node_health, v1};

use super::book::HealthBook;
use super::watched::{Watched, WatchedNode};
use crate::config::NodeChanges;

impl HealthBook {
    /// How the nodes of all upstreams in use are, as many as may be told.
    pub(crate) fn told(&self) -> v1::NodeHealth {
        node_health::bounded(self.all().iter().filter_map(|watched| upstream(watched)).collect())
    }

    /// How far it has moved on.
    pub(crate) fn moved_on(&self) -> NodeChanges {
        NodeChanges { turns: self.changes.turns.load(Relaxed), reports: self.changes.reports.load(Relaxed) }
    }
}

/// `None` for what is no part of a service: an upstream in a plugin of a consumer, say.
fn upstream(watched: &Watched) -> Option<v1::WatchedUpstream> {
    Some(v1::WatchedUpstream {
        owner: Some(key_to_wire(&owner(&watched.owner)?)),
        passive: watched.is_passive(),
        nodes: watched.nodes.iter().map(node).collect(),
    })
}

fn node(node: &WatchedNode) -> v1::WatchedNode {
    let health = node.health.get();
    v1::WatchedNode {
        host: node.host.to_string(),
        port: node.own_port.into(),
        priority: node.priority,
        status: status(health.standing) as i32,
        successes: health.successes.into(),
        http_failures: health.http_failures.into(),
        tcp_failures: health.tcp_failures.into(),
        timeouts: health.timeouts.into(),
    }
}

fn status(standing: Standing) -> v1::NodeStatus {
    match standing {
        Standing::Healthy => v1::NodeStatus::Healthy,
        Standing::MostlyHealthy => v1::NodeStatus::MostlyHealthy,
        Standing::MostlyUnhealthy => v1::NodeStatus::MostlyUnhealthy,
        Standing::Unhealthy => v1::NodeStatus::Unhealthy,
    }
}

/// `service/s1`, `route/r1`, `upstream/u1`, `upstream/s1/u1`
fn owner(text: &str) -> Option<ResourceKey> {
    let (kind, rest) = text.split_once('/')?;
    let kind: Kind = kind.parse().ok()?;
    let id = |text: &str| ResourceId::new(text).ok();
    match (kind, rest.split_once('/')) {
        (Kind::Upstream, Some((service, own))) => Some(ResourceKey::below(id(service)?, kind, id(own)?)),
        (Kind::Service | Kind::Route | Kind::Upstream, None) => Some(ResourceKey::new(kind, id(rest)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use model::Change;
    use serde_json::json;

    use super::*;
    use crate::health::Seen;
    use crate::plan_slot::PlanSlot;

    #[test]
    fn owners_are_read_as_the_plan_names_them() {
        for known in ["service/s", "route/r", "upstream/u", "upstream/s/u"] {
            assert_eq!(owner(known).map(|key| key.to_string()).as_deref(), Some(known));
        }
        for unknown in ["consumer/jack", "plugin_config/p", "route/r/x", "nothing/x", "service", "upstream/"] {
            assert_eq!(owner(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn nodes_are_told_as_configured_and_changes_are_counted() {
        let mut slot = PlanSlot::new(plugins::registry());
        let body = json!({
            "nodes": [
                { "host": "10.0.0.1", "port": 80, "weight": 1, "priority": 5 },
                { "host": "10.0.0.2", "port": 81, "weight": 1, "priority": -1 },
            ],
            "checks": {
                "active": { "type": "tcp", "port": 9000, "unhealthy": { "tcp_failures": 2 } },
                "passive": { "type": "tcp", "unhealthy": { "tcp_failures": 2 } },
            },
        });
        let id = |text| ResourceId::new(text).expect("an id");
        let service = json!({ "name": "s" });
        let put = |key, body| Change::Put(key, model::json::canonical(body).into());
        let service = put(ResourceKey::new(Kind::Service, id("s")), &service);
        let key = ResourceKey::below(id("s"), Kind::Upstream, id("u"));
        slot.apply(&[service, put(key.clone(), &body)]).expect("a plan");
        let health = slot.plans().health.clone();
        let plan = slot.plans().current.load_full().expect("a plan");
        let none = health.moved_on();
        assert_eq!(health.told(), v1::NodeHealth::default(), "nothing used it yet");

        let watched = health.watch(plan.upstream_by_id(Some("s"), "u").expect("the upstream")).expect("checks");
        let began = health.moved_on();
        assert!(began.turns > none.turns);
        watched.report_actively(1, Seen::Failure);
        let wavering = health.moved_on();
        assert_eq!((wavering.turns, wavering.reports), (began.turns, began.reports + 1), "it still serves");
        watched.report_actively(1, Seen::Failure);
        assert!(health.moved_on().turns > wavering.turns);
        let settled = health.moved_on();
        watched.report_actively(1, Seen::Failure);
        assert_eq!(health.moved_on(), settled, "what is settled is no news");

        let told = health.told();
        let [upstream] = &told.upstreams[..] else { panic!("{told:?}") };
        assert_eq!(upstream.owner, Some(key_to_wire(&key)));
        assert!(upstream.passive);
        let down = v1::WatchedNode {
            host: "10.0.0.2".into(),
            port: 81,
            priority: -1,
            status: v1::NodeStatus::Unhealthy as i32,
            tcp_failures: 2,
            ..Default::default()
        };
        let well = v1::WatchedNode {
            host: "10.0.0.1".into(),
            port: 80,
            priority: 5,
            status: v1::NodeStatus::Healthy as i32,
            ..Default::default()
        };
        assert_eq!(upstream.nodes, [down, well]);
        drop((slot, plan));
        assert_eq!(health.told(), v1::NodeHealth::default());
        assert!(health.moved_on().turns > settled.turns, "nodes that went are news");
    }
}
