//! Many changes as one revision, and configurations checked without being stored.

use control::ControlError;
use control::configuration::Operation;
use model::Kind;
use serde_json::{Value, json};

use crate::configuration::assert_signed_and_whole;
use crate::support::{Plane, default_group, key, root, route, route_of, service, upstream};

fn put(kind: Kind, id: &str, body: Value) -> Operation {
    Operation::Put { key: key(kind, id), body }
}

fn delete(kind: Kind, id: &str) -> Operation {
    Operation::Delete { key: key(kind, id) }
}

async fn batch(plane: &Plane, operations: Vec<Operation>) -> Result<u64, ControlError> {
    plane.batch(&root(), &default_group(), operations, None).await
}

#[tokio::test]
async fn a_batch_is_one_revision_and_may_refer_forwards() {
    let plane = Plane::start().await;
    let mut operations = vec![put(Kind::Route, "r0", route_of("s1")), put(Kind::Service, "s1", service())];
    operations.extend((1..200).map(|n| put(Kind::Route, &format!("r{n}"), route(&format!("/{n}")))));
    assert_eq!(batch(&plane, operations).await.unwrap(), 1);
    assert_signed_and_whole(&plane).await;
    assert_eq!(batch(&plane, vec![delete(Kind::Service, "s1"), put(Kind::Route, "r1", route("/x"))]).await.unwrap(), 2);
    assert!(!plane.exists(key(Kind::Route, "r0")).await);
    assert_signed_and_whole(&plane).await;
}

#[tokio::test]
async fn one_bad_operation_and_nothing_happens() {
    let plane = Plane::start().await;
    let operations = vec![
        put(Kind::Route, "r0", route("/a")),
        put(Kind::Route, "r1", json!({ "uri": 7 })),
        put(Kind::Route, "r2", route_of("nothing")),
        delete(Kind::Route, "r3"),
    ];
    let Err(ControlError::InvalidItems(faults)) = batch(&plane, operations).await else { panic!("accepted") };
    let places: Vec<_> = faults.iter().map(|fault| fault.index).collect();
    assert_eq!(places, [1, 2, 3]);
    assert_eq!(faults[1].fault.pointer, "/service_id");
    assert_eq!(plane.head().await, 0);
    assert!(!plane.exists(key(Kind::Route, "r0")).await);
}

#[tokio::test]
async fn the_dry_run_names_the_operation() {
    let plane = Plane::start().await;
    let limited = json!({ "uri": "/", "upstream": upstream(), "plugins": { "limited": { "count": 0 } } });
    let operations = vec![put(Kind::Route, "r0", route("/a")), put(Kind::Route, "r1", limited)];
    let Err(ControlError::InvalidItems(faults)) = batch(&plane, operations).await else { panic!("accepted") };
    assert_eq!((faults[0].index, faults[0].fault.pointer.as_str()), (1, "/plugins/limited/count"));
}

#[tokio::test]
async fn a_batch_against_an_older_head_is_stale() {
    let plane = Plane::start().await;
    plane.put(key(Kind::Route, "r1"), route("/a")).await.unwrap();
    let operations = vec![put(Kind::Route, "r1", route("/b"))];
    let stale = plane.batch(&root(), &default_group(), operations, Some(0)).await;
    assert!(matches!(stale, Err(ControlError::Stale { expected: 0, head: 1 })));
}

#[tokio::test]
async fn deleting_and_referrer_in_one_batch_go_together() {
    let plane = Plane::start().await;
    plane.put(key(Kind::Upstream, "u1"), upstream()).await.unwrap();
    plane.put(key(Kind::Route, "r1"), json!({ "uri": "/", "upstream_id": "u1" })).await.unwrap();
    let Err(ControlError::InvalidItems(_)) = batch(&plane, vec![delete(Kind::Upstream, "u1")]).await else {
        panic!("accepted")
    };
    batch(&plane, vec![delete(Kind::Upstream, "u1"), delete(Kind::Route, "r1")]).await.unwrap();
    assert_signed_and_whole(&plane).await;
}

#[tokio::test]
async fn validation_tells_everything_and_changes_nothing() {
    let plane = Plane::start().await;
    plane.put(key(Kind::Route, "r0"), route("/kept")).await.unwrap();
    let limited =
        |count: i64| json!({ "uri": "/", "upstream": upstream(), "plugins": { "limited": { "count": count } } });
    let operations = vec![
        put(Kind::Service, "s1", service()),
        put(Kind::Route, "r0", limited(0)),
        put(Kind::Route, "r1", json!({ "uri": 7 })),
        put(Kind::Route, "r2", limited(-1)),
        put(Kind::Route, "r3", route_of("s1")),
        put(Kind::Route, "r4", route_of("nothing")),
    ];
    let faults = plane.validate_configuration(&root(), &default_group(), operations.clone()).await.unwrap();
    let places: Vec<_> = faults.iter().map(|fault| fault.index).collect();
    assert_eq!(places, [1, 2, 3, 5], "{faults:?}");
    let good = vec![operations[0].clone(), operations[4].clone()];
    assert_eq!(plane.validate_configuration(&root(), &default_group(), good).await.unwrap(), []);
    assert_eq!(plane.head().await, 1);
    // What the trials left in memory is what stands.
    plane.put(key(Kind::Route, "r9"), route("/next")).await.unwrap();
    assert_signed_and_whole(&plane).await;
}
