//! /apisix/admin/{kind}

use anyhow::{Context, Result};
use model::ResourceKey;
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

/// A place in a resource and what will stand there.
type Change = (&'static str, Value);

/// Of a kind: where one is made and under which id, its body, what is changed by an object to be merged, and what by an
/// operation.
type Tried = (&'static str, &'static str, Value, Change, Change);

/// Every kind, parents before what is below them.
fn changing() -> Result<Vec<Tried>> {
    let nodes = json!([{"host": "127.0.0.1", "port": 8080, "weight": 1, "priority": 0}]);
    let upstream = json!({"nodes": nodes, "labels": {"env": "prod"}});
    let certified = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()])?;
    let (cert, key) = (certified.cert.pem(), certified.signing_key.serialize_pem());
    let counting = json!({"plugins": {"prometheus": {"a": 1}}});
    let key_auth = json!({"plugins": {"key-auth": {"key": "jacks-key"}}});
    let labelled = |mut body: Value| {
        body["labels"] = json!({"env": "prod"});
        body
    };
    let team = || ("/labels/team", json!("pay"));
    let retries = || ("/upstream/retries", json!(2));
    let window = || ("/plugins/prometheus/window", json!(5));
    let described = || ("/desc", json!("d"));
    let route = labelled(json!({"name": "r", "service_id": "parent", "paths": ["/a"]}));
    let ssl = labelled(json!({"snis": ["a.example"], "cert": cert, "key": key}));
    let proto = labelled(json!({"content": "syntax = \"proto3\";"}));
    let vault = json!({"uri": "http://127.0.0.1:8200", "prefix": "kv/a", "token": "hidden"});
    Ok(vec![
        ("services", "parent", json!({"name": "n", "upstream": upstream}), retries(), ("/path_prefix", json!("/v1"))),
        ("routes", "r1", route, team(), ("/methods", json!(["GET"]))),
        ("stream_routes", "t1", json!({"server_port": 9100, "upstream": upstream}), retries(), described()),
        ("upstreams", "u1", upstream.clone(), team(), ("/retries", json!(2))),
        ("services/parent/upstreams", "u2", upstream, team(), ("/retries", json!(2))),
        ("consumers", "jack", labelled(json!({"username": "jack"})), team(), described()),
        ("consumers/jack/credentials", "c1", key_auth, ("/plugins/key-auth/hide", json!(true)), described()),
        ("ssls", "x1", ssl, team(), ("/ssl_protocols", json!(["TLSv1.3"]))),
        ("global_rules", "prometheus", counting.clone(), window(), ("/plugins/prometheus/b", json!([2]))),
        ("plugin_metadata", "prometheus", json!({"format": {"a": 1}}), ("/format/b", json!(2)), described()),
        ("plugin_configs", "p1", counting.clone(), window(), described()),
        ("consumer_groups", "g1", counting, window(), described()),
        ("protos", "d1", proto, team(), described()),
        ("secrets", "vault.v1", vault, ("/prefix", json!("kv/b")), ("/namespace", json!("n"))),
    ])
}

/// The change as an object to be merged.
fn merging((place, value): &Change) -> Value {
    let names = place.rsplit('/').filter(|name| !name.is_empty());
    names.fold(value.clone(), |inner, name| json!({name: inner}))
}

/// What stands after the change, but for the time of it.
fn after(mut value: Value, (place, new): &Change) -> Result<Value> {
    let (parent, name) = place.rsplit_once('/').context("a pointer")?;
    let fields = value.pointer_mut(parent).and_then(Value::as_object_mut).context("what it is changed in")?;
    fields.insert(name.to_owned(), new.clone());
    Ok(timeless(value))
}

fn timeless(mut value: Value) -> Value {
    for name in ["updated_at", "update_time"] {
        value.as_object_mut().map(|fields| fields.remove(name));
    }
    value
}

/// What no answer shows.
const HIDDEN: [&str; 2] = ["key", "token"];

/// What the group's instances get of it.
async fn stored(api: &Fixture, collection: &str, id: &str) -> Result<Value> {
    let whole = api.control.feed_snapshot(&"default".parse()?).await?;
    let is_it = |key: &ResourceKey| key.id.as_str() == id && collection.ends_with(key.kind.plural());
    let (_, body) = whole.resources.iter().find(|(key, _)| is_it(key)).context("it is not there")?;
    Ok(serde_json::from_slice(body)?)
}

