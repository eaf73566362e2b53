//! How nodes are, from the instance that probes them to the API and the command line.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::verbs::Verbs;
use support::{Api, client, control_plane, directory, gateway, soon_status, upstream_on};

const HEALTH: &str = "/api/gateway_groups/default/services/s/healthcheck";
/// The prober needs a second or two, the telling one more; the rest is for a busy machine.
const SOON: Duration = Duration::from_secs(20);
/// An instance counts as lost after thirty seconds.
const LOST: Duration = Duration::from_secs(60);

/// Waits until the API's answer is as it should be, and gives it.
async fn until(api: &Api, what: &str, limit: Duration, is_so: impl Fn(&Value) -> bool) -> Value {
    let started = Instant::now();
    loop {
        let health = api.call("GET", HEALTH, None).await;
        if is_so(&health) {
            return health;
        }
        assert!(started.elapsed() < limit, "{what}: {health}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn node(health: &Value, address: SocketAddr) -> &Value {
    let list = health["list"].as_array().expect("a list");
    list.iter().find(|node| node["port"] == address.port()).unwrap_or(&Value::Null)
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_are_shown_as_instances_tell() {
    let (control_dir, gateway_dir) = (directory(), directory());
    let control = control_plane(control_dir.path(), ("127.0.0.1:0", "127.0.0.1:0"));
    let api = &control.api;
    let any = "127.0.0.1:0".parse().unwrap();
    let ((steady, _steady), (frail, killed)) = (upstream_on("steady", any).await, upstream_on("frail", any).await);
    let upstream = json!({
        "nodes": { steady.to_string(): 1, frail.to_string(): 1 },
        "checks": { "active": {
            "type": "http", "http_path": "/", "timeout": 1,
            "healthy": { "interval": 1, "successes": 1 },
            "unhealthy": { "interval": 1, "http_failures": 1, "tcp_failures": 1, "timeouts": 1 },
        } },
    });
    api.put("default", "services/s", json!({ "name": "s", "upstream": upstream })).await;
    api.put("default", "routes/r", json!({ "name": "r", "paths": ["/"], "service_id": "s" })).await;
    let instance = gateway(gateway_dir.path(), &control.channel, Some(&api.join_token("default").await));
    soon_status(&client(), instance.http(), "/", 200).await;

    let status = |health: &Value, address| node(health, address)["status"].clone();
    let are = |of_steady: &'static str, of_frail: &'static str| {
        move |health: &Value| status(health, steady) == of_steady && status(health, frail) == of_frail
    };
    let first = until(api, "both are well", SOON, are("healthy", "healthy")).await;
    assert_eq!((&first["total"], &first["left_out"]), (&json!(2), &json!(false)));
    let one = node(&first, steady);
    assert_eq!(
        (&one["resource_type"], &one["resource_id"], &one["checks"]),
        (&json!("service"), &json!("s"), &json!(["active"]))
    );
    let instances = api.call("GET", "/api/gateway_groups/default/instances", None).await;
    assert_eq!(one["instances"][0]["id"], instances["list"][0]["id"]);

    killed.abort();
    let down = until(api, "one is down", SOON, are("healthy", "unhealthy")).await;
    assert_eq!(node(&down, frail)["instances"][0]["counter"]["tcp_failure"], 1);
    let (_, revived) = upstream_on("frail", frail).await;
    until(api, "it is back", SOON, are("healthy", "healthy")).await;
    revived.abort();
    until(api, "it is down again", SOON, are("healthy", "unhealthy")).await;

    instance.stop();
    let past = until(api, "nobody tells", LOST, are("unknown", "unknown")).await;
    let seen = &node(&past, frail)["instances"][0];
    assert_eq!((&seen["current"], &seen["status"]), (&json!(false), &json!("unhealthy")));
    let told_at = seen["told_at"].as_u64().expect("a time");
    let age = std::time::UNIX_EPOCH.elapsed().expect("a clock").as_secs() - told_at;
    assert!((20..600).contains(&age), "{age}");
    let verbs = Verbs::of(&control).await;
    let words = ["service", "health", "s", "--gateway-group", "default"];
    let (table, _) = verbs.told(&words);
    let line = table.lines().find(|line| line.contains(&frail.to_string())).expect("a line for the node");
    assert!(line.contains("unhealthy") && line.ends_with(", not current"), "{table}");
    let (text, _) = verbs.told(&[&words[..], &["--output", "json"]].concat());
    assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), past);
}
