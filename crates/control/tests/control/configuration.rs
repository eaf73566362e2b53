//! One resource at a time: create, replace, patch, delete, and what is refused.

use control::ControlError;
use control::configuration::Operation;
use model::{Digest, Kind, ResourceKey, signing};
use serde_json::{Value, json};
use store::Direction;
use store::audit::AuditFilter;
use store::config::ResourceFilter;

use crate::support::{Plane, below, default_group, key, pointers, root, route, route_of, service, upstream};

#[tokio::test]
async fn a_put_creates_then_replaces_and_changes_nothing_the_third_time() {
    let plane = Plane::start().await;
    let put = async |body| plane.put_resource(&root(), &default_group(), key(Kind::Route, "r1"), body, None).await;
    let first = put(route("/a")).await.unwrap();
    assert_eq!((first.revision, first.created, first.changed), (1, true, true));
    let second = put(route("/b")).await.unwrap();
    assert_eq!((second.revision, second.created, second.changed), (2, false, true));
    let third = put(route("/b")).await.unwrap();
    assert_eq!((third.revision, third.created, third.changed), (2, false, false));
    assert_eq!(plane.head().await, 2);
    let body: Value = serde_json::from_slice(&third.resource.body).unwrap();
    assert_eq!((&body["uri"], &body["priority"]), (&json!("/b"), &json!(0)), "defaults are stored");
}

#[tokio::test]
async fn a_post_refuses_what_is_there() {
    let plane = Plane::start().await;
    let create =
        async || plane.create_resource(&root(), &default_group(), key(Kind::Route, "r1"), route("/a"), None).await;
    assert!(create().await.unwrap().created);
    assert!(matches!(create().await, Err(ControlError::Conflict(_))));
}

#[tokio::test]
async fn a_patch_is_merged_or_applied_step_by_step() {
    let plane = Plane::start().await;
    plane.put(key(Kind::Route, "r1"), route("/a")).await.unwrap();
    let patch =
        async |patch| plane.patch_resource(&root(), &default_group(), key(Kind::Route, "r1"), patch, None).await;
    patch(json!({ "desc": "merged" })).await.unwrap();
    let written = patch(json!([{ "op": "replace", "path": "/uri", "value": "/b" }])).await.unwrap();
    let body: Value = serde_json::from_slice(&written.resource.body).unwrap();
    assert_eq!((&body["desc"], &body["uri"]), (&json!("merged"), &json!("/b")));
    let absent = plane.patch_resource(&root(), &default_group(), key(Kind::Route, "r2"), json!({}), None).await;
    assert!(matches!(absent, Err(ControlError::NotFound { .. })));
    assert!(patch(json!([{ "op": "remove", "path": "/nothing" }])).await.is_err());
}

#[tokio::test]
async fn the_id_in_the_body_is_the_path_s() {
    let plane = Plane::start().await;
    let mut body = route("/a");
    body["id"] = json!("r2");
    let error = plane.put(key(Kind::Route, "r1"), body.clone()).await.unwrap_err();
    assert_eq!(pointers(error), ["/id"]);
    body["id"] = json!("r1");
    plane.put(key(Kind::Route, "r1"), body).await.unwrap();
    let error = plane.put(key(Kind::Consumer, "jack"), json!({ "username": "jill" })).await.unwrap_err();
    assert_eq!(pointers(error), ["/username"]);
}

#[tokio::test]
async fn references_must_name_what_exists() {
    let plane = Plane::start().await;
    for field in ["service_id", "upstream_id", "plugin_config_id"] {
        let body = json!({ "uri": "/", field: "nothing" });
        let error = plane.put(key(Kind::Route, "r1"), body).await.unwrap_err();
        assert_eq!(pointers(error), [format!("/{field}")]);
    }
    let error = plane.put(below("nobody", Kind::Credential, "c1"), credential("k")).await.unwrap_err();
    assert_eq!(pointers(error), [""]);
    assert_eq!(plane.head().await, 0);
}

