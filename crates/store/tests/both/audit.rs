use std::collections::BTreeSet;

use serde_json::json;
use store::audit::{AuditFilter, ChainFault, ChainHash, Position, Verification};
use store::{AuditEntry, Credential, Direction, Outcome, RequestContext, Store};

use crate::support::*;

fn full(action: &str) -> AuditEntry {
    AuditEntry {
        actor: "user:kim".into(),
        actor_id: "u1".into(),
        credential: Credential { kind: "token".into(), id: "t1".into(), name: "ci".into() },
        request: RequestContext {
            address: "192.0.2.7".into(),
            id: "req-1".into(),
            user_agent: "curl/8".into(),
            method: "PUT".into(),
            path: "/apisix/admin/routes/r1".into(),
            source: "api".into(),
        },
        action: action.into(),
        group: None,
        resource_kind: "route".into(),
        resource_id: "r1".into(),
        resource_name: "för alla".into(),
        outcome: Outcome::Refused,
        error: "not permitted".into(),
        repeats: 3,
        detail: json!({ "before": null, "after": { "n": 1.5, "text": "ä\u{0}" } }),
    }
}

async fn record(store: &Store, count: usize) {
    for n in 0..count {
        store.audit().record(&full(&format!("Action{n}"))).await.unwrap();
    }
}

async fn verify(f: &Fixture) -> Verification {
    f.store.audit().verify().await.unwrap()
}

/// The sequence and the fault that verification names first.
async fn broken(f: &Fixture) -> Option<(u64, ChainFault)> {
    verify(f).await.broken().map(|row| (row.sequence, row.fault))
}

pub(crate) async fn every_field_is_kept_and_chained(f: Fixture) {
    f.store.audit().record(&full("One")).await.unwrap();
    f.store.audit().record(&full("Two")).await.unwrap();
    let rows = f.store.audit().list(&AuditFilter::default(), Direction::Ascending, None).await.unwrap().list;
    assert_eq!(rows[0].entry, full("One"));
    let links: Vec<_> = rows.iter().map(|row| row.link.clone().unwrap()).collect();
    assert_eq!((links[0].sequence, links[0].previous, links[0].scope.as_str()), (1, ChainHash::default(), ""));
    assert_eq!((links[1].sequence, links[1].previous), (2, links[0].hash));
    let found = verify(&f).await;
    assert_eq!((found.broken(), found.chains[0].intact, found.chains[0].head_hash), (None, 2, links[1].hash));
    for (search, total) in [("KIM", 2), ("192.0.2", 2), ("ci", 2), ("wo", 1), ("%", 0)] {
        let filter = AuditFilter { search: Some(search.into()), ..AuditFilter::default() };
        let listed = f.store.audit().list(&filter, Direction::Descending, None).await.unwrap();
        assert_eq!(listed.total, total, "{search}");
    }
    let of_kim = AuditFilter { actor: Some("kim".into()), outcome: Some(Outcome::Refused), ..AuditFilter::default() };
    assert_eq!(f.store.audit().list(&of_kim, Direction::Descending, None).await.unwrap().total, 2);
    assert_eq!(f.store.audit().actions(None).await.unwrap(), ["One", "Two"]);
}

pub(crate) async fn every_changed_column_is_named(f: Fixture) {
    create_group(&f.store, "g").await;
    record(&f.store, 3).await;
    let texts = [
        "actor",
        "actor_id",
        "credential_kind",
        "credential_id",
        "credential_name",
        "address",
        "request_id",
        "user_agent",
        "method",
        "path",
        "source",
        "action",
        "group_id",
        "resource_kind",
        "resource_id",
        "resource_name",
        "outcome",
        "error",
        "detail",
    ];
    let numbers = ["at_ms", "revision", "repeats"];
    // The database keeps what it was; each change is taken back before the next.
    let texts = texts.map(|column| (column, format!("COALESCE({column}, '') || 'x'")));
    let numbers = numbers.map(|column| (column, format!("COALESCE({column}, 0) + 1")));
    for (column, value) in texts.into_iter().chain(numbers) {
        let table =
            format!("CREATE TABLE kept AS SELECT {column} AS value FROM audit_log WHERE scope = '' AND sequence = 3");
        let change = format!("UPDATE audit_log SET {column} = {value} WHERE scope = '' AND sequence = 3");
        let back =
            format!("UPDATE audit_log SET {column} = (SELECT value FROM kept) WHERE scope = '' AND sequence = 3");
        tamper(&f.url, table.leak()).await;
        assert_eq!(tamper(&f.url, change.leak()).await, 1, "{column}");
        assert_eq!(broken(&f).await, Some((3, ChainFault::Content)), "{column}");
        tamper(&f.url, back.leak()).await;
        tamper(&f.url, "DROP TABLE kept").await;
        assert_eq!(broken(&f).await, None, "{column} is as it was");
    }
    let id = "UPDATE audit_log SET id = 'x' WHERE scope = '' AND sequence = 3";
    tamper(&f.url, id).await;
    let found = verify(&f).await;
    let row = found.broken().unwrap();
    assert_eq!((row.id.as_str(), row.scope.as_str(), row.fault), ("x", "", ChainFault::Content));
    assert!(found.chains.iter().all(|chain| chain.broken.is_none() || chain.scope.is_empty()));
}

