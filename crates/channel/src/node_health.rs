//! What an instance tells of its nodes, read: what cannot be true is left out, and counted as such.

use model::{Kind, ResourceKey};
use store::instances::{NodeState, NodeStatus, NodesTold};
use wire::changes::key_from_wire;
use wire::limits::{MAX_HOST_BYTES, MAX_NODES};
use wire::v1;

/// Reads it. No more nodes than an instance may tell of, none of an owner that no service has, each within its bounds.
pub(crate) fn read(health: &v1::NodeHealth) -> NodesTold {
    let mut told = NodesTold { left_out: health.left_out, ..NodesTold::default() };
    let (mut read, mut named) = (0, 0_usize);
    for upstream in &health.upstreams {
        named += upstream.nodes.len();
        let Some(owner) = owner(upstream) else { continue };
        let nodes = upstream.nodes.iter().filter_map(|one| node(one, upstream.passive)).take(MAX_NODES - read);
        let nodes: Vec<_> = nodes.collect();
        if !nodes.is_empty() {
            read += nodes.len();
            told.nodes.entry(owner).or_default().extend(nodes);
        }
    }
    told.left_out = told.left_out.saturating_add(u32::try_from(named - read).unwrap_or(u32::MAX));
    told
}

/// Ids are short, which `key_from_wire` sees to.
fn owner(upstream: &v1::WatchedUpstream) -> Option<ResourceKey> {
    let key = key_from_wire(upstream.owner.clone()?).ok()?;
    match (key.kind, &key.parent) {
        (Kind::Service | Kind::Route, None) | (Kind::Upstream, _) => Some(key),
        _ => None,
    }
}

fn node(told: &v1::WatchedNode, passive: bool) -> Option<NodeState> {
    let is_host = !told.host.is_empty() && told.host.len() <= MAX_HOST_BYTES && !told.host.contains(char::is_control);
    is_host.then_some(())?;
    Some(NodeState {
        host: told.host.clone(),
        port: u16::try_from(told.port).ok()?,
        priority: told.priority,
        passive,
        status: status(told.status())?,
        successes: told.successes,
        http_failures: told.http_failures,
        tcp_failures: told.tcp_failures,
        timeouts: told.timeouts,
    })
}

fn status(told: v1::NodeStatus) -> Option<NodeStatus> {
    match told {
        v1::NodeStatus::Unspecified => None,
        v1::NodeStatus::Healthy => Some(NodeStatus::Healthy),
        v1::NodeStatus::MostlyHealthy => Some(NodeStatus::MostlyHealthy),
        v1::NodeStatus::MostlyUnhealthy => Some(NodeStatus::MostlyUnhealthy),
        v1::NodeStatus::Unhealthy => Some(NodeStatus::Unhealthy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(host: &str) -> v1::WatchedNode {
        v1::WatchedNode { host: host.into(), port: 80, status: v1::NodeStatus::Healthy as i32, ..Default::default() }
    }

    fn upstream(kind: v1::Kind, parent: &str, id: &str, nodes: Vec<v1::WatchedNode>) -> v1::WatchedUpstream {
        let owner = v1::Key { kind: kind as i32, parent: parent.into(), id: id.into() };
        v1::WatchedUpstream { owner: Some(owner), passive: false, nodes }
    }

    fn told(upstreams: Vec<v1::WatchedUpstream>) -> NodesTold {
        read(&v1::NodeHealth { upstreams, left_out: 0 })
    }

    #[test]
    fn what_is_right_is_taken() {
        let sick = v1::WatchedNode {
            priority: -3,
            status: v1::NodeStatus::MostlyUnhealthy as i32,
            successes: 1,
            http_failures: 2,
            tcp_failures: 3,
            timeouts: 4,
            ..node("a.example")
        };
        let mut one = upstream(v1::Kind::Upstream, "s", "u", vec![sick]);
        one.passive = true;
        let told = read(&v1::NodeHealth { upstreams: vec![one], left_out: 9 });
        let (owner, nodes) = told.nodes.first_key_value().unwrap();
        let expected = NodeState {
            host: "a.example".into(),
            port: 80,
            priority: -3,
            passive: true,
            status: NodeStatus::MostlyUnhealthy,
            successes: 1,
            http_failures: 2,
            tcp_failures: 3,
            timeouts: 4,
        };
        assert_eq!((&*owner.to_string(), &nodes[..], told.left_out), ("upstream/s/u", &[expected][..], 9));
    }

    #[test]
    fn upstreams_of_one_owner_are_taken_together() {
        let of = |host| upstream(v1::Kind::Route, "", "r", vec![node(host)]);
        let told = told(vec![of("a"), of("b")]);
        let hosts: Vec<_> = told.nodes.values().flatten().map(|node| &*node.host).collect();
        assert_eq!((told.nodes.len(), hosts), (1, vec!["a", "b"]));
    }

    #[test]
    fn what_cannot_be_is_left_out_and_counted() {
        let long = "h".repeat(MAX_HOST_BYTES + 1);
        let bad = vec![
            node(""),
            node(&long),
            node("two\nlines"),
            v1::WatchedNode { port: 65_536, ..node("port") },
            v1::WatchedNode { status: 0, ..node("no status") },
            v1::WatchedNode { status: 77, ..node("unknown status") },
            node("good"),
        ];
        let told = told(vec![
            upstream(v1::Kind::Service, "", "s", bad),
            upstream(v1::Kind::Service, "p", "s", vec![node("parent")]),
            upstream(v1::Kind::Consumer, "", "s", vec![node("kind")]),
            upstream(v1::Kind::Route, "", &"i".repeat(5000), vec![node("id")]),
            upstream(v1::Kind::Route, "", "a/b", vec![node("id")]),
            v1::WatchedUpstream { owner: None, passive: false, nodes: vec![node("no owner")] },
        ]);
        let hosts: Vec<_> = told.nodes.values().flatten().map(|node| &*node.host).collect();
        assert_eq!((told.nodes.len(), hosts, told.left_out), (1, vec!["good"], 11));
    }

    #[test]
    fn no_more_nodes_are_taken_than_may_be_told() {
        let many = |id| upstream(v1::Kind::Service, "", id, vec![node("n"); 700]);
        let told = told(vec![many("a"), many("b"), many("c")]);
        let counts: Vec<_> = told.nodes.values().map(Vec::len).collect();
        assert_eq!((counts, told.left_out), (vec![700, 300], 1100));
    }
}
