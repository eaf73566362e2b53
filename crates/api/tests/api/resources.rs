//! /apisix/admin/{kind}

use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::{Value, json};

use crate::fixture::{APISIX_KEY, Fixture, admin, read, route, service};

fn ids(body: &Value) -> Vec<&str> {
    body["list"].as_array().into_iter().flatten().filter_map(|item| item["id"].as_str()).collect()
}

#[tokio::test]
async fn write_shapes_go_in_and_read_shapes_come_out() -> Result<()> {
    let api = Fixture::start().await?;
    let mut written = service("one");
    written["service_id"] = json!("s1");
    written["created_at"] = json!(1);
    written["update_time"] = json!(2);
    let put = api.put(&admin("services/s1"), written).await?.good()?;
    assert_eq!(put.revision, Some(1));
    let read = api.get(&admin("services/s1")).await?.good()?;
    assert_eq!(read.body, put.body);
    let value = &read.body["value"];
    assert_eq!((&value["id"], &value["type"], &value["service_id"]), (&json!("s1"), &json!("http"), &Value::Null));
    assert_eq!(value["created_at"], value["create_time"]);
    assert!(value["updated_at"].as_i64().context("updated_at")? > 2);

    let mut written = route("s1", "/a");
    written["route_id"] = json!("r1");
    let route = api.put(&admin("routes/r1"), written).await?.good()?;
    assert_eq!(route.body["value"]["service_id"], "s1");
    assert_eq!(route.body["value"]["route_id"], Value::Null);
    Ok(())
}

#[tokio::test]
async fn every_kind_is_put_listed_and_deleted() -> Result<()> {
    let api = Fixture::start().await?;
    let upstream = json!({"nodes": [{"host": "127.0.0.1", "port": 8080, "weight": 1}]});
    let certified = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()])?;
    let ssl =
        json!({"snis": ["a.example"], "cert": certified.cert.pem(), "key": certified.signing_key.serialize_pem()});
    let key_auth = json!({"plugins": {"key-auth": {"key": "jacks-key"}}});
    api.put(&admin("services/parent"), service("parent")).await?.good()?;
    api.put(&admin("consumers/jack"), json!({"username": "jack"})).await?.good()?;
    for (collection, id, body) in [
        ("services", "s1", service("one")),
        ("routes", "r1", route("parent", "/a")),
        ("stream_routes", "t1", json!({"server_port": 9100, "upstream": upstream})),
        ("upstreams", "u1", upstream.clone()),
        ("services/parent/upstreams", "u2", upstream.clone()),
        ("consumers", "jill", json!({"username": "jill"})),
        ("consumers/jack/credentials", "c1", key_auth),
        ("ssls", "x1", ssl),
        ("global_rules", "prometheus", json!({"plugins": {"prometheus": {}}})),
        ("plugin_configs", "p1", json!({"plugins": {"prometheus": {}}})),
    ] {
        let path = admin(&format!("{collection}/{id}"));
        let put = api.put(&path, body).await?.good().with_context(|| path.clone())?;
        assert_eq!(put.body["value"]["id"], id, "{path}");
        let list = api.get(&admin(collection)).await?.good()?;
        assert!(ids(&list.body).contains(&id), "{path}: {}", list.body);
        api.delete(&path).await?.good().with_context(|| path.clone())?;
        assert_eq!(api.get(&path).await?.status, 404, "{path}");
        assert_eq!(api.delete(&path).await?.status, 404, "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn a_certificate_never_shows_its_key() -> Result<()> {
    let api = Fixture::start().await?;
    let certified = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()])?;
    let key = certified.signing_key.serialize_pem();
    let ssl = json!({"snis": ["a.example"], "cert": certified.cert.pem(), "key": key});
    let put = api.put(&admin("ssls/x1"), ssl).await?.good()?;
    let (one, all) = (api.get(&admin("ssls/x1")).await?, api.get(&admin("ssls")).await?);
    for answer in [&put.body, &one.body, &all.body] {
        assert!(!answer.to_string().contains("PRIVATE KEY"), "{answer}");
    }
    let (start, end) = (&one.body["value"]["validity_start"], &one.body["value"]["validity_end"]);
    assert!(start.as_i64() < end.as_i64() && start.is_i64(), "{start} {end}");
    Ok(())
}