#[tokio::test]
async fn services_take_the_routes_of_their_type() {
    let plane = Plane::start().await;
    let stream =
        json!({ "name": "t", "type": "stream", "upstream": { "scheme": "tcp", "nodes": { "127.0.0.1:1": 1 } } });
    plane.put(key(Kind::Service, "http"), service()).await.unwrap();
    plane.put(key(Kind::Service, "stream"), stream).await.unwrap();
    let error = plane.put(key(Kind::Route, "r"), route_of("stream")).await.unwrap_err();
    assert_eq!(pointers(error), ["/service_id"]);
    let stream_route = |service: &str| json!({ "server_port": 9100, "service_id": service });
    let error = plane.put(key(Kind::StreamRoute, "r"), stream_route("http")).await.unwrap_err();
    assert_eq!(pointers(error), ["/service_id"]);
    plane.put(key(Kind::StreamRoute, "r"), stream_route("stream")).await.unwrap();
    let error = plane.put(key(Kind::Service, "stream"), service()).await.unwrap_err();
    assert_eq!(pointers(error), ["/type"]);
}

/// Apache APISIX knows no type of a service: its clients put a stream route below one whatever its upstream speaks.
#[tokio::test]
async fn a_service_with_its_upstream_by_reference_takes_stream_routes_too() {
    let plane = Plane::start().await;
    plane.put(key(Kind::Upstream, "u1"), upstream()).await.unwrap();
    let by_reference = |desc: &str| json!({ "upstream_id": "u1", "desc": desc });
    plane.put(key(Kind::Service, "s1"), by_reference("one")).await.unwrap();
    let stream_route = json!({ "server_port": 9100, "service_id": "s1" });
    plane.put(key(Kind::StreamRoute, "r1"), stream_route).await.unwrap();
    plane.put(key(Kind::Service, "s1"), by_reference("two")).await.unwrap();
    let error = plane.put(key(Kind::Service, "s1"), service()).await.unwrap_err();
    assert_eq!(pointers(error), ["/type"]);
}

/// Clients are told that it has this name, and compare what they get.
#[tokio::test]
async fn a_further_upstream_without_a_name_has_the_one_that_is_told() {
    let plane = Plane::start().await;
    plane.put(key(Kind::Service, "s1"), service()).await.unwrap();
    let nodes = json!({ "127.0.0.1:1": 1 });
    plane.put(below("s1", Kind::Upstream, "u1"), json!({ "nodes": nodes })).await.unwrap();
    plane.put(below("s1", Kind::Upstream, "u2"), json!({ "name": "own", "nodes": nodes })).await.unwrap();
    plane.put(key(Kind::Upstream, "u3"), json!({ "nodes": nodes })).await.unwrap();
    let name = async |key: ResourceKey| {
        let (stored, _) = plane.get_resource(&root(), &default_group(), &key).await.unwrap();
        serde_json::from_slice::<Value>(&stored.body).unwrap()["name"].take()
    };
    assert_eq!(name(below("s1", Kind::Upstream, "u1")).await, "default");
    assert_eq!(name(below("s1", Kind::Upstream, "u2")).await, "own");
    assert_eq!(name(key(Kind::Upstream, "u3")).await, Value::Null);
}

#[tokio::test]
async fn deleting_a_service_takes_all_below_it_in_one_revision() {
    let plane = Plane::start().await;
    plane.put(key(Kind::Service, "s1"), service()).await.unwrap();
    plane.put(key(Kind::Service, "s2"), service()).await.unwrap();
    plane.put(key(Kind::Route, "r1"), route_of("s1")).await.unwrap();
    plane.put(key(Kind::Route, "r2"), route_of("s2")).await.unwrap();
    plane.put(below("s1", Kind::Upstream, "u1"), upstream()).await.unwrap();
    let before = plane.head().await;
    assert_eq!(plane.delete(key(Kind::Service, "s1")).await.unwrap(), before + 1);
    for gone in [key(Kind::Service, "s1"), key(Kind::Route, "r1"), below("s1", Kind::Upstream, "u1")] {
        assert!(!plane.exists(gone).await);
    }
    assert!(plane.exists(key(Kind::Route, "r2")).await);
    assert!(matches!(plane.delete(key(Kind::Service, "s1")).await, Err(ControlError::NotFound { .. })));
}

