//! On PostgreSQL: many replicas, and a database that goes away and comes back.

use std::time::{Duration, Instant};

use control::ControlError;
use model::Kind;
use testkit::postgres::Postgres;

use crate::configuration::assert_signed_and_whole;
use crate::permissions::{PASSWORD, user};
use crate::replicas::writers_at_once;
use crate::support::{Plane, key, route};

#[tokio::test(flavor = "multi_thread")]
async fn revisions_have_no_gaps_and_outages_pass() {
    let mut postgres = Postgres::start().unwrap();
    let url = postgres.database().unwrap();
    let one = Plane::on(url.clone()).await;
    let two = Plane::on(url).await;
    writers_at_once(&one, &two, 10).await;

    postgres.stop().unwrap();
    let refused = one.put(key(Kind::Route, "down"), route("/")).await;
    assert!(matches!(refused, Err(ControlError::Unavailable(_))), "{refused:?}");
    assert!(matches!(one.store_health().await, Err(ControlError::Unavailable(_))));

    postgres.start_again().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while let Err(error) = one.put(key(Kind::Route, "up"), route("/")).await {
        assert!(matches!(error, ControlError::Unavailable(_)), "{error}");
        assert!(Instant::now() < deadline, "it does not recover");
        tokio::task::yield_now().await;
    }
    two.put(key(Kind::Route, "two"), route("/")).await.unwrap();
    assert_signed_and_whole(&one).await;
}

/// PostgreSQL takes no NUL into a text, and what it refuses is a fault of ours.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_with_nul_is_a_wrong_one_and_locks_hold_on_every_replica() {
    let mut postgres = Postgres::start().unwrap();
    let url = postgres.database().unwrap();
    let (one, two) = (Plane::on(url.clone()).await, Plane::on(url).await);
    for name in ["\0", "ad\0min"] {
        let refused = one.login(name, "guess").await.err().unwrap();
        assert!(matches!(refused, ControlError::Unauthenticated(_)), "{refused:?}");
    }
    user(&one, "ann").await;
    for _ in 0..10 {
        one.login("ann", "guess").await.err().unwrap();
        one.clock.advance(31);
    }
    let locked = two.login("ann", PASSWORD).await;
    assert!(matches!(locked, Err(ControlError::Locked { .. })));
}
