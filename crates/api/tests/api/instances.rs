//! /api/instances and /api/gateway_groups/{gateway_group_id}/instance_token

use anyhow::{Context, Result};
use serde_json::json;

use crate::fixture::Fixture;

#[tokio::test]
async fn join_tokens_are_made_listed_and_revoked() -> Result<()> {
    let api = Fixture::start().await?;
    let path = "/api/gateway_groups/default/instance_token?only_token=true";
    let made = api.send(reqwest::Method::POST, path, None).await?.good()?.body["value"].clone();
    let (id, text) = (made["id"].as_str().context("id")?, made["token_plain_text"].as_str().context("text")?);
    assert!(text.contains('.') && made["expires_at"].as_i64() > Some(0), "{made}");
    let once = api.post(path, json!({"expires_in": 60, "max_uses": 1})).await?.good()?;
    assert_eq!(once.body["value"]["max_uses"], 1);
    let list = api.get("/api/gateway_groups/default/instance_tokens").await?.good()?.body;
    assert_eq!(list["total"], 2);
    assert!(!list.to_string().contains(text), "a list shows a token");
    let one = format!("/api/gateway_groups/default/instance_tokens/{id}");
    api.delete(&one).await?.good()?;
    let list = api.get("/api/gateway_groups/default/instance_tokens").await?.good()?.body;
    let revoked = list["list"].as_array().context("list")?.iter().find(|token| token["id"] == *id).context("gone")?;
    assert_eq!(revoked["revoked"], true);
    assert_eq!(api.post("/api/gateway_groups/none/instance_token", json!({})).await?.status, 404);
    assert_eq!(api.delete("/api/gateway_groups/default/instance_tokens/none").await?.status, 404);
    Ok(())
}

#[tokio::test]
async fn instances_are_listed_and_counted() -> Result<()> {
    let api = Fixture::start().await?;
    for path in ["/api/instances", "/api/gateway_groups/default/instances"] {
        for query in
            ["", "?status=healthy", "?status=OutOfSync&search=x", "?order_by=last_heartbeat_time&direction=asc&page=1"]
        {
            let list = api.get(&format!("{path}{query}")).await?.good()?;
            assert_eq!(list.body, json!({"list": [], "total": 0}), "{path}{query}");
        }
        assert_eq!(api.get(&format!("{path}?status=happy")).await?.status, 400);
    }
    let counts = api.get("/api/instances/count/status").await?.good()?.body["value"].clone();
    let wanted = ["healthy", "out_of_sync", "lost_connection", "offline"].map(|key| json!({"key": key, "count": 0}));
    assert_eq!(counts, json!(wanted));
    assert_eq!(api.get("/api/gateway_groups/default/instances/none").await?.status, 404);
    assert_eq!(api.delete("/api/gateway_groups/default/instances/none").await?.status, 404);
    Ok(())
}
