//! API7's declarative client against our API: what `adc ping`, `dump`, `diff`, `sync` and `validate` ask with the backend
//! `api7ee`, how they read the answers, and what they conclude. The client itself comes from no registry, so `client.rs`
//! follows its public description; a second sync that writes anything would be one on every run of a user's pipeline.

mod client;
mod defaults;
mod first_use;
mod lives;
mod plain;
mod shapes;
mod typed;

use anyhow::{Result, ensure};
use client::Adc;
use lives::by_name;
use serde_json::{Value, json};

use crate::fixture::{Fixture, admin};

/// A configuration with everything that the client knows.
fn everything() -> Result<Value> {
    let certified = rcgen::generate_simple_self_signed(vec!["shop.example".to_owned()])?;
    let certificate = json!({ "certificate": certified.cert.pem(), "key": certified.signing_key.serialize_pem() });
    let nodes = json!([{ "host": "127.0.0.1", "port": 8080, "weight": 1 }]);
    let limit = json!({ "count": 2, "time_window": 60, "rejected_code": 429 });
    Ok(json!({
        "services": [
            {
                "name": "shop", "description": "the shop", "hosts": ["shop.example"], "path_prefix": "/v1",
                "labels": { "team": "web", "envs": ["test", "prod"] },
                "upstream": { "nodes": nodes, "timeout": { "connect": 1, "send": 2, "read": 3 } },
                "plugins": { "limit-count": limit, "key-auth": {} },
                "upstreams": [{ "name": "canary", "nodes": nodes, "type": "chash", "key": "remote_addr" }],
                "routes": [
                    { "name": "carts", "uris": ["/carts/*"], "methods": ["GET", "POST"], "priority": 7 },
                    {
                        "name": "old", "uris": ["/old"], "description": "moved", "enable_websocket": true,
                        "vars": [["arg_v", "==", "1"]], "timeout": { "connect": 6, "send": 6, "read": 6 },
                        "plugins": { "proxy-rewrite": { "uri": "/new" }, "cors": {} },
                    },
                ],
            },
            {
                "name": "tcp", "upstream": { "scheme": "tcp", "nodes": nodes },
                "stream_routes": [{ "name": "database", "server_port": 9100, "labels": { "a": "b" } }],
            },
            { "name": "bare", "routes": [] },
        ],
        "consumers": [{
            "username": "jack", "description": "a buyer", "labels": { "plan": "gold" },
            "plugins": { "limit-count": limit },
            "credentials": [{ "name": "key", "type": "key-auth", "config": { "key": "jacks-key" } }],
        }],
        "ssls": [{ "snis": ["shop.example"], "certificates": [certificate], "type": "server" }],
        "global_rules": { "prometheus": { "prefer_name": true } },
        "plugin_metadata": { "file-logger": { "log_format": { "host": "$host" } } },
    }))
}

#[tokio::test]
async fn a_second_sync_writes_nothing() -> Result<()> {
    let api = Fixture::start_with(::plugins::registry()).await?;
    let adc = Adc::with_token(&api, "default");
    adc.ping().await?;
    let local = everything()?;
    let written = adc.sync(&local).await?;
    ensure!(written.len() == 12, "{written:?}");
    let again = adc.diff(&local).await?;
    ensure!(again.is_empty(), "a second sync would write {again:#?}");
    // What was dumped is what stands there.
    let dumped = adc.dump().await?;
    let again = adc.diff(&dumped).await?;
    ensure!(again.is_empty(), "syncing the dump would write {again:#?}");
    api.stop().await;
    Ok(())
}

#[tokio::test]
async fn dump_empty_and_sync_give_the_same_dump() -> Result<()> {
    let api = Fixture::start_with(::plugins::registry()).await?;
    let adc = Adc::with_token(&api, "default");
    let mut local = everything()?;
    // Certificates are dumped without their keys, and cannot come back from a dump.
    local["ssls"] = json!([]);
    adc.sync(&local).await?;
    let dumped = adc.dump().await?;
    let removed = adc.sync(&json!({})).await?;
    // Routes, upstreams and credentials go with what they belong to, without being asked for.
    ensure!(removed.iter().all(|change| change.method == "DELETE"), "{removed:?}");
    ensure!(removed.len() == 6, "{removed:?}");
    let empty = adc.dump().await?;
    ensure!(shapes::is_empty(&empty), "{empty}");
    adc.sync(&dumped).await?;
    let again = adc.dump().await?;
    ensure!(by_name(&again) == by_name(&dumped), "{again:#}\nis not\n{dumped:#}");
    api.stop().await;
    Ok(())
}

