//! /api/instances and /api/gateway_groups/{gateway_group_id}/instance_token

use anyhow::{Context, Result};
use serde_json::{Value, json};
use store::AuditEntry;
use store::instances::{Heartbeat, Joining, Nack};

use crate::fixture::{Fixture, admin, now, service};

/// An instance that joined `seconds` ago: what it could say then.
pub(crate) async fn joined(api: &Fixture, id: &str, group: &str, seconds: i64) -> Result<Heartbeat> {
    let joining = Joining {
        id: id.parse()?,
        group: group.parse()?,
        hostname: format!("host-{id}"),
        version: "1".into(),
        address: "10.0.0.1".into(),
        certificate_expires_at: now() + 3600,
        at: now() - seconds,
    };
    let entry = AuditEntry { actor: "test".into(), ..AuditEntry::default() };
    api.store().await?.instances().join(&joining, &entry).await?;
    Ok(Heartbeat {
        id: joining.id,
        group: joining.group,
        at: joining.at,
        hostname: joining.hostname,
        version: joining.version,
        applied: None,
        nack: None,
        counters: json!({}),
        nodes: None,
    })
}

/// The instance says it, and is not heard of since.
pub(crate) async fn heard(api: &Fixture, heartbeat: Heartbeat) -> Result<()> {
    assert!(api.store().await?.instances().heartbeat(&[heartbeat]).await?.is_empty());
    Ok(())
}

