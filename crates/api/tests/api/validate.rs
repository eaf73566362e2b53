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