#[tokio::test]
async fn changes_are_found_and_only_they_are_written() -> Result<()> {
    let api = Fixture::start_with(::plugins::registry()).await?;
    let adc = Adc::with_token(&api, "default");
    let mut local = everything()?;
    adc.sync(&local).await?;
    local["services"][0]["routes"][0]["methods"] = json!(["GET"]);
    local["services"][0]["plugins"]["limit-count"]["count"] = json!(3);
    local["consumers"][0]["credentials"][0]["config"]["key"] = json!("another");
    local["global_rules"] = json!({});
    local["services"][2]["name"] = json!("renamed");
    let written = adc.sync(&local).await?;
    let mut names: Vec<_> = written.iter().map(|change| format!("{} {}", change.method, change.kind)).collect();
    names.sort();
    ensure!(
        names
            == [
                "DELETE global_rule",
                "DELETE service",
                "PUT consumer_credential",
                "PUT route",
                "PUT service",
                "PUT service"
            ],
        "{names:?}"
    );
    ensure!(adc.diff(&local).await?.is_empty());
    api.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_label_selector_leaves_others_alone() -> Result<()> {
    let api = Fixture::start_with(::plugins::registry()).await?;
    let service = |name: &str| json!({ "services": [{ "name": name, "labels": { "team": name }, "routes": [] }] });
    let others = Adc::with_token(&api, "default").selecting("team", "payment");
    others.sync(&service("payment")).await?;
    let ours = Adc::with_token(&api, "default").selecting("team", "web");
    ours.sync(&service("web")).await?;
    ensure!(others.diff(&service("payment")).await?.is_empty());
    let removed = ours.sync(&json!({})).await?;
    ensure!(removed.len() == 1, "{removed:?}");
    ensure!(others.diff(&service("payment")).await?.is_empty());
    api.stop().await;
    Ok(())
}

/// Global rules and metadata have no labels: the client sends its selector there too, gets all of them, and does not filter
/// them itself either. One who names them keeps them.
#[tokio::test]
async fn a_label_selector_parts_consumers_and_certificates_and_no_global_rules() -> Result<()> {
    let api = Fixture::start_with(::plugins::registry()).await?;
    let rules = json!({ "prometheus": { "prefer_name": true } });
    let metadata = json!({ "file-logger": { "log_format": { "host": "$host" } } });
    let of = |team: &str| -> Result<Value> {
        let certified = rcgen::generate_simple_self_signed(vec![format!("{team}.example")])?;
        let certificate = json!({ "certificate": certified.cert.pem(), "key": certified.signing_key.serialize_pem() });
        Ok(json!({
            "consumers": [{ "username": format!("{team}-jack"), "labels": { "team": team } }],
            "ssls": [{ "snis": [format!("{team}.example")], "certificates": [certificate], "type": "server",
                "labels": { "team": team } }],
            "global_rules": rules, "plugin_metadata": metadata,
        }))
    };
    let (payment, web) = (of("payment")?, of("web")?);
    let others = Adc::with_token(&api, "default").selecting("team", "payment");
    ensure!(others.sync(&payment).await?.len() == 4);
    let ours = Adc::with_token(&api, "default").selecting("team", "web");
    let seen = ours.dump().await?;
    ensure!(seen["consumers"] == json!([]) && seen["ssls"] == json!([]), "{seen}");
    ensure!(seen["global_rules"] == rules && seen["plugin_metadata"] == metadata, "{seen}");
    let written = ours.sync(&web).await?;
    ensure!(written.len() == 2, "the rules stand there already: {written:?}");
    ensure!(others.diff(&payment).await?.is_empty() && ours.diff(&web).await?.is_empty());
    let removed = ours.sync(&json!({ "global_rules": rules, "plugin_metadata": metadata })).await?;
    let mut removed: Vec<_> = removed.iter().map(|change| format!("{} {}", change.method, change.kind)).collect();
    removed.sort();
    ensure!(removed == ["DELETE consumer", "DELETE ssl"], "{removed:?}");
    ensure!(others.diff(&payment).await?.is_empty(), "nothing of the others' is touched");
    api.stop().await;
    Ok(())
}

/// The client makes a service's further upstreams after its routes, also those that a route's traffic-split names.
#[tokio::test]
async fn a_route_may_name_an_upstream_that_comes_later() -> Result<()> {
    let api = Fixture::start_with(::plugins::registry()).await?;
    let nodes = json!([{ "host": "127.0.0.1", "port": 8080, "weight": 1 }]);
    let split =
        json!({ "rules": [{ "weighted_upstreams": [{ "upstream_id": "canary", "weight": 1 }, { "weight": 1 }] }] });
    let service = json!({ "name": "shop", "upstream": { "nodes": nodes }, "type": "http" });
    let route =
        json!({ "name": "carts", "service_id": "s1", "paths": ["/carts"], "plugins": { "traffic-split": split } });
    let writes = [
        ("services/s1", service),
        ("routes/r1", route.clone()),
        ("services/s1/upstreams/canary", json!({ "name": "canary", "nodes": nodes })),
    ];
    for (path, body) in writes {
        api.put(&admin(path), body).await?.good()?;
    }
    let stored = api.get(&admin("routes/r1")).await?.good()?;
    ensure!(stored.body["value"]["plugins"]["traffic-split"] == split, "{}", stored.body);
    let mut items = route;
    items["id"] = json!("r2");
    items["plugins"]["traffic-split"]["rules"][0]["weighted_upstreams"][0]["upstream_id"] = json!("later still");
    api.post(&admin("configs/validate"), json!({ "routes": [items] })).await?.good()?;
    api.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_group_s_key_needs_no_group() -> Result<()> {
    let api = Fixture::start_with(::plugins::registry()).await?;
    let group = api.post("/api/gateway_groups", json!({ "name": "default-2" })).await?.good()?;
    let group = group.body["value"]["id"].as_str().unwrap_or_default().to_owned();
    let key = api.put(&format!("/api/gateway_groups/{group}/admin_key"), json!({})).await?.good()?;
    let key = key.body["value"]["key"].as_str().unwrap_or_default().to_owned();
    ensure!(key.starts_with("a7adm-"), "{key}");
    let adc = Adc::with_key(&api, &key);
    adc.sync(&everything()?).await?;
    let again = adc.diff(&everything_without_new_certificate(&adc).await?).await?;
    ensure!(again.is_empty(), "{again:#?}");
    // By its name the group is found exactly, although the other's contains it.
    let by_name = Adc::with_token(&api, "default").dump().await?;
    ensure!(shapes::is_empty(&by_name), "{by_name}");
    let listed = api.get(&admin("services")).await?.good()?;
    ensure!(listed.body["total"] == 0, "{}", listed.body);
    api.stop().await;
    Ok(())
}

/// The configuration with the certificate that is stored, for each call makes a new one.
async fn everything_without_new_certificate(adc: &Adc<'_>) -> Result<Value> {
    let mut all = everything()?;
    all["ssls"] = adc.dump().await?["ssls"].take();
    Ok(all)
}

#[tokio::test]
async fn validate_names_every_fault_and_changes_nothing() -> Result<()> {
    let api = Fixture::start_with(::plugins::registry()).await?;
    let adc = Adc::with_token(&api, "default");
    let mut local = everything()?;
    ensure!(adc.validate(&local).await?.is_empty());
    local["services"][0]["routes"][1]["uris"] = json!(5);
    local["services"][1]["upstream"]["nodes"] = json!("none");
    local["global_rules"]["nope"] = json!({});
    let faults = adc.validate(&local).await?;
    let mut places: Vec<_> = faults.iter().map(|(kind, index, _)| format!("{kind}/{index}")).collect();
    places.sort();
    ensure!(places == ["global_rules/0", "routes/1", "services/1"], "{faults:?}");
    ensure!(shapes::is_empty(&adc.dump().await?));
    api.stop().await;
    Ok(())
}