pub(crate) async fn removed_rows_are_named(f: Fixture) {
    record(&f.store, 6).await;
    assert_eq!(tamper(&f.url, "DELETE FROM audit_log WHERE sequence = 6").await, 1);
    assert_eq!(broken(&f).await, Some((6, ChainFault::Missing)), "the end");
    tamper(&f.url, "DELETE FROM audit_log WHERE sequence = 3").await;
    assert_eq!(broken(&f).await, Some((3, ChainFault::Missing)), "in the middle");
    tamper(&f.url, "DELETE FROM audit_log WHERE sequence = 1").await;
    assert_eq!(broken(&f).await, Some((1, ChainFault::Missing)), "the beginning");
    tamper(&f.url, "DELETE FROM audit_log").await;
    assert_eq!(broken(&f).await, Some((1, ChainFault::Missing)), "everything");
}

pub(crate) async fn swapped_rows_are_named(f: Fixture) {
    record(&f.store, 5).await;
    let swap = [
        "UPDATE audit_log SET sequence = 99 WHERE sequence = 2",
        "UPDATE audit_log SET sequence = 2 WHERE sequence = 3",
        "UPDATE audit_log SET sequence = 3 WHERE sequence = 99",
    ];
    for statement in swap {
        assert_eq!(tamper(&f.url, statement).await, 1);
    }
    assert_eq!(broken(&f).await, Some((2, ChainFault::Content)), "the sequence is part of the content");
    for statement in swap {
        tamper(&f.url, statement).await;
    }
    assert_eq!(broken(&f).await, None);
    // A row that is whole in itself, but of another chain.
    let other = f.replica().await;
    create_group(&other, "g").await;
    for _ in 0..3 {
        other.audit().record(&AuditEntry { group: Some(group_id("g")), ..full("Other") }).await.unwrap();
    }
    let moved = "UPDATE audit_log SET previous_hash = (SELECT hash FROM audit_log WHERE scope = 'g' AND sequence = 3) \
         WHERE scope = '' AND sequence = 4";
    tamper(&f.url, moved).await;
    assert_eq!(broken(&f).await, Some((4, ChainFault::Content)));
}

pub(crate) async fn inserted_rows_are_named(f: Fixture) {
    record(&f.store, 4).await;
    const COLUMNS: &str = "id, at_ms, actor, action, resource_kind, resource_id, resource_name, address, detail, scope, sequence, previous_hash, hash";
    let insert = |sequence: &str| {
        let text = format!(
            "INSERT INTO audit_log ({COLUMNS}) SELECT 'forged-{sequence}', at_ms, actor, action, resource_kind, resource_id, \
             resource_name, address, detail, scope, {sequence}, previous_hash, hash FROM audit_log WHERE sequence = 4"
        );
        &*text.leak()
    };
    assert_eq!(tamper(&f.url, insert("5")).await, 1);
    let found = verify(&f).await;
    let row = found.broken().unwrap();
    assert_eq!((row.sequence, row.id.as_str(), row.fault), (5, "forged-5", ChainFault::Head), "after the end");
    // In the middle there is no place: its neighbours must make room, which changes them.
    tamper(&f.url, "DELETE FROM audit_log WHERE sequence = 5").await;
    for statement in
        ["UPDATE audit_log SET sequence = 5 WHERE sequence = 4", "UPDATE audit_log SET sequence = 4 WHERE sequence = 3"]
    {
        tamper(&f.url, statement).await;
    }
    tamper(&f.url, &insert("3").replace("sequence = 4", "sequence = 5").leak()[..]).await;
    assert_eq!(broken(&f).await, Some((3, ChainFault::Content)), "in the middle");
}

