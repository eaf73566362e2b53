//! The same client with its backend `apisix`: it speaks to the plain Admin API, and finds out by comparison what to write.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::fixture::{APISIX_KEY, Fixture};

/// What the client writes for a service with an upstream, a route, a consumer with a credential and a stream, in its
/// order: the upstream of a service stands on its own, under the service's id.
fn writes() -> Vec<(&'static str, Value)> {
    let nodes = json!([{ "host": "127.0.0.1", "port": 8080, "weight": 1 }]);
    let key_auth = json!({ "key-auth": { "key": "jacks-key" } });
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
        ("upstreams/t1", json!({ "id": "t1", "scheme": "tcp", "nodes": nodes })),
        ("services/t1", json!({ "id": "t1", "name": "tcp", "upstream_id": "t1" })),
        (
            "stream_routes/t2",
            json!({ "id": "t2", "server_port": 9100, "service_id": "t1", "labels": { "__ADC_NAME": "database" } }),
        ),
        ("consumers/jack", json!({ "username": "jack", "labels": { "plan": "gold" } })),
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
fn holds(there: &Value, sent: &Value) -> bool {
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
        // What it read it can write back as it is, and that changes nothing.
        let mut back = entry["value"].clone();
        for time in ["create_time", "update_time"] {
            back.as_object_mut().context("fields")?.remove(time);
        }
        let (status, answer) = ask(&api, "PUT", path, Some(&back)).await?;
        ensure!(status == 200 && answer["value"] == entry["value"], "{path}: {status} {answer}\n{entry}");
    }
    let order = ["routes/r1", "stream_routes/t2", "services/s1", "services/t1", "upstreams/s1", "consumers/jack"];
    for path in order {
        let (status, answer) = ask(&api, "DELETE", path, None).await?;
        ensure!(status == 200 && answer["deleted"] == "1", "{path}: {status} {answer}");
    }
    ensure!(ask(&api, "GET", "consumers/jack/credentials", None).await?.0 == 404, "they went with the consumer");
    api.stop().await;
    Ok(())
}