#[tokio::test]
async fn deleting_a_consumer_takes_its_credentials() {
    let plane = Plane::start().await;
    plane.put(key(Kind::Consumer, "jack"), json!({ "username": "jack" })).await.unwrap();
    plane.put(below("jack", Kind::Credential, "c1"), credential("secret")).await.unwrap();
    plane.delete(key(Kind::Consumer, "jack")).await.unwrap();
    assert!(!plane.exists(below("jack", Kind::Credential, "c1")).await);
    // The key is free again.
    plane.put(key(Kind::Consumer, "jill"), json!({ "username": "jill" })).await.unwrap();
    plane.put(below("jill", Kind::Credential, "c1"), credential("secret")).await.unwrap();
}

#[tokio::test]
async fn what_is_referred_to_cannot_be_deleted() {
    let plane = Plane::start().await;
    plane.put(key(Kind::Upstream, "u1"), upstream()).await.unwrap();
    plane.put(key(Kind::PluginConfig, "p1"), json!({ "plugins": { "limited": { "count": 1 } } })).await.unwrap();
    let body = json!({ "uri": "/", "upstream_id": "u1", "plugin_config_id": "p1" });
    plane.put(key(Kind::Route, "r1"), body).await.unwrap();
    for (kind, id) in [(Kind::Upstream, "u1"), (Kind::PluginConfig, "p1")] {
        let Err(ControlError::Conflict(message)) = plane.delete(key(kind, id)).await else { panic!("{kind} is gone") };
        assert!(message.contains("route/r1"), "{message}");
    }
    plane.delete(key(Kind::Route, "r1")).await.unwrap();
    plane.delete(key(Kind::Upstream, "u1")).await.unwrap();
}

#[tokio::test]
async fn an_upstream_s_id_stands_for_one_upstream() {
    let plane = Plane::start().await;
    plane.put(key(Kind::Service, "s1"), service()).await.unwrap();
    plane.put(key(Kind::Upstream, "u1"), upstream()).await.unwrap();
    let taken = plane.put(below("s1", Kind::Upstream, "u1"), upstream()).await;
    assert!(matches!(taken, Err(ControlError::Conflict(_))), "{taken:?}");
}

#[tokio::test]
async fn a_key_belongs_to_one_consumer() {
    let plane = Plane::start().await;
    for name in ["jack", "jill"] {
        plane.put(key(Kind::Consumer, name), json!({ "username": name })).await.unwrap();
    }
    plane.put(below("jack", Kind::Credential, "c1"), credential("same")).await.unwrap();
    let head = plane.head().await;
    let error = plane.put(below("jill", Kind::Credential, "c1"), credential("same")).await.unwrap_err();
    assert!(error.to_string().contains("jack"), "{error}");
    assert_eq!(plane.head().await, head);
}

#[tokio::test]
async fn a_credential_is_one_authentication_plugin() {
    let plane = Plane::start().await;
    plane.put(key(Kind::Consumer, "jack"), json!({ "username": "jack" })).await.unwrap();
    let put = async |plugins: Value| {
        let outcome = plane.put(below("jack", Kind::Credential, "c1"), json!({ "plugins": plugins })).await;
        pointers(outcome.unwrap_err())
    };
    assert_eq!(put(json!({})).await, ["/plugins"]);
    assert_eq!(put(json!({ "limited": { "count": 1 } })).await, ["/plugins/limited"]);
    assert_eq!(put(json!({ "limited": { "count": 1 }, "key-auth": { "key": "k" } })).await[0], "/plugins");
    assert_eq!(put(json!({ "key-auth": 7 })).await, ["/plugins/key-auth"]);
    let error = plane.put(key(Kind::PluginMetadata, "unheard-of"), json!({})).await.unwrap_err();
    assert_eq!(pointers(error), [""]);
}