pub(crate) async fn a_changed_head_is_named(f: Fixture) {
    record(&f.store, 3).await;
    tamper(&f.url, "UPDATE audit_chains SET anchor_hash = hash").await;
    assert_eq!(broken(&f).await, Some((1, ChainFault::Link)), "another beginning");
    tamper(&f.url, "UPDATE audit_chains SET anchor_hash = (SELECT previous_hash FROM audit_log WHERE sequence = 1)")
        .await;
    assert_eq!(broken(&f).await, None);
    tamper(&f.url, "UPDATE audit_chains SET sequence = 2").await;
    assert_eq!(broken(&f).await, Some((2, ChainFault::Head)), "put back");
    let hash = "UPDATE audit_chains SET sequence = 2, hash = (SELECT hash FROM audit_log WHERE sequence = 2)";
    tamper(&f.url, hash).await;
    assert_eq!(broken(&f).await, Some((3, ChainFault::Head)), "put back with its hash");
    tamper(&f.url, "UPDATE audit_chains SET sequence = 9").await;
    assert_eq!(broken(&f).await, Some((4, ChainFault::Missing)), "put forward");
    tamper(&f.url, "DELETE FROM audit_chains").await;
    assert_eq!(broken(&f).await, Some((1, ChainFault::Head)), "removed");
}

/// Two replicas write in three scopes at once, with and without a group's commits.
pub(crate) async fn concurrent_writers_leave_whole_chains(f: Fixture) {
    let stores = [f.store.clone(), f.replica().await];
    for id in ["g", "h"] {
        create_group(&f.store, id).await;
    }
    let mut writers = tokio::task::JoinSet::new();
    for n in 0..6 {
        let store = stores[n % 2].clone();
        writers.spawn(async move {
            for round in 0..10 {
                let scope = ["g", "h", ""][(n + round) % 3];
                let entry = AuditEntry { group: (!scope.is_empty()).then(|| group_id(scope)), ..full("Write") };
                store.audit().record(&entry).await.unwrap();
                if n < 2 {
                    commit_on_head(&store, &group("g"), vec![put(model::Kind::Route, &format!("r{n}"), "{}")])
                        .await
                        .unwrap();
                }
            }
        });
    }
    while let Some(writer) = writers.join_next().await {
        writer.unwrap();
        assert_eq!(broken(&f).await, None, "while the others write");
    }
    let found = verify(&f).await;
    assert_eq!(found.broken(), None);
    let intact: u64 = found.chains.iter().map(|chain| chain.intact).sum();
    assert_eq!(intact, 2 + 60 + 20);
}

pub(crate) async fn retention_moves_the_anchor(f: Fixture) {
    record(&f.store, 5).await;
    assert_eq!(f.store.audit().prune(0).await.unwrap().rows, 0);
    // Rows of long ago are made by moving the newest ones away: retention looks at the time alone.
    tamper(&f.url, "UPDATE audit_log SET at_ms = 1000 WHERE sequence <= 3").await;
    assert_eq!(f.store.audit().prune(100).await.unwrap().rows, 3);
    let found = verify(&f).await;
    assert_eq!((found.broken(), found.chains[0].anchor, found.chains[0].intact), (None, 3, 2));
    record(&f.store, 2).await;
    assert_eq!(broken(&f).await, None, "written after");
    tamper(&f.url, "UPDATE audit_log SET sequence = -1, outcome = 'x', detail = 'x' WHERE sequence = 7").await;
    tamper(&f.url, "UPDATE audit_chains SET sequence = 6, hash = (SELECT hash FROM audit_log WHERE sequence = 6)")
        .await;
    assert_eq!(broken(&f).await, Some((0, ChainFault::Head)), "before the anchor");
    let listed = f.store.audit().list(&AuditFilter::default(), Direction::Ascending, None).await.unwrap();
    assert_eq!(listed.total, 4, "what was tampered with does not hide the others");
    tamper(&f.url, "DELETE FROM audit_log WHERE sequence = -1").await;
    assert_eq!(broken(&f).await, None);
    tamper(&f.url, "DELETE FROM audit_log WHERE sequence = 4").await;
    assert_eq!(broken(&f).await, Some((4, ChainFault::Missing)), "the first after the anchor");
    tamper(&f.url, "UPDATE audit_log SET at_ms = 1000").await;
    assert_eq!(f.store.audit().prune(100).await.unwrap().rows, 0, "a gap is not tidied away");
    assert_eq!(broken(&f).await, Some((4, ChainFault::Missing)));
}

pub(crate) async fn rows_from_before_the_chains_stay(f: Fixture) {
    let old = "INSERT INTO audit_log (id, at_ms, actor, action, resource_kind, resource_id, resource_name, address, detail) \
         VALUES ('old', 1000, 'user:a', 'Login', 'user', 'a', 'a', '', 'null')";
    tamper(&f.url, old).await;
    record(&f.store, 1).await;
    assert_eq!(broken(&f).await, Some((0, ChainFault::Unchained)), "it was not there when the chains began");
    tamper(&f.url, "UPDATE audit_before_chains SET total = 1").await;
    let found = verify(&f).await;
    assert_eq!((found.broken(), found.unchained), (None, 1));
    let listed = f.store.audit().list(&AuditFilter::default(), Direction::Ascending, None).await.unwrap();
    assert_eq!((listed.total, listed.list[0].link.as_ref(), listed.list[0].at()), (2, None, 1));
    assert_eq!(f.store.audit().prune(100).await.unwrap().unchained, 1);
    let found = verify(&f).await;
    assert_eq!((found.broken(), found.unchained), (None, 0));
    tamper(&f.url, "UPDATE audit_before_chains SET total = 2").await;
    assert_eq!(broken(&f).await, Some((0, ChainFault::Missing)));
}