/// API7's client sends its selector to every list, and expects these two kinds, which have no labels, whole.
#[tokio::test]
async fn what_has_no_labels_is_listed_whatever_the_selector() -> Result<()> {
    let api = Fixture::start().await?;
    let metadata = json!({"prefer_name": true});
    api.put(&admin("plugin_metadata/prometheus"), metadata.clone()).await?.good()?;
    api.put(&admin("global_rules/prometheus"), json!({"plugins": {"prometheus": {}}})).await?.good()?;
    api.put(&admin("services/s1"), service("one")).await?.good()?;
    for selector in ["", "?labels[managed-by]=adc", "?labels=managed-by=adc,team", "?labels[a]=b&labels[c]=d"] {
        let all = api.get(&admin(&format!("plugin_metadata{selector}"))).await?.good()?;
        assert_eq!(all.body, json!({"value": {"prometheus": metadata}}), "{selector}");
        let rules = api.get(&admin(&format!("global_rules{selector}"))).await?.good()?;
        assert_eq!((ids(&rules.body), &rules.body["total"]), (vec!["prometheus"], &json!(1)), "{selector}");
        let labelled = api.get(&admin(&format!("services{selector}"))).await?.good()?;
        assert_eq!(ids(&labelled.body).is_empty(), !selector.is_empty(), "{selector}");
    }
    Ok(())
}

/// Clients ask for no page: a list that ended at some bound would have them make, or remove, what they do not see.
#[tokio::test]
async fn more_than_a_thousand_come_in_one_list() -> Result<()> {
    const MANY: usize = 1_100;
    let api = Fixture::start().await?;
    api.put(&admin("services/s1"), service("one")).await?.good()?;
    for (kind, value) in [("consumer", json!({})), ("route", json!({"service_id": "s1", "paths": ["/a"]}))] {
        let changes: Vec<_> =
            (0..MANY).map(|n| json!({"op": "put", "kind": kind, "id": format!("n{n}"), "value": value})).collect();
        api.post("/api/gateway_groups/default/batch", json!({"changes": changes})).await?.good()?;
        for query in ["", "?service_id=s1", "?order_by=id&direction=asc"] {
            let query = if kind == "route" { query } else { query.trim_start_matches("?service_id=s1") };
            let all = api.get(&admin(&format!("{kind}s{query}"))).await?.good()?;
            let mut listed = ids(&all.body);
            listed.sort_unstable();
            listed.dedup();
            assert_eq!((listed.len(), &all.body["total"]), (MANY, &json!(MANY)), "{kind}s{query}");
        }
        let all = api.admin(APISIX_KEY, "GET", &format!("{kind}s"), None).await?.json::<Value>().await?;
        let keys: std::collections::BTreeSet<_> =
            all["list"].as_array().into_iter().flatten().map(|entry| entry["key"].to_string()).collect();
        assert_eq!((keys.len(), &all["total"]), (MANY, &json!(MANY)), "{kind}s of the Admin API");
    }
    Ok(())
}