#[tokio::test]
async fn a_rejected_change_leaves_everything_as_it_was() {
    let plane = Plane::start().await;
    plane.put(key(Kind::Route, "r1"), route("/a")).await.unwrap();
    let with = |plugins: Value| json!({ "uri": "/a", "upstream": upstream(), "plugins": plugins });
    let error = plane.put(key(Kind::Route, "r1"), with(json!({ "limited": { "count": 0 } }))).await.unwrap_err();
    assert_eq!(pointers(error), ["/plugins/limited/count"]);
    let error = plane.put(key(Kind::Route, "r1"), with(json!({ "unheard-of": {} }))).await.unwrap_err();
    assert_eq!(pointers(error), ["/plugins/unheard-of"]);
    assert_eq!(plane.head().await, 1);
    // The head in memory still is that of revision 1: the next write has the right digest.
    plane.put(key(Kind::Route, "r2"), route("/b")).await.unwrap();
    assert_signed_and_whole(&plane).await;
}

#[tokio::test]
async fn a_write_against_an_older_revision_is_stale() {
    let plane = Plane::start().await;
    plane.put(key(Kind::Route, "r1"), route("/a")).await.unwrap();
    plane.put(key(Kind::Route, "r2"), route("/a")).await.unwrap();
    let put = async |expected| {
        plane.put_resource(&root(), &default_group(), key(Kind::Route, "r1"), route("/b"), Some(expected)).await
    };
    assert!(matches!(put(7).await, Err(ControlError::Stale { expected: 7, head: 2 })));
    put(1).await.expect("the revision that put the resource");
    assert!(matches!(put(1).await, Err(ControlError::Stale { .. })));
    put(3).await.expect("the head");
}

#[tokio::test]
async fn the_audit_log_tells_who_did_what_without_secrets() {
    let plane = Plane::start().await;
    plane.put(key(Kind::Consumer, "jack"), json!({ "username": "jack" })).await.unwrap();
    plane.put(below("jack", Kind::Credential, "c1"), credential("top-secret")).await.unwrap();
    let filter = AuditFilter { group: Some(default_group()), ..AuditFilter::default() };
    let log = plane.audit_log(&root(), &filter, Direction::Descending, None).await.unwrap();
    let row = log.list.iter().find(|row| row.revision == Some(2)).unwrap();
    assert_eq!((row.entry.actor.as_str(), row.entry.action.as_str()), ("system", "PutResource"));
    let detail = row.entry.detail.to_string();
    assert!(!detail.contains("top-secret") && detail.contains("***"), "{detail}");
}

#[tokio::test]
async fn an_unknown_group_is_not_found() {
    let plane = Plane::start().await;
    let nowhere = "nowhere".parse().unwrap();
    let put = plane.put_resource(&root(), &nowhere, key(Kind::Route, "r1"), route("/a"), None).await;
    assert!(matches!(put, Err(ControlError::NotFound { .. })));
    let list = plane.list_resources(&root(), &nowhere, &ResourceFilter::new(Kind::Route)).await;
    assert!(matches!(list, Err(ControlError::NotFound { .. })));
}

#[tokio::test]
async fn a_group_made_anew_begins_with_nothing() {
    let plane = Plane::start().await;
    let group = plane.create_group(&root(), spec("g")).await.unwrap().id;
    plane.put_resource(&root(), &group, key(Kind::Route, "r1"), route("/a"), None).await.unwrap();
    plane.delete_group(&root(), &group).await.unwrap();
    let gone = plane.put_resource(&root(), &group, key(Kind::Route, "r1"), route("/a"), None).await;
    assert!(matches!(gone, Err(ControlError::NotFound { .. })));
    let again = plane.create_group(&root(), spec("g")).await.unwrap();
    assert_ne!(again.id, group);
    let twice = plane.create_group(&root(), spec("g")).await;
    assert!(matches!(twice, Err(ControlError::Conflict(_))));
    assert_eq!(pointers(plane.create_group(&root(), spec("")).await.unwrap_err()), ["/name"]);
}

fn spec(name: &str) -> control::groups::GroupSpec {
    control::groups::GroupSpec { name: name.to_owned(), ..Default::default() }
}

pub(crate) fn credential(secret: &str) -> Value {
    json!({ "plugins": { "key-auth": { "key": secret } } })
}