pub(crate) async fn walked_by_position_while_it_grows(f: Fixture) {
    record(&f.store, 7).await;
    for direction in [Direction::Ascending, Direction::Descending] {
        let total = f.store.audit().list(&AuditFilter::default(), direction, None).await.unwrap().total;
        let (mut seen, mut position) = (BTreeSet::new(), None::<Position>);
        loop {
            let rows = f.store.audit().after(&AuditFilter::default(), direction, position.as_ref(), 3).await.unwrap();
            let Some(last) = rows.last().filter(|_| seen.len() < 20) else { break };
            position = Some(last.into());
            assert!(rows.iter().all(|row| seen.insert(row.id.clone())), "a row twice");
            f.store.audit().record(&full("Meanwhile")).await.unwrap();
        }
        assert!(seen.len() as u64 >= total, "{direction:?}: {} of {total}", seen.len());
    }
}

pub(crate) async fn streamed_by_one_replica_at_a_time(f: Fixture) {
    record(&f.store, 2).await;
    let (one, two) = (f.store.clone(), f.replica().await);
    assert!(!one.audit().hold_stream("one", 1000).await.unwrap(), "there is no stream");
    one.audit().begin_stream().await.unwrap();
    assert!(one.audit().hold_stream("one", 60_000).await.unwrap());
    assert!(!two.audit().hold_stream("two", 60_000).await.unwrap());
    assert_eq!(one.audit().next_batch(10).await.unwrap(), None, "what was before is not sent");
    create_group(&f.store, "g").await;
    for scope in [Some(group_id("g")), None, None, None] {
        one.audit().record(&AuditEntry { group: scope, ..full("Later") }).await.unwrap();
    }
    assert_eq!(one.audit().stream_state().await.unwrap().unwrap().waiting, 5);
    let mut sent = Vec::new();
    while let Some(batch) = one.audit().next_batch(2).await.unwrap() {
        assert_eq!(one.audit().next_batch(2).await.unwrap().as_ref(), Some(&batch), "until it arrived");
        assert!(!two.audit().batch_arrived("two", &batch).await.unwrap(), "who does not hold it moves nothing");
        assert!(one.audit().batch_arrived("one", &batch).await.unwrap());
        sent.extend(batch.rows.into_iter().map(|row| row.link.unwrap()).map(|link| (link.scope, link.sequence)));
    }
    let of = |scope: &str| sent.iter().filter(|(of, _)| of == scope).map(|(_, n)| *n).collect::<Vec<_>>();
    // The group's making stands in no group's chain.
    assert_eq!((of("g"), of("")), (vec![1], vec![3, 4, 5, 6]));
    one.audit().batch_failed("one", "no route").await.unwrap();
    let state = one.audit().stream_state().await.unwrap().unwrap();
    assert_eq!((state.delivered, state.failures, state.last_error.as_str(), state.waiting), (5, 1, "no route", 0));
    one.audit().release_stream("one").await.unwrap();
    assert!(two.audit().hold_stream("two", 60_000).await.unwrap());
    two.audit().end_stream().await.unwrap();
    assert_eq!(two.audit().stream_state().await.unwrap(), None);
}

pub(crate) async fn a_stream_counts_what_retention_took(f: Fixture) {
    f.store.audit().begin_stream().await.unwrap();
    f.store.audit().hold_stream("one", 60_000).await.unwrap();
    record(&f.store, 5).await;
    tamper(&f.url, "UPDATE audit_log SET at_ms = 1000 WHERE sequence <= 3").await;
    f.store.audit().prune(100).await.unwrap();
    let batch = f.store.audit().next_batch(10).await.unwrap().unwrap();
    assert_eq!((batch.rows.len(), batch.lost, batch.until), (2, 3, 5));
    tamper(&f.url, "DELETE FROM audit_log").await;
    let batch = f.store.audit().next_batch(10).await.unwrap().unwrap();
    assert_eq!((batch.rows.len(), batch.lost, batch.until), (0, 5, 5), "rows that are gone do not hold it up");
    f.store.audit().batch_arrived("one", &batch).await.unwrap();
    assert_eq!(f.store.audit().next_batch(10).await.unwrap(), None);
    assert_eq!(f.store.audit().stream_state().await.unwrap().unwrap().lost, 5);
}
