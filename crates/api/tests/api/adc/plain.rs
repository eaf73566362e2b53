//! The same client with its backend `apisix`: it speaks to the plain Admin API, and finds out by comparison what to write.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::typed;
use crate::fixture::{APISIX_KEY, Fixture};

/// What the client writes for services with an upstream, a route, a consumer with a credential and streams, in its
/// order: the upstream of a service stands on its own, under the service's id.
fn writes() -> Vec<(&'static str, Value)> {
    let nodes = json!([{ "host": "127.0.0.1", "port": 8080, "weight": 1, "priority": 0 }]);
    let key_auth = json!({ "key-auth": { "key": "jacks-key" } });
    let limit = json!({ "limit-count": { "count": 5, "time_window": 60 } });
    vec![
        ("upstreams/s1", json!({ "id": "s1", "name": "shop", "nodes": nodes, "type": "roundrobin" })),
        ("services/s1", json!({ "id": "s1", "name": "shop", "upstream_id": "s1", "hosts": ["shop.example"] })),
        (
            "upstreams/u2",
            json!({ "id": "u2", "name": "canary", "nodes": nodes, "labels": { "__ADC_UPSTREAM_SERVICE_ID": "s1" } }),
        ),
        (
            "routes/r1",
            json!({
                "id": "r1", "name": "carts", "uris": ["/carts/*"], "service_id": "s1", "methods": ["GET"],
                "plugins": { "limit-count": { "count": 2, "time_window": 60 } },
            }),
        ),
        ("upstreams/t1", json!({ "id": "t1", "scheme": "tcp", "pass_host": "pass", "nodes": nodes })),
        ("services/t1", json!({ "id": "t1", "name": "tcp", "upstream_id": "t1" })),
        // Older builds keep the name in a label, newer ones send it.
        (
            "stream_routes/t2",
            json!({ "id": "t2", "server_port": 9100, "service_id": "t1", "labels": { "__ADC_NAME": "database" } }),
        ),
        ("stream_routes/t3", json!({ "name": "queue", "server_port": 9101, "service_id": "t1" })),
        // Of a stream's upstream its users need not say what it speaks.
        ("upstreams/p1", json!({ "id": "p1", "name": "plain", "scheme": "http", "nodes": nodes })),
        ("services/p1", json!({ "id": "p1", "name": "plain", "upstream_id": "p1" })),
        ("stream_routes/p2", json!({ "name": "cache", "server_port": 9102, "service_id": "p1" })),
        (
            "upstreams/d1",
            json!({ "id": "d1", "name": "found", "scheme": "https", "discovery_type": "kubernetes", "service_name": "shop" }),
        ),
        ("services/d1", json!({ "id": "d1", "name": "found", "upstream_id": "d1", "hosts": ["found.example"] })),
        ("services/b1", json!({ "id": "b1", "name": "bare" })),
        ("consumer_groups/g1", json!({ "id": "g1", "labels": { "ADC_NAME": "gold" }, "plugins": limit })),
        ("consumers/jack", json!({ "username": "jack", "labels": { "plan": "gold" }, "group_id": "g1" })),
        ("consumers/jack/credentials/c1", json!({ "id": "c1", "name": "key", "plugins": key_auth })),
        ("global_rules/prometheus", json!({ "id": "prometheus", "plugins": { "prometheus": {} } })),
        ("plugin_metadata/file-logger", json!({ "log_format": { "host": "$host" } })),
    ]
}

async fn ask(api: &Fixture, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, Value)> {
    let response = api.admin(APISIX_KEY, method, path, body).await?;
    let server = response.headers().get("server").context("a server header")?.to_str()?.to_owned();
    ensure!(server == "APISIX/3.18.0", "the client reads the version here: {server}");
    let status = response.status().as_u16();
    Ok((status, serde_json::from_str(&response.text().await?).unwrap_or_default()))
}

/// Whether all that was sent is in what stands there.
pub(super) fn holds(there: &Value, sent: &Value) -> bool {
    match (there, sent) {
        (Value::Object(there), Value::Object(sent)) => {
            sent.iter().all(|(name, value)| there.get(name).is_some_and(|there| holds(there, value)))
        }
        (Value::Array(there), Value::Array(sent)) => {
            there.len() == sent.len() && there.iter().zip(sent).all(|(there, sent)| holds(there, sent))
        }
        (there, sent) => there == sent,
    }
}

#[tokio::test]
async fn what_the_client_writes_is_what_it_reads() -> Result<()> {
    let api = Fixture::start_with(::plugins::registry()).await?;
    ensure!(ask(&api, "GET", "routes", None).await?.0 == 200);
    ensure!(ask(&api, "GET", "consumers/jack/credentials", None).await?.0 == 404, "none means not there");
    for (path, body) in writes() {
        let (status, answer) = ask(&api, "PUT", path, Some(&body)).await?;
        ensure!(status == 201 && answer["key"] == format!("/apisix/{path}"), "{path}: {status} {answer}");
    }
    for (path, body) in writes() {
        let (collection, _) = path.rsplit_once('/').context("a collection")?;
        let (_, list) = ask(&api, "GET", collection, None).await?;
        let entries = list["list"].as_array().context("a list")?;
        let entry = entries.iter().find(|entry| entry["key"] == format!("/apisix/{path}")).context("listed")?;
        ensure!(holds(&entry["value"], &body), "{path}: {entry}");
        typed::read(collection, &entry["value"])?;
        // What it read it can write back as it is, and that changes nothing.
        let mut back = entry["value"].clone();
        for time in ["create_time", "update_time"] {
            back.as_object_mut().context("fields")?.remove(time);
        }
        let (status, answer) = ask(&api, "PUT", path, Some(&back)).await?;
        ensure!(status == 200 && answer["value"] == entry["value"], "{path}: {status} {answer}\n{entry}");
    }
    let order = [
        "routes/r1",
        "stream_routes/t2",
        "stream_routes/t3",
        "stream_routes/p2",
        "services/s1",
        "services/t1",
        "services/p1",
        "services/d1",
        "upstreams/s1",
        "upstreams/t1",
        "upstreams/p1",
        "upstreams/d1",
        "consumers/jack",
        "consumer_groups/g1",
    ];
    for path in order {
        let (status, answer) = ask(&api, "DELETE", path, None).await?;
        ensure!(status == 200 && answer["deleted"] == "1", "{path}: {status} {answer}");
    }
    ensure!(ask(&api, "GET", "consumers/jack/credentials", None).await?.0 == 404, "they went with the consumer");
    api.stop().await;
    Ok(())
}

