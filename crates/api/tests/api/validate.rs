//! /apisix/admin/configs/validate

use anyhow::Result;
use serde_json::json;

use crate::fixture::{Fixture, admin, route, service};

#[tokio::test]
async fn all_faults_are_told_and_nothing_is_stored() -> Result<()> {
    let api = Fixture::start().await?;
    let mut one = service("one");
    one["id"] = json!("s1");
    let good = json!({"services": [one], "routes": [route("s1", "/a")], "consumers": [{"username": "jack"}],
        "ssls": [], "global_rules": [{"plugins": {"prometheus": {}}}], "stream_routes": [],
        "plugin_metadata": [{"id": "prometheus"}]});
    api.post(&admin("configs/validate"), good).await?.good()?;

    let bad =
        json!({"services": [one, {"name": "two", "path_prefix": 1}], "routes": [{"paths": "no array", "id": "r1"}]});
    let refused = api.post(&admin("configs/validate"), bad).await?;
    assert_eq!(refused.status, 400, "{refused:?}");
    let mut places: Vec<_> = refused.body["errors"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|error| (error["resource_type"].clone(), error["index"].clone()))
        .collect();
    places.sort_by_key(|(kind, _)| kind.to_string());
    assert_eq!(places, [(json!("routes"), json!(0)), (json!("services"), json!(1))], "{refused:?}");
    assert!(refused.error().contains("Error at \"/path_prefix\": value must be a string"), "{refused:?}");
    assert_eq!(api.get(&admin("services")).await?.body["total"], 0);
    Ok(())
}

/// A client maps each fault back to what it sent by type and index, and shows the id.
#[tokio::test]
async fn faults_name_the_resource_by_its_id() -> Result<()> {
    let api = Fixture::start().await?;
    let wrong = json!({"labels": 5});
    let with = |id: &str, value: &str| {
        let mut body = wrong.clone();
        body[id] = json!(value);
        body
    };
    let body = json!({
        "services": [with("id", "s1"), with("service_id", "s2"), wrong],
        "routes": [with("id", "r1"), with("route_id", "r2"), json!({"id": 7, "paths": 5}), json!({"id": "r3"})],
        "stream_routes": [with("stream_route_id", "t1")],
        "consumers": [with("username", "jack"), json!({"labels": {}})],
        "global_rules": [json!({"plugins": {"prometheus": 5}})],
        "plugin_metadata": [json!({"id": "nope"})],
        "ssls": [json!("no object")],
    });
    let refused = api.post(&admin("configs/validate"), body).await?;
    assert_eq!(refused.status, 400, "{refused:?}");
    let errors = refused.body["errors"].as_array().cloned().unwrap_or_default();
    let id_at = |kind: &str, index: u64| {
        let mut here = errors.iter().filter(|error| error["resource_type"] == kind && error["index"] == index);
        here.next().map(|error| error["resource_id"].as_str().unwrap_or("none").to_owned())
    };
    for (kind, index, id) in [
        ("services", 0, "s1"),
        ("services", 1, "s2"),
        ("services", 2, ""),
        ("routes", 0, "r1"),
        ("routes", 1, "r2"),
        ("routes", 2, "7"),
        ("routes", 3, "r3"),
        ("stream_routes", 0, "t1"),
        ("consumers", 0, "jack"),
        ("consumers", 1, ""),
        ("global_rules", 0, "prometheus"),
        ("plugin_metadata", 0, "nope"),
        ("ssls", 0, ""),
    ] {
        assert_eq!(id_at(kind, index).as_deref(), Some(id), "{kind}[{index}]: {errors:#?}");
    }
    Ok(())
}