#[tokio::test]
async fn every_kind_is_made_by_post_and_changed_by_patch() -> Result<()> {
    let api = Fixture::start().await?;
    for (collection, id, mut body, merged, added) in changing()? {
        let path = admin(&format!("{collection}/{id}"));
        body["id"] = json!(id);
        let made = api.post(&admin(collection), body.clone()).await?.good().with_context(|| path.clone())?.body;
        assert_eq!(api.get(&path).await?.good()?.body, made, "{path}");
        let twice = api.post(&admin(collection), body.clone()).await?;
        assert_eq!(twice.status, 409, "{path}: {twice:?}");
        for (name, written) in body.as_object().context("fields")? {
            let (read, is_hidden) = (&made["value"][name], HIDDEN.contains(&name.as_str()));
            let is_kept = read == written || name == "upstream" && read["nodes"] == written["nodes"];
            let is_as_told = if is_hidden { read.is_null() } else { is_kept || name == "id" };
            assert!(is_as_told, "{path}: {name} {read}");
        }

        let operations = json!([
            {"op": "test", "path": merged.0, "value": merged.1},
            {"op": "add", "path": added.0, "value": added.1},
        ]);
        let mut stands = made["value"].clone();
        for (patch, change) in [(merging(&merged), &merged), (operations, &added)] {
            let patched = api.patch(&path, patch.clone()).await?.good().with_context(|| format!("{path} {patch}"))?;
            let expected = after(stands, change).with_context(|| format!("{path} {patch}"))?;
            stands = api.get(&path).await?.good()?.body["value"].clone();
            assert_eq!((timeless(stands.clone()), &patched.body["value"]), (expected, &stands), "{path} {patch}");
        }
        let taken = api.patch(&path, json!([{"op": "remove", "path": added.0}])).await?.good()?.body["value"].clone();
        let there = after(taken.clone(), &added).with_context(|| path.clone())?;
        assert_eq!((there, taken.pointer(added.0) == Some(&added.1)), (timeless(stands), false), "{path}");
        let stored = stored(&api, collection, id).await?;
        for name in HIDDEN {
            assert_eq!(stored[name], body[name], "{path}: {name}");
        }
    }
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

#[tokio::test]
async fn if_match_guards_every_way_to_write() -> Result<()> {
    const BATCH: &str = "/api/gateway_groups/default/batch";
    let api = Fixture::start().await?;
    let one = admin("services/s1");
    let stale = api.put(&one, service("one")).await?.good()?.revision.context("revision")?;
    let mut head = api.put(&one, service("two")).await?.good()?.revision.context("revision")?;
    let batched = json!({"changes": [{"op": "put", "kind": "service", "id": "s1", "value": service("five")}]});
    for (method, path, body) in [
        (Method::PUT, one.as_str(), service("three")),
        (Method::PATCH, one.as_str(), json!({"name": "four"})),
        (Method::PATCH, one.as_str(), json!([{"op": "replace", "path": "/name", "value": "and five"}])),
        (Method::POST, BATCH, batched),
        (Method::POST, &admin("services"), service("another")),
        (Method::DELETE, one.as_str(), Value::Null),
    ] {
        let write = |tag: String| {
            let request = api.request(method.clone(), path).header("X-API-KEY", &api.token).header("if-match", tag);
            let request = if body.is_null() { request } else { request.json(&body) };
            async move { read(request.send().await?).await }
        };
        let before = api.get(&one).await?.good()?.body;
        let refused = write(format!("\"{stale}\"")).await?;
        assert_eq!(refused.status, 412, "{method} {path}: {refused:?}");
        assert_eq!(write("yesterday".to_owned()).await?.status, 400, "{method} {path}");
        assert_eq!(api.get(&one).await?.good()?.body, before, "{method} {path}");
        let written = write(format!("\"{head}\"")).await?.good().with_context(|| format!("{method} {path}"))?;
        head = written.revision.context("revision")?;
    }
    let status = api.get("/api/gateway_groups/default/status").await?.good()?.body["value"].clone();
    assert_eq!((&status["revision"], api.get(&one).await?.status), (&json!(head), 404));
    assert_eq!(head, stale + 1 + 6, "what was refused made no revision");
    Ok(())
}
