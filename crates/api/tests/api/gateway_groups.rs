//! /api/gateway_groups

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::fixture::{Fixture, admin, now, route, service};

fn names(list: &Value) -> Vec<&str> {
    list["list"].as_array().into_iter().flatten().filter_map(|group| group["name"].as_str()).collect()
}

#[tokio::test]
async fn groups_are_made_found_changed_and_removed() -> Result<()> {
    let api = Fixture::start().await?;
    let spec =
        json!({"name": "payment-prod", "desc": "d", "labels": {"line": "payment", "env": "prod"}, "region": "eu"});
    let made = api.post("/api/gateway_groups", spec).await?.good()?.body["value"].clone();
    api.post("/api/gateway_groups", json!({"name": "payment-prod-2", "labels": {"env": "prod"}})).await?.good()?;
    let id = made["id"].as_str().context("id")?;
    for (query, wanted) in [
        ("", 3),
        ("?search=payment", 2),
        ("?search=PAYMENT&name=payment-prod", 1),
        ("?name=payment", 0),
        ("?labels[env]=prod", 2),
        ("?labels%5Benv%5D=prod&labels%5Bline%5D=payment", 1),
        ("?labels=env=prod,line", 1),
        ("?labels[env]=dev", 0),
    ] {
        let found = api.get(&format!("/api/gateway_groups{query}")).await?.good()?;
        assert_eq!(found.body["total"], wanted, "{query}: {}", found.body);
        assert_eq!(names(&found.body).len(), wanted, "{query}");
    }
    let paged = api.get("/api/gateway_groups?page=2&page_size=1&order_by=name&direction=asc").await?.good()?;
    assert_eq!((paged.body["total"].clone(), names(&paged.body)), (json!(3), vec!["payment-prod"]));

    let changed = api.put(&format!("/api/gateway_groups/{id}"), json!({"name": "payment-uat"})).await?.good()?;
    assert_eq!(changed.body["value"]["labels"], json!({}));
    api.delete(&format!("/api/gateway_groups/{id}")).await?.good()?;
    assert_eq!(api.get(&format!("/api/gateway_groups/{id}")).await?.status, 404);
    assert_eq!(api.delete(&format!("/api/gateway_groups/{id}")).await?.status, 404);
    Ok(())
}

#[tokio::test]
async fn a_group_is_shown_with_its_type_version_and_times() -> Result<()> {
    let api = Fixture::start().await?;
    let spec = json!({"name": "one", "type": "api7_ingress_controller"});
    let made = api.post("/api/gateway_groups", spec).await?.good()?.body["value"].clone();
    let path = format!("/api/gateway_groups/{}", made["id"].as_str().context("id")?);
    let short = made["short_id"].as_str().context("short_id")?;
    assert!(short.len() == 12 && short.chars().all(|letter| letter.is_ascii_alphanumeric()), "{short}");
    assert_eq!((&made["type"], &made["config_version"]), (&json!("api7_ingress_controller"), &json!(0)));
    let created = made["created_at"].as_i64().context("created_at")?;
    assert!((0..60).contains(&(now() - created)), "{made}");
    assert_eq!(made["updated_at"], made["created_at"]);
    assert_eq!(api.get(&path).await?.good()?.body["value"], made);

    // Times are whole seconds.
    while now() == created {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let changed = api.put(&path, json!({"name": "two"})).await?.good()?.body["value"].clone();
    assert!(changed["updated_at"].as_i64() > Some(created), "{changed}");
    for same in ["id", "short_id", "type", "config_version", "created_at"] {
        assert_eq!(changed[same], made[same], "{same}");
    }

    api.put(&admin("services/s1"), service("one")).await?.good()?;
    api.put(&admin("routes/r1"), route("s1", "/a")).await?.good()?;
    let default = api.get("/api/gateway_groups/default").await?.good()?.body["value"].clone();
    assert_eq!((&default["type"], &default["config_version"]), (&json!("api7_gateway"), &json!(2)));
    let list = api.get("/api/gateway_groups?order_by=created_at&direction=asc").await?.good()?.body["list"].clone();
    assert_eq!(list, json!([default, changed]));
    assert_ne!(default["short_id"], made["short_id"]);
    Ok(())
}

#[tokio::test]
async fn a_bad_group_is_refused() -> Result<()> {
    let api = Fixture::start().await?;
    let duplicate = api.post("/api/gateway_groups", json!({"name": "default"})).await?;
    assert_eq!(duplicate.status, 409, "{duplicate:?}");
    for (body, pointer) in [
        (json!({"name": ""}), "\"/name\""),
        (json!({"name": "x".repeat(1025)}), "\"/name\""),
        (json!({"name": 7}), "\"/name\""),
        (json!({"name": "a", "type": "nginx"}), "\"/type\""),
        (json!({"name": "a", "desc": "x".repeat(65_537)}), "\"/desc\""),
    ] {
        let answer = api.post("/api/gateway_groups", body).await?;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.error().contains(pointer), "{pointer}: {answer:?}");
    }
    let long = json!({"name": "long", "desc": "x".repeat(65_536)});
    api.post("/api/gateway_groups", long).await?.good()?;
    for query in ["page=0", "page=x", "page_size=-1", "direction=up", "order_by=colour"] {
        assert_eq!(api.get(&format!("/api/gateway_groups?{query}")).await?.status, 400, "{query}");
    }
    Ok(())
}

#[tokio::test]
async fn a_group_tells_its_status_counts_and_history() -> Result<()> {
    let api = Fixture::start().await?;
    api.put(&admin("services/s1"), service("one")).await?.good()?;
    api.put(&admin("routes/r1"), route("s1", "/a")).await?.good()?;
    let status = api.get("/api/gateway_groups/default/status").await?.good()?.body["value"].clone();
    assert_eq!((&status["revision"], &status["in_sync"], &status["behind"]), (&json!(2), &json!(0), &json!(0)));
    let history = api.get("/api/gateway_groups/default/revisions").await?.good()?.body;
    let numbers: Vec<_> =
        history["list"].as_array().context("list")?.iter().map(|row| row["revision"].clone()).collect();
    assert_eq!(numbers, [json!(2), json!(1)]);
    assert_eq!(history["list"][0]["digest"], status["digest"]);
    assert_eq!(history["list"][0]["changes"], 1);
    let counts = api.get("/api/gateway_groups/count/service").await?.good()?.body;
    assert_eq!(counts["list"], json!([{"key": "default", "count": 1}]));
    assert_eq!(api.get("/api/gateway_groups/count/colour").await?.status, 400);
    assert_eq!(api.get("/api/gateway_groups/none/status").await?.status, 404);
    Ok(())
}