/// A typed client sends all that it has a default for, whole numbers with a point; and what it did not send it does not
/// want to find.
#[tokio::test]
async fn upstreams_come_back_as_they_were_sent() -> Result<()> {
    let api = Fixture::start_with(::plugins::registry()).await?;
    let active = json!({
        "type": "http", "timeout": 1.0, "concurrency": 10, "http_method": "POST", "http_path": "/up",
        "http_req_body": "ping", "req_headers": ["X-Probe: 1"], "https_verify_certificate": true,
        "unhealthy": { "http_statuses": [500], "http_failures": 2, "tcp_failures": 2, "timeouts": 3, "interval": 1 },
    });
    let spelt = json!({
        "name": "spelt", "type": "roundrobin", "scheme": "https", "pass_host": "pass", "retries": 2, "retry_timeout": 2.5,
        "nodes": [{ "host": "127.0.0.1", "port": 8080, "weight": 1, "priority": 0.0 }],
        "timeout": { "connect": 60.0, "send": 60.0, "read": 0.5 }, "checks": { "active": active },
        "keepalive_pool": { "size": 320, "idle_timeout": 60.0, "requests": 1000 }, "tls": { "verify": false },
    });
    let (status, answer) = ask(&api, "PUT", "upstreams/spelt", Some(&spelt)).await?;
    ensure!(status == 201, "{answer}");
    typed::read("upstreams", &answer["value"])?;
    let mut whole = spelt;
    whole["nodes"][0]["priority"] = json!(0);
    whole["timeout"] = json!({ "connect": 60, "send": 60, "read": 0.5 });
    whole["checks"]["active"]["timeout"] = json!(1);
    whole["keepalive_pool"]["idle_timeout"] = json!(60);
    ensure!(holds(&answer["value"], &whole), "{answer}");
    let short = json!({ "nodes": { "127.0.0.1:1": 1 }, "checks": { "active": { "http_path": "/up" } } });
    for (path, body, pointer) in [
        ("upstreams/short", short.clone(), "/value/checks/active"),
        ("routes/short", json!({ "uri": "/", "upstream": short }), "/value/upstream/checks/active"),
    ] {
        let (_, answer) = ask(&api, "PUT", path, Some(&body)).await?;
        let active = answer.pointer(pointer).with_context(|| format!("{answer}"))?;
        ensure!(active["type"] == "http" && active["concurrency"] == 10, "{active}");
        ensure!(active.get("http_method").is_none() && active.get("http_req_body").is_none(), "{active}");
    }
    api.stop().await;
    Ok(())
}

/// Upstreams of their own and credentials are checked too: a credential among the consumers, its owner in its id.
#[tokio::test]
async fn a_whole_configuration_is_checked_with_upstreams_and_credentials() -> Result<()> {
    let api = Fixture::start_with(::plugins::registry()).await?;
    let up = json!([{ "host": "127.0.0.1", "port": 80, "weight": 1 }]);
    let credential =
        |config: Value| json!({ "id": "mara/credentials/c1", "name": "c1", "plugins": { "key-auth": config } });
    let body = |credential: Value, upstream: Value| {
        json!({
            "services": [{ "id": "s1", "name": "shop", "upstream_id": "s1" }],
            "routes": [{ "id": "r1", "name": "r", "uris": ["/r"], "service_id": "s1", "status": 1 }],
            "consumers": [{ "username": "mara" }, credential], "ssls": [], "global_rules": [], "plugin_metadata": [],
            "stream_routes": [{ "name": "queue", "server_port": 9101, "service_id": "s1" }],
            "upstreams": [{ "id": "s1", "name": "shop", "nodes": up }, upstream],
        })
    };
    let upstream = |retries: i32| json!({ "id": "u1", "nodes": up, "retries": retries });
    let good = body(credential(json!({ "key": "k" })), upstream(0));
    let (status, answer) = ask(&api, "POST", "configs/validate", Some(&good)).await?;
    ensure!(status == 200, "{answer}");
    let bad = body(credential(json!({})), upstream(-1));
    let (status, answer) = ask(&api, "POST", "configs/validate", Some(&bad)).await?;
    let errors = answer["errors"].as_array().context("errors")?;
    let mut places: Vec<_> =
        errors.iter().map(|error| (error["resource_type"].as_str(), error["index"].as_u64())).collect();
    places.sort();
    ensure!(status == 400 && places == [(Some("consumers"), Some(1)), (Some("upstreams"), Some(1))], "{answer}");
    ensure!(ask(&api, "GET", "routes/r1", None).await?.0 == 404, "nothing is stored");
    api.stop().await;
    Ok(())
}