/// The head's signature is over its digest, and the digest is that of the resources.
pub(crate) async fn assert_signed_and_whole(plane: &Plane) {
    use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
    let snapshot = plane.feed_snapshot(&default_group()).await.unwrap();
    let mut state = model::GroupState::default();
    for (key, body) in snapshot.resources.iter() {
        state.apply(&model::Change::Put(ResourceKey::clone(key), body.clone()));
    }
    let digest: Digest = state.digest();
    assert_eq!(digest, snapshot.head.digest);
    let signed = signing::payload(&default_group(), snapshot.head.revision, &digest);
    let key = UnparsedPublicKey::new(&ED25519, plane.signing_public_key());
    key.verify(&signed, &snapshot.head.signature).expect("signature");
}

#[tokio::test]
async fn what_a_later_version_refuses_keeps_nothing_else_from_being_written() {
    let plane = Plane::start().await;
    let limited = |uri: &str, count: i64| {
        let mut body = route(uri);
        body["plugins"] = json!({ "limited": { "count": count } });
        body
    };
    plane.put(key(Kind::Route, "old"), limited("/old", 5)).await.unwrap();
    plane.put(key(Kind::GlobalRule, "old"), json!({ "plugins": { "limited": { "count": 5 } } })).await.unwrap();
    let later = plane.upgraded().await;
    later.put(key(Kind::Route, "new"), route("/new")).await.unwrap();
    later.delete(key(Kind::Route, "new")).await.unwrap();
    let error = later.put(key(Kind::Route, "old"), limited("/changed", 5)).await.unwrap_err();
    assert_eq!(pointers(error), ["/plugins/limited/count"], "its own change must be right");
    later.put(key(Kind::Route, "old"), limited("/old", 11)).await.unwrap();
    later.delete(key(Kind::GlobalRule, "old")).await.unwrap();
    assert!(later.exists(key(Kind::Route, "old")).await);
}

#[tokio::test]
async fn a_forced_removal_leaves_those_that_refer_to_it() {
    let plane = Plane::start().await;
    plane.put(key(Kind::Service, "s"), service()).await.unwrap();
    plane.put(below("s", Kind::Upstream, "u"), upstream()).await.unwrap();
    plane.put(key(Kind::Route, "r"), route_of("s")).await.unwrap();
    let remove = async |key| plane.batch(&root(), &default_group(), vec![Operation::ForceDelete { key }], None).await;
    remove(key(Kind::Service, "s")).await.unwrap();
    assert!(plane.exists(key(Kind::Route, "r")).await && !plane.exists(below("s", Kind::Upstream, "u")).await);
    plane.put(key(Kind::Route, "other"), route("/other")).await.unwrap();
    let error = plane.put(key(Kind::Route, "r"), route_of("s")).await.unwrap_err();
    assert_eq!(pointers(error), ["/service_id"], "put anew, it needs its service");
    assert!(matches!(remove(key(Kind::Service, "s")).await, Err(ControlError::InvalidItems(_))));
}

#[tokio::test]
async fn a_resource_goes_when_its_time_has_come_unless_it_was_put_anew() {
    let plane = Plane::start().await;
    let lasting = async |id: &str, seconds| {
        let (actor, group) = (root(), default_group());
        let put = plane.put_resource(&actor, &group, key(Kind::Route, id), route("/a"), None);
        let written = put.await.unwrap();
        let after = std::time::Duration::from_secs(seconds);
        plane.expire_written(&group, &written, after).await.unwrap();
    };
    lasting("short", 60).await;
    lasting("long", 600).await;
    lasting("renewed", 60).await;
    plane.put(key(Kind::Route, "renewed"), route("/b")).await.unwrap();
    plane.clock.advance(30);
    plane.expire_once().await.unwrap();
    assert!(plane.exists(key(Kind::Route, "short")).await);
    plane.clock.advance(31);
    plane.expire_once().await.unwrap();
    let there = async |id| plane.exists(key(Kind::Route, id)).await;
    assert_eq!((there("short").await, there("long").await, there("renewed").await), (false, true, true));
    // After a restart, too.
    let again = plane.replica().await;
    again.clock.advance(601);
    again.expire_once().await.unwrap();
    assert!(!there("long").await && there("renewed").await);
}
