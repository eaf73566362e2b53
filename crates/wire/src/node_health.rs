//! The health of nodes, cut to what one frame may hold.

use std::cmp::Reverse;

use prost::Message;

use crate::limits::{MAX_NODE_HEALTH_BYTES, MAX_NODES};
use crate::v1;

/// Tag and length of a node, which itself is shorter than 16 KiB.
const NODE_FRAMING_BYTES: usize = 3;
/// Tag and length of an upstream.
const UPSTREAM_FRAMING_BYTES: usize = 4;
/// `left_out`, at its longest.
const LEFT_OUT_BYTES: usize = 6;

/// As many nodes as may be told, those in trouble first; the rest is counted. Upstreams keep their order, and those of which
/// no node is left are left out.
pub fn bounded(mut upstreams: Vec<v1::WatchedUpstream>) -> v1::NodeHealth {
    let nodes = upstreams.iter_mut().enumerate();
    let nodes =
        nodes.flat_map(|(at, upstream)| std::mem::take(&mut upstream.nodes).into_iter().map(move |one| (at, one)));
    let mut nodes: Vec<(usize, v1::WatchedNode)> = nodes.collect();
    let watched = nodes.len();
    // The numbers of statuses rise with the trouble.
    nodes.sort_by_key(|(_, node)| Reverse(node.status));
    nodes.truncate(MAX_NODES);
    let (mut bytes, mut told) = (LEFT_OUT_BYTES, 0);
    for (at, node) in nodes {
        let Some(upstream) = upstreams.get_mut(at) else { continue };
        bytes += node.encoded_len() + NODE_FRAMING_BYTES;
        if upstream.nodes.is_empty() {
            bytes += upstream.encoded_len() + UPSTREAM_FRAMING_BYTES;
        }
        if bytes > MAX_NODE_HEALTH_BYTES {
            break;
        }
        upstream.nodes.push(node);
        told += 1;
    }
    upstreams.retain(|upstream| !upstream.nodes.is_empty());
    v1::NodeHealth { upstreams, left_out: u32::try_from(watched - told).unwrap_or(u32::MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MAX_FROM_INSTANCE_BYTES;
    use crate::v1::NodeStatus;

    fn upstream(id: &str, hosts: impl IntoIterator<Item = String>, status: NodeStatus) -> v1::WatchedUpstream {
        let owner = v1::Key { kind: v1::Kind::Upstream as i32, parent: "service".into(), id: id.into() };
        let node = |host| v1::WatchedNode { host, port: 65535, status: status as i32, ..Default::default() };
        v1::WatchedUpstream { owner: Some(owner), passive: true, nodes: hosts.into_iter().map(node).collect() }
    }

    fn told(health: &v1::NodeHealth) -> usize {
        health.upstreams.iter().map(|upstream| upstream.nodes.len()).sum()
    }

    #[test]
    fn everything_is_told_where_it_fits() {
        let all = vec![
            upstream("a", ["10.0.0.1".into()], NodeStatus::Healthy),
            upstream("b", ["10.0.0.2".into()], NodeStatus::Unhealthy),
        ];
        assert_eq!(bounded(all.clone()), v1::NodeHealth { upstreams: all, left_out: 0 });
    }

    #[test]
    fn beyond_the_most_nodes_those_in_trouble_are_told() {
        let hosts = |count: usize| (0..count).map(|n| format!("10.0.{}.{}", n / 256, n % 256));
        let health = bounded(vec![
            upstream("well", hosts(5000), NodeStatus::Healthy),
            upstream("wavering", hosts(600), NodeStatus::MostlyHealthy),
            upstream("down", hosts(500), NodeStatus::Unhealthy),
        ]);
        assert_eq!((told(&health), health.left_out), (MAX_NODES, 5100));
        let of: Vec<_> = health.upstreams.iter().map(|one| (one.owner.clone().unwrap().id, one.nodes.len())).collect();
        assert_eq!(of, [("wavering".into(), 500), ("down".into(), 500)], "each with its owner, none of the well");
        let frame = crate::frame::node_health(health);
        assert!(frame.encoded_len() <= MAX_FROM_INSTANCE_BYTES, "{}", frame.encoded_len());
    }

    #[test]
    fn long_names_do_not_outgrow_a_frame() {
        let long = |n: usize| format!("{n:0>253}");
        let many = (0..900).map(|n| upstream(&"u".repeat(64), [long(n)], NodeStatus::Unhealthy)).collect();
        let health = bounded(many);
        let count = told(&health);
        assert!(count > 150 && health.left_out as usize == 900 - count, "{count}, {}", health.left_out);
        let frame = crate::frame::node_health(health);
        assert!(frame.encoded_len() <= MAX_NODE_HEALTH_BYTES + 4, "{}", frame.encoded_len());
    }
}
