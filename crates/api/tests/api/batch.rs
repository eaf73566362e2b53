//! /api/gateway_groups/{gateway_group_id}/batch

use anyhow::Result;
use serde_json::json;

use crate::fixture::{Fixture, admin, route, service};

const BATCH: &str = "/api/gateway_groups/default/batch";

#[tokio::test]
async fn a_batch_is_one_revision_or_nothing() -> Result<()> {
    let api = Fixture::start().await?;
    // The route stands before its service: what counts is the state after the whole batch.
    let changes = json!([
        {"op": "put", "kind": "route", "id": "r1", "value": route("s1", "/a")},
        {"op": "put", "kind": "services", "id": "s1", "value": service("one")},
        {"op": "put", "kind": "upstream", "parent": "s1", "id": "u1", "value": service("x")["upstream"]},
    ]);
    let done = api.post(BATCH, json!({"changes": changes, "revision": 0})).await?.good()?;
    assert_eq!(done.body["value"], json!({"revision": 1, "changes": 3}));

    let bad = json!([
        {"op": "delete", "kind": "route", "id": "r1"},
        {"op": "put", "kind": "route", "id": "r2", "value": {"service_id": "s1", "paths": ["/b"], "priority": "high"}},
    ]);
    let refused = api.post(BATCH, json!({"changes": bad})).await?;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert_eq!(refused.body["errors"][0]["index"], 1);
    assert!(refused.error().contains("\"/priority\""), "{refused:?}");
    assert_eq!(api.get(&admin("routes/r1")).await?.status, 200);

    let stale =
        api.post(BATCH, json!({"changes": [{"op": "delete", "kind": "route", "id": "r1"}], "revision": 0})).await?;
    assert_eq!(stale.status, 412, "{stale:?}");
    Ok(())
}

#[tokio::test]
async fn a_batch_that_cannot_be_read_says_where() -> Result<()> {
    let api = Fixture::start().await?;
    for (changes, text) in [
        (json!([]), "at least one"),
        (json!([{"op": "put", "kind": "colour", "id": "x", "value": {}}]), "\"/kind\""),
        (json!([{"op": "put", "kind": "route", "id": "a b", "value": {}}]), "\"/id\""),
        (json!([{"op": "put", "kind": "route", "id": "x"}]), "\"/value\""),
        (json!([{"op": "delete", "kind": "credential", "id": "x"}]), "\"/parent\""),
        (json!([{"op": "move", "kind": "route", "id": "x"}]), "\"/changes/0/op\""),
    ] {
        let answer = api.post(BATCH, json!({"changes": changes})).await?;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.error().contains(text), "{text}: {answer:?}");
    }
    Ok(())
}
