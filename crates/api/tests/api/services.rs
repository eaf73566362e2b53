//! /api/gateway_groups/{gateway_group_id}/services/{service_id}

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result};
use model::{Kind, ResourceId, ResourceKey};
use serde_json::{Value, json};
use store::instances::{Heartbeat, NodeState, NodeStatus, NodesTold};

use crate::fixture::{Fixture, admin, now, route, service};
use crate::instances::{heard, joined};

const OF_S: &str = "/api/gateway_groups/default/services/s";

/// An instance of the group `default`, which told `seconds` ago of these nodes and was not heard of since.
async fn told(api: &Fixture, id: &str, seconds: i64, nodes: &[(&ResourceKey, NodeState)], left_out: u32) -> Result<()> {
    let joined = joined(api, id, "default", seconds).await?;
    let mut by_owner: BTreeMap<ResourceKey, Vec<NodeState>> = BTreeMap::new();
    for (owner, state) in nodes {
        by_owner.entry((*owner).clone()).or_default().push(state.clone());
    }
    heard(api, Heartbeat { nodes: Some(Arc::new(NodesTold { nodes: by_owner, left_out })), ..joined }).await
}

fn state(host: &str, status: NodeStatus) -> NodeState {
    NodeState {
        host: host.into(),
        port: 8080,
        priority: -1,
        passive: host == "a",
        status,
        successes: 1,
        http_failures: 2,
        tcp_failures: 3,
        timeouts: 4,
    }
}

#[tokio::test]
async fn the_health_of_a_service_is_what_instances_tell() -> Result<()> {
    let api = Fixture::start().await?;
    api.put(&admin("services/s"), service("s")).await?.good()?;
    api.put(&admin("services/s/upstreams/u"), json!({ "name": "u", "nodes": { "b": 1 } })).await?.good()?;
    let path = format!("{OF_S}/healthcheck");
    let nothing = json!({ "list": [], "total": 0, "left_out": false });
    assert_eq!(api.get(&path).await?.good()?.body, nothing);
    let own = ResourceKey::new(Kind::Service, ResourceId::new("s")?);
    let further = ResourceKey::below(ResourceId::new("s")?, Kind::Upstream, ResourceId::new("u")?);
    let (well, sick) = (NodeStatus::Healthy, NodeStatus::Unhealthy);
    told(&api, "i1", 1, &[(&own, state("a", well)), (&further, state("b", NodeStatus::MostlyUnhealthy))], 0).await?;
    told(&api, "i2", 3600, &[(&own, state("a", sick))], 3).await?;

    let shown = api.get(&path).await?.good()?.body;
    assert_eq!((&shown["total"], &shown["left_out"]), (&json!(2), &json!(true)));
    let node = &shown["list"][0];
    let expected = json!({
        "resource_type": "service", "resource_id": "s", "host": "a", "port": 8080, "priority": -1,
        "status": "healthy", "checks": ["active", "passive"], "instances": node["instances"],
    });
    assert_eq!(node, &expected, "who is silent for an hour does not count");
    let instances = node["instances"].as_array().context("instances")?;
    let facts =
        |seen: &Value| (seen["id"].clone(), seen["hostname"].clone(), seen["status"].clone(), seen["current"].clone());
    let facts: Vec<_> = instances.iter().map(facts).collect();
    assert_eq!(
        facts,
        [
            (json!("i1"), json!("host-i1"), json!("healthy"), json!(true)),
            (json!("i2"), json!("host-i2"), json!("unhealthy"), json!(false)),
        ]
    );
    let counter = json!({ "success": 1, "http_failure": 2, "tcp_failure": 3, "timeout_failure": 4 });
    assert_eq!(instances[1]["counter"], counter);
    let age = now() - instances[1]["told_at"].as_i64().context("told_at")?;
    assert!((3600..3660).contains(&age), "{age}");

    let of_u = api.get(&format!("{path}?upstream_id=u")).await?.good()?.body;
    let (only, total) = (&of_u["list"][0], &of_u["total"]);
    let facts = (&only["resource_type"], &only["resource_id"], &only["host"], &only["status"], &only["checks"]);
    let (upstream, u, b, status) = (json!("upstream"), json!("u"), json!("b"), json!("mostly_unhealthy"));
    assert_eq!((facts, total), ((&upstream, &u, &b, &status, &json!(["active"])), &json!(1)));
    assert_eq!(api.get(&format!("{path}?upstream_id=none")).await?.good()?.body["total"], 0);
    assert_eq!(api.get(&format!("{path}?upstream_id=a%2Fb")).await?.status, 400);
    assert_eq!(api.get("/api/gateway_groups/default/services/none/healthcheck").await?.status, 404);
    assert_eq!(api.get("/api/gateway_groups/none/services/s/healthcheck").await?.status, 404);
    Ok(())
}

