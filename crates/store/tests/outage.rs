//! PostgreSQL goes away and comes back: calls fail soon and clearly, nothing accepted is lost, and everything
//! recovers by itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::{Duration, Instant};

use model::{Kind, Revision};
use store::{Head, StoreError};
use support::*;
use testkit::postgres::Postgres;

/// How long a call may take to say that the database is gone.
const PATIENCE: Duration = Duration::from_secs(8);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_recovers_when_postgres_returns() {
    let mut server = Postgres::start().unwrap();
    let here = Fixture::open(server.database().unwrap()).await;
    let there = here.replica().await;
    let g = create_group(&here.store, "g").await;
    let mut accepted = commit(&here.store, &g, 0, vec![put(Kind::Route, "r0", "{}")]).await.unwrap();

    for round in 1..=2 {
        let writer = tokio::spawn(commit_until_refused(here.store.clone()));
        let before = accepted;
        eventually(10, async || (here.store.config().head(&g).await.ok()?.revision > before).then_some(())).await;
        server.stop().unwrap();
        accepted = writer.await.unwrap().max(accepted);
        let began = Instant::now();
        assert_unavailable_soon(&here.store.config().head(&g).await.map(drop), began);
        let began = Instant::now();
        let refused = here.store.groups().create(&new_group("h", &[]), &entry("a")).await.map(drop);
        assert_unavailable_soon(&refused, began);

        server.start_again().unwrap();
        let head = eventually(10, async || here.store.config().head(&g).await.ok()).await;
        // The answer to a commit under way may have been lost with the connection, so one more may stand.
        assert!((accepted..=accepted + 1).contains(&head.revision), "round {round}: {accepted}, {head:?}");
        assert_eq!(assert_log_is_whole(&here.store, &g).await, head.revision);

        let mut heads = there.subscribe();
        accepted = commit_on_head(&here.store, &g, vec![put(Kind::Route, "after", "{}")]).await.unwrap();
        let told =
            async { while heads.recv().await.unwrap() != (Head { group: group_id("g"), revision: accepted }) {} };
        tokio::time::timeout(Duration::from_secs(10), told).await.expect("the other replica was not told");
    }
}

/// Commits until the database is gone; returns the last accepted revision.
async fn commit_until_refused(store: store::Store) -> Revision {
    let (g, mut accepted) = (group("g"), 0);
    loop {
        match commit_on_head(&store, &g, vec![put(Kind::Route, "r", &format!(r#"{{"name":"{accepted}"}}"#))]).await {
            Ok(revision) => accepted = revision,
            Err(StoreError::Unavailable(_)) => return accepted,
            Err(other) => panic!("{other:?}"),
        }
    }
}

fn assert_unavailable_soon(outcome: &Result<(), StoreError>, began: Instant) {
    assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    assert!(began.elapsed() < PATIENCE, "took {:?}", began.elapsed());
}