#[tokio::test]
async fn lists_are_filtered_ordered_and_paged() -> Result<()> {
    let api = Fixture::start().await?;
    for (id, env) in [("s1", "prod"), ("s2", "prod"), ("s3", "dev")] {
        let mut body = service(&format!("service {id}"));
        body["labels"] = json!({"env": env});
        api.put(&admin(&format!("services/{id}")), body).await?.good()?;
        api.put(&admin(&format!("routes/of-{id}")), route(id, &format!("/{id}"))).await?.good()?;
    }
    for (query, wanted) in [
        ("services?order_by=id&direction=asc", vec!["s1", "s2", "s3"]),
        ("services?order_by=id&direction=asc&labels[env]=prod", vec!["s1", "s2"]),
        ("services?search=S3", vec!["s3"]),
        ("services?name=service%20s2", vec!["s2"]),
        ("services?order_by=id&direction=desc&page=2&page_size=2", vec!["s1"]),
        ("routes?service_id=s2", vec!["of-s2"]),
        ("routes?service_id=none", vec![]),
    ] {
        let found = api.get(&admin(query)).await?.good()?;
        assert_eq!(ids(&found.body), wanted, "{query}");
    }
    let page = api.get(&admin("services?page=1&page_size=2")).await?.good()?;
    assert_eq!((ids(&page.body).len(), &page.body["total"]), (2, &json!(3)));
    Ok(())
}

#[tokio::test]
async fn post_makes_and_patch_changes() -> Result<()> {
    let api = Fixture::start().await?;
    let made = api.post(&admin("services"), service("one")).await?.good()?;
    let id = made.body["value"]["id"].as_str().context("id")?.to_owned();
    let mut named = service("two");
    named["id"] = json!("s2");
    api.post(&admin("services"), named.clone()).await?.good()?;
    assert_eq!(api.post(&admin("services"), named).await?.status, 409);

    let path = admin(&format!("services/{id}"));
    let merged = api.patch(&path, json!({"desc": "merged", "name": "renamed"})).await?.good()?;
    assert_eq!((&merged.body["value"]["desc"], &merged.body["value"]["name"]), (&json!("merged"), &json!("renamed")));
    let operations = json!([{"op": "remove", "path": "/desc"}, {"op": "add", "path": "/path_prefix", "value": "/v1"}]);
    let patched = api.patch(&path, operations).await?.good()?;
    assert_eq!((&patched.body["value"]["desc"], &patched.body["value"]["path_prefix"]), (&Value::Null, &json!("/v1")));
    assert_eq!(api.patch(&path, json!({"path_prefix": 1})).await?.status, 400);
    assert_eq!(api.patch(&path, json!([{"op": "remove", "path": "/nothing"}])).await?.status, 400);
    assert_eq!(api.patch(&admin("services/none"), json!({"desc": "x"})).await?.status, 404);
    Ok(())
}

#[tokio::test]
async fn a_service_takes_what_is_below_it_along() -> Result<()> {
    let api = Fixture::start().await?;
    api.put(&admin("services/s1"), service("one")).await?.good()?;
    api.put(&admin("routes/r1"), route("s1", "/a")).await?.good()?;
    let upstream = service("x")["upstream"].clone();
    api.put(&admin("services/s1/upstreams/u1"), upstream).await?.good()?;
    let deleted = api.delete(&admin("services/s1")).await?.good()?;
    assert_eq!(deleted.revision, Some(4));
    assert_eq!(api.get(&admin("routes/r1")).await?.status, 404);
    Ok(())
}

#[tokio::test]
async fn if_match_guards_against_lost_updates() -> Result<()> {
    let api = Fixture::start().await?;
    let revision = api.put(&admin("services/s1"), service("one")).await?.good()?.revision.context("revision")?;
    let put = |tag: String, name: &str| {
        let request = api.request(Method::PUT, &admin("services/s1")).header("X-API-KEY", &api.token);
        let request = request.header("if-match", tag).json(&service(name));
        async move { read(request.send().await?).await }
    };
    put(format!("\"{revision}\""), "two").await?.good()?;
    let stale = put(format!("\"{revision}\""), "three").await?;
    assert_eq!(stale.status, 412, "{stale:?}");
    assert_eq!(put("yesterday".to_owned(), "four").await?.status, 400);
    assert_eq!(api.get(&admin("services/s1")).await?.body["value"]["name"], "two");
    Ok(())
}