/// An upstream beside services is shown with the one that names it, and with no other.
#[tokio::test]
async fn an_upstream_beside_services_is_of_those_that_name_it() -> Result<()> {
    let api = Fixture::start().await?;
    api.put(&admin("upstreams/u"), json!({ "name": "u", "nodes": { "n": 1 } })).await?.good()?;
    api.put(&admin("services/s"), json!({ "name": "s", "upstream_id": "u" })).await?.good()?;
    api.put(&admin("services/t"), service("t")).await?.good()?;
    let beside = ResourceKey::new(Kind::Upstream, ResourceId::new("u")?);
    told(&api, "i", 1, &[(&beside, state("n", NodeStatus::Healthy))], 0).await?;
    let total = async |service: &str| {
        let path = format!("/api/gateway_groups/default/services/{service}/healthcheck?upstream_id=u");
        anyhow::Ok(api.get(&path).await?.good()?.body["total"].clone())
    };
    assert_eq!((total("s").await?, total("t").await?), (json!(1), json!(0)));
    Ok(())
}

#[tokio::test]
async fn routes_of_a_service_are_those_of_the_admin_api() -> Result<()> {
    let api = Fixture::start().await?;
    for id in ["s", "t"] {
        api.put(&admin(&format!("services/{id}")), service(id)).await?.good()?;
        let streams = json!({ "name": id, "type": "stream", "upstream": { "nodes": { "a": 1 } } });
        api.put(&admin(&format!("services/stream-{id}")), streams).await?.good()?;
    }
    for (id, of) in [("r1", "s"), ("r2", "s"), ("r3", "t")] {
        let labelled = json!({ "labels": { "nth": id } });
        let mut body = route(of, &format!("/{id}"));
        body["labels"] = labelled["labels"].clone();
        api.put(&admin(&format!("routes/{id}")), body).await?.good()?;
        let stream = json!({ "name": id, "service_id": format!("stream-{of}"), "server_port": 9000 });
        api.put(&admin(&format!("stream_routes/{id}")), stream).await?.good()?;
    }
    for (kind, of) in [("routes", "s"), ("stream_routes", "stream-s")] {
        let path = format!("/api/gateway_groups/default/services/{of}/{kind}");
        for query in ["", "order_by=id&direction=asc", "page=2&page_size=1&order_by=id", "search=r2", "labels=nth=r1"] {
            let ours = api.get(&format!("{path}?{query}")).await?.good()?.body;
            let theirs = api.get(&admin(&format!("{kind}?service_id={of}&{query}"))).await?.good()?.body;
            assert_eq!(ours, theirs, "{path}?{query}");
            assert!(ours["list"].is_array(), "{ours}");
        }
        assert_eq!(api.get(&path).await?.good()?.body["total"], 2);
        // Whatever else is asked for, it is this service's.
        assert_eq!(api.get(&format!("{path}?service_id=t")).await?.good()?.body["total"], 2);
        assert_eq!(api.get(&format!("{path}?page=0")).await?.status, 400);
        assert_eq!(api.get(&format!("/api/gateway_groups/default/services/none/{kind}")).await?.status, 404);
    }
    Ok(())
}
