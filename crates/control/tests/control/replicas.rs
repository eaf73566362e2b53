//! Two control planes over one database.

use std::time::{Duration, Instant};

use control::Control;
use control::configuration::Operation;
use model::Kind;

use crate::configuration::assert_signed_and_whole;
use crate::support::{Plane, default_group, key, root, route, route_of, service};

/// Both write at once; every write becomes a revision of its own and none is lost.
pub(crate) async fn writers_at_once(one: &Plane, two: &Plane, writes: usize) {
    let writers: Vec<_> = [("one", &one.control), ("two", &two.control)]
        .into_iter()
        .flat_map(|(name, control)| (0..2).map(move |n| (format!("{name}-{n}"), Control::clone(control))))
        .map(|(name, control)| tokio::spawn(async move { write_many(&control, &name, writes).await }))
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let total = 4 * writes as u64;
    assert_eq!(one.head().await, total);
    let log = one.feed_revisions_after(&default_group(), 0, 10_000).await.unwrap();
    let revisions: Vec<u64> = log.iter().map(|row| row.revision).collect();
    assert_eq!(revisions, (1..=total).collect::<Vec<_>>());
    assert_signed_and_whole(one).await;
    assert_signed_and_whole(two).await;
}

async fn write_many(control: &Control, name: &str, writes: usize) {
    for n in 0..writes {
        let key = key(Kind::Route, &format!("{name}-{n}"));
        // Losing to the others each time is allowed to be told; then one tries again.
        let deadline = Instant::now() + Duration::from_secs(60);
        while let Err(error) = control.put_resource(&root(), &default_group(), key.clone(), route("/"), None).await {
            assert!(matches!(error, control::ControlError::Unavailable(_)), "{error}");
            assert!(Instant::now() < deadline, "write {n} of {name} never gets through");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn revisions_have_no_gaps_under_concurrent_writers() {
    let one = Plane::start().await;
    let two = one.replica().await;
    writers_at_once(&one, &two, 15).await;
}

#[tokio::test]
async fn a_replica_sees_what_the_other_committed() {
    let one = Plane::start().await;
    let two = one.replica().await;
    two.put(key(Kind::Route, "warm"), route("/")).await.unwrap();
    one.put(key(Kind::Service, "s1"), service()).await.unwrap();
    // Both the reference and the cascade need the other's commits.
    two.put(key(Kind::Route, "r1"), route_of("s1")).await.unwrap();
    one.delete(key(Kind::Service, "s1")).await.unwrap();
    assert!(!two.exists(key(Kind::Route, "r1")).await);
    two.put(key(Kind::Route, "r2"), route("/")).await.unwrap();
    assert_signed_and_whole(&one).await;
}

#[tokio::test]
async fn commits_are_told_of() {
    let one = Plane::start().await;
    let two = one.replica().await;
    let mut commits = two.commits();
    one.put(key(Kind::Route, "r1"), route("/")).await.unwrap();
    let told = tokio::time::timeout(Duration::from_secs(10), commits.recv()).await.expect("told in time");
    assert_eq!(told.unwrap(), default_group());
}

#[tokio::test]
async fn revisions_are_paged_newest_first() {
    let one = Plane::start().await;
    for n in 0..5 {
        one.put(key(Kind::Route, &format!("r{n}")), route("/")).await.unwrap();
    }
    let page = async |number| {
        let listed = one.list_revisions(&root(), &default_group(), number, 2).await.unwrap();
        assert_eq!(listed.total, 5);
        listed.list.iter().map(|row| row.revision).collect::<Vec<_>>()
    };
    assert_eq!([page(1).await, page(2).await, page(3).await, page(4).await], [vec![5, 4], vec![3, 2], vec![1], vec![]]);
}

#[tokio::test]
async fn a_group_dropped_from_memory_is_loaded_again() {
    let plane = Plane::start().await;
    let many =
        (0..5_000).map(|n| Operation::Put { key: key(Kind::Route, &format!("r{n}")), body: route(&format!("/{n}")) });
    plane.batch(&root(), &default_group(), many.collect(), None).await.unwrap();
    plane.clock.advance(3600);
    plane.sweep_once().await.unwrap();
    plane.put(key(Kind::Route, "after-idle"), route("/")).await.unwrap();
    assert_signed_and_whole(&plane).await;
}