fn ids(body: &Value) -> Vec<&str> {
    body["list"].as_array().into_iter().flatten().filter_map(|instance| instance["id"].as_str()).collect()
}

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
async fn where_there_are_no_instances_nothing_is_listed_or_counted() -> Result<()> {
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

/// Six that joined one after the other, and the group that one of them is of: in sync, behind, refusing, lost and offline
/// ones of `default`, and one in sync of the other. They were heard of seconds apart, so that none overtakes another when the clock
/// goes on meanwhile.
async fn fleet(api: &Fixture) -> Result<String> {
    api.put(&admin("services/s1"), service("one")).await?.good()?;
    let behind = api.control.feed_head(&"default".parse()?).await?;
    api.put(&admin("services/s2"), service("two")).await?.good()?;
    let head = api.control.feed_head(&"default".parse()?).await?;
    let other = api.post("/api/gateway_groups", json!({"name": "other"})).await?.good()?.body["value"]["id"].clone();
    let other = other.as_str().context("id")?.to_owned();
    let empty = api.control.feed_head(&other.parse()?).await?;

    let (former, newest) = (Some((behind.revision, behind.digest)), Some((head.revision, head.digest)));
    let nack =
        Nack { revision: 2, resource: "service/s2".into(), pointer: "/plugins/x".into(), message: "no such".into() };
    let counters = json!({"requests": 7, "responses_5xx": 2, "connections_now": 3});
    let well = joined(api, "well", "default", 1).await?;
    heard(api, Heartbeat { applied: newest, counters, ..well }).await?;
    heard(api, Heartbeat { applied: former, ..joined(api, "behind", "default", 5).await? }).await?;
    heard(api, Heartbeat { applied: former, nack: Some(nack), ..joined(api, "refusing", "default", 9).await? }).await?;
    heard(api, Heartbeat { applied: newest, ..joined(api, "lost", "default", 60).await? }).await?;
    heard(api, Heartbeat { applied: newest, ..joined(api, "off_line", "default", 3 * 3600).await? }).await?;
    let apart = joined(api, "apart", &other, 13).await?;
    heard(api, Heartbeat { applied: Some((empty.revision, empty.digest)), hostname: "Edge-7".into(), ..apart }).await?;
    Ok(other)
}

#[tokio::test]
async fn instances_are_filtered_ordered_and_paged() -> Result<()> {
    let api = Fixture::start().await?;
    let other = fleet(&api).await?;
    let of_other = format!("?gateway_group_id={other}");
    for (query, wanted, total) in [
        ("", vec!["apart", "off_line", "lost", "refusing", "behind", "well"], 6),
        ("?order_by=created_at&direction=asc", vec!["well", "behind", "refusing", "lost", "off_line", "apart"], 6),
        ("?order_by=last_heartbeat_time", vec!["well", "behind", "refusing", "apart", "lost", "off_line"], 6),
        ("?order_by=last_heartbeat_time&direction=asc&page=2&page_size=2", vec!["apart", "refusing"], 6),
        ("?direction=asc&page=2&page_size=4", vec!["off_line", "apart"], 6),
        ("?direction=asc&page=3&page_size=4", vec![], 6),
        ("?status=healthy", vec!["apart", "well"], 2),
        ("?status=out_of_sync", vec!["refusing", "behind"], 2),
        ("?status=OutOfSync&page_size=1", vec!["refusing"], 2),
        ("?status=LostConnection", vec!["lost"], 1),
        ("?status=offline", vec!["off_line"], 1),
        ("?search=host-re", vec!["refusing"], 1),
        ("?search=WELL", vec!["well"], 1),
        ("?search=edge", vec!["apart"], 1),
        ("?search=0.0.1", vec!["apart", "off_line", "lost", "refusing", "behind", "well"], 6),
        ("?search=_", vec!["off_line"], 1),
        ("?search=10.0&status=lost_connection", vec!["lost"], 1),
        ("?search=nobody", vec![], 0),
        (of_other.as_str(), vec!["apart"], 1),
        ("?gateway_group_id=default&status=healthy", vec!["well"], 1),
        (&format!("{of_other}&search=well"), vec![], 0),
    ] {
        let list = api.get(&format!("/api/instances{query}")).await?.good()?.body;
        assert_eq!((ids(&list), &list["total"]), (wanted, &json!(total)), "{query}");
    }
    let of_default = "/api/gateway_groups/default/instances";
    let list = api.get(&format!("{of_default}?direction=asc")).await?.good()?.body;
    assert_eq!((ids(&list), &list["total"]), (vec!["well", "behind", "refusing", "lost", "off_line"], &json!(5)));
    // Whatever else is asked for, it is this group's.
    let list = api.get(&format!("{of_default}{of_other}&status=healthy")).await?.good()?.body;
    assert_eq!(ids(&list), ["well"]);
    Ok(())
}

#[tokio::test]
async fn instances_are_counted_by_status_and_by_group() -> Result<()> {
    let api = Fixture::start().await?;
    let other = fleet(&api).await?;
    for (query, wanted) in [
        ("", [2, 2, 1, 1]),
        ("?gateway_group_id=default", [1, 2, 1, 1]),
        (&format!("?gateway_group_id={other}"), [1, 0, 0, 0]),
    ] {
        let counts = api.get(&format!("/api/instances/count/status{query}")).await?.good()?.body["value"].clone();
        let keys = ["healthy", "out_of_sync", "lost_connection", "offline"].into_iter().zip(wanted);
        assert_eq!(counts, keys.map(|(key, count)| json!({"key": key, "count": count})).collect::<Value>(), "{query}");
    }
    let counts = api.get("/api/gateway_groups/count/gateway_instance").await?.good()?.body["list"].clone();
    let mut wanted = [("default", 5), (other.as_str(), 1)];
    wanted.sort_unstable();
    assert_eq!(counts, wanted.map(|(key, count)| json!({"key": key, "count": count})).into_iter().collect::<Value>());
    let status = api.get("/api/gateway_groups/default/status").await?.good()?.body["value"].clone();
    assert_eq!((&status["in_sync"], &status["behind"], &status["lost"]), (&json!(1), &json!(2), &json!(2)));
    Ok(())
}

#[tokio::test]
async fn an_instance_is_shown_with_what_it_serves_counts_and_refuses() -> Result<()> {
    let api = Fixture::start().await?;
    fleet(&api).await?;
    let one = |id: &'static str| {
        let path = format!("/api/gateway_groups/default/instances/{id}");
        let api = &api;
        async move { Ok::<_, anyhow::Error>(api.get(&path).await?.good()?.body["value"].clone()) }
    };
    let (refusing, well) = (one("refusing").await?, one("well").await?);
    let refusal = json!({"revision": 2, "object": "service/s2", "field": "/plugins/x", "reason": "no such"});
    let digest = &refusing["applied_digest"];
    let expected = json!({
        "id": "refusing", "gateway_group_id": "default", "hostname": "host-refusing", "ip": "10.0.0.1", "version": "1",
        "status": "out_of_sync", "applied_revision": 1, "target_revision": 2, "applied_digest": digest,
        "refusal": refusal, "counters": {}, "revoked": false, "last_heartbeat_time": refusing["last_heartbeat_time"],
        "certificate_expires_at": refusing["certificate_expires_at"], "created_at": refusing["created_at"],
    });
    assert_eq!(refusing, expected);
    assert_eq!(digest, &one("behind").await?["applied_digest"]);
    for (time, about) in [("last_heartbeat_time", -9), ("certificate_expires_at", 3600), ("created_at", 0)] {
        let age = now() + about - refusing[time].as_i64().context(time)?;
        assert!((0..60).contains(&age), "{time}: {age}");
    }
    let status = api.get("/api/gateway_groups/default/status").await?.good()?.body["value"].clone();
    assert_eq!((&well["refusal"], &well["applied_digest"]), (&Value::Null, &status["digest"]));
    assert_eq!(well["counters"], json!({"requests": 7, "responses_5xx": 2, "connections_now": 3}));
    let listed = api.get("/api/instances?search=refusing").await?.good()?.body["list"][0].clone();
    assert_eq!(listed, refusing);
    assert_eq!(api.get("/api/instances?search=behind").await?.good()?.body["list"][0]["refusal"], Value::Null);
    Ok(())
}
