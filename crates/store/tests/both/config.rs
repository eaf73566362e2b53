use std::collections::BTreeSet;
use std::time::Duration;

use model::{Change, Kind};
use store::audit::AuditFilter;
use store::config::LoggedChange;
use store::{Direction, Head, StoreError};

use crate::support::*;

pub(crate) async fn committed_and_read_back(f: Fixture) {
    let g = create_group(&f.store, "g").await;
    let first = r#"{"name":"one","labels":{"a":"b"},"uris":["/ä"]}"#;
    let second = r#"{"name":"two","uris":["/"]}"#;
    assert_eq!(commit(&f.store, &g, 0, vec![put(Kind::Route, "r", first)]).await.unwrap(), 1);
    let made = f.store.config().get(&g, &key(Kind::Route, "r")).await.unwrap().unwrap();
    assert_eq!((&made.body[..], made.name.as_str(), made.revision), (first.as_bytes(), "one", 1));
    assert_eq!(made.labels, [("a".to_owned(), "b".to_owned())].into());

    assert_eq!(commit(&f.store, &g, 1, vec![put(Kind::Route, "r", second)]).await.unwrap(), 2);
    let replaced = f.store.config().get(&g, &key(Kind::Route, "r")).await.unwrap().unwrap();
    assert_eq!((&replaced.body[..], replaced.revision), (second.as_bytes(), 2));
    assert_eq!(replaced.created_at, made.created_at);
    assert!(replaced.labels.is_empty());

    assert_eq!(commit(&f.store, &g, 2, vec![Change::Delete(key(Kind::Route, "r"))]).await.unwrap(), 3);
    assert_eq!(f.store.config().get(&g, &key(Kind::Route, "r")).await.unwrap(), None);
    let log = f.store.config().revisions_after(&g, 0, 10).await.unwrap();
    let befores: Vec<_> = log.iter().flat_map(|row| &row.changes).map(|logged| logged.before.clone()).collect();
    assert_eq!(befores, [None, Some(body(first)), Some(body(second))]);
    assert!(log.iter().all(|row| row.author == "user:test" && row.created_at > 0));
    assert_eq!(assert_log_is_whole(&f.store, &g).await, 3);
    assert_eq!(f.store.groups().get(&g).await.unwrap().revision, 3);
}

pub(crate) async fn a_stale_parent_is_refused(f: Fixture) {
    let g = create_group(&f.store, "g").await;
    commit(&f.store, &g, 0, vec![put(Kind::Route, "a", "{}")]).await.unwrap();
    for parent in [0, 2, 1 << 40] {
        let error = commit(&f.store, &g, parent, vec![put(Kind::Route, "b", "{}")]).await.unwrap_err();
        assert!(matches!(&error, StoreError::Conflict { head: 1, group } if *group == *g), "{error:?}");
    }
    assert_eq!(assert_log_is_whole(&f.store, &g).await, 1);
    assert_eq!(f.store.config().get(&g, &key(Kind::Route, "b")).await.unwrap(), None);
}

pub(crate) async fn concurrent_commits_leave_no_gap(f: Fixture) {
    let g = create_group(&f.store, "g").await;
    let other = f.replica().await;
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let (store, g) = (if task % 2 == 0 { f.store.clone() } else { other.clone() }, g.clone());
            tokio::spawn(async move {
                let mut accepted = Vec::new();
                for turn in 0..5 {
                    let changes = vec![put(Kind::Route, &format!("r{task}-{turn}"), r#"{"labels":{"a":"b"}}"#)];
                    accepted.push(commit_on_head(&store, &g, changes).await.unwrap());
                }
                accepted
            })
        })
        .collect();
    let mut accepted = BTreeSet::new();
    for task in tasks {
        accepted.extend(task.await.unwrap());
    }
    assert_eq!(accepted, (1..=40).collect());
    assert_eq!(assert_log_is_whole(&f.store, &g).await, 40);
    assert_eq!(state_at_head(&f.store, &g).await.1.len(), 40);
}

pub(crate) async fn a_refused_commit_leaves_nothing(f: Fixture) {
    let g = create_group(&f.store, "g").await;
    commit(&f.store, &g, 0, vec![put(Kind::Route, "a", "{}")]).await.unwrap();
    // The second change is found out after the head has moved and the first rows are written.
    let changes = vec![Change::Delete(key(Kind::Route, "a")), put(Kind::Route, "b", "not JSON")];
    let error = commit(&f.store, &g, 1, changes).await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
    assert_eq!(assert_log_is_whole(&f.store, &g).await, 1);
    assert!(f.store.config().get(&g, &key(Kind::Route, "a")).await.unwrap().is_some());
    let missing = f.store.config().head(&group("h")).await.unwrap_err();
    assert!(matches!(missing, StoreError::NotFound { .. }));
}

pub(crate) async fn one_batch_may_touch_a_resource_twice(f: Fixture) {
    let g = create_group(&f.store, "g").await;
    let changes = vec![
        put(Kind::Route, "r", r#"{"labels":{"v":"1"}}"#),
        put(Kind::Route, "r", r#"{"labels":{"v":"2"}}"#),
        put(Kind::Route, "gone", "{}"),
        Change::Delete(key(Kind::Route, "gone")),
        Change::Delete(key(Kind::Route, "never")),
    ];
    commit(&f.store, &g, 0, changes.clone()).await.unwrap();
    assert_eq!(assert_log_is_whole(&f.store, &g).await, 1);
    let log = f.store.config().revisions_after(&g, 0, 1).await.unwrap().remove(0);
    let befores = [None, Some(body(r#"{"labels":{"v":"1"}}"#)), None, Some(body("{}")), None];
    let expected: Vec<_> =
        changes.into_iter().zip(befores).map(|(change, before)| LoggedChange { change, before }).collect();
    assert_eq!(log.changes, expected);
}

pub(crate) async fn a_large_batch_is_one_revision(f: Fixture) {
    let g = create_group(&f.store, "g").await;
    let bodies = (0..1_200).map(|n| (format!("r{n}"), format!(r#"{{"name":"{n}","labels":{{"n":"{n}"}}}}"#)));
    let changes: Vec<_> = bodies.map(|(id, json)| put(Kind::Route, &id, &json)).collect();
    let deletes = changes.iter().skip(1).map(|change| Change::Delete(change.key().clone())).collect();
    commit(&f.store, &g, 0, changes.clone()).await.unwrap();
    commit(&f.store, &g, 1, changes).await.unwrap();
    assert_eq!(state_at_head(&f.store, &g).await.1.len(), 1_200);
    commit(&f.store, &g, 2, deletes).await.unwrap();
    assert_eq!(state_at_head(&f.store, &g).await.1.len(), 1);
    assert_eq!(assert_log_is_whole(&f.store, &g).await, 3);
}

pub(crate) async fn groups_with_the_same_ids_stay_apart(f: Fixture) {
    let (a, b) = (create_group(&f.store, "a").await, create_group(&f.store, "b").await);
    commit(&f.store, &a, 0, vec![put(Kind::Route, "r", r#"{"name":"in a"}"#)]).await.unwrap();
    commit(&f.store, &b, 0, vec![put(Kind::Route, "r", r#"{"name":"in b"}"#)]).await.unwrap();
    commit(&f.store, &a, 1, vec![Change::Delete(key(Kind::Route, "r"))]).await.unwrap();
    let kept = f.store.config().get(&b, &key(Kind::Route, "r")).await.unwrap().unwrap();
    assert_eq!((kept.name.as_str(), kept.revision), ("in b", 1));
    assert_eq!(assert_log_is_whole(&f.store, &a).await, 2);
    assert_eq!(assert_log_is_whole(&f.store, &b).await, 1);
}

pub(crate) async fn revisions_are_read_in_steps(f: Fixture) {
    let g = create_group(&f.store, "g").await;
    for parent in 0..5 {
        commit(&f.store, &g, parent, vec![put(Kind::Route, &format!("r{parent}"), "{}")]).await.unwrap();
    }
    let numbers = async |after, limit| {
        let rows = f.store.config().revisions_after(&g, after, limit).await.unwrap();
        rows.into_iter().map(|row| row.revision).collect::<Vec<_>>()
    };
    assert_eq!(numbers(0, 2).await, [1, 2]);
    assert_eq!(numbers(2, 10).await, [3, 4, 5]);
    assert!(numbers(5, 10).await.is_empty());
    assert!(numbers(99, 10).await.is_empty());
}

/// By NOTIFY where there is one: with the poll alone these twelve would take far longer than the deadline.
pub(crate) async fn heads_are_told_to_all_replicas(f: Fixture) {
    let g = create_group(&f.store, "g").await;
    let other = f.replica().await;
    let (mut here, mut there) = (f.store.subscribe(), other.subscribe());
    let (commits, limit) = if f.url.starts_with("sqlite") { (1, 10) } else { (12, 10) };
    let all = async {
        for parent in 0..commits {
            commit(&f.store, &g, parent, vec![put(Kind::Route, "r", "{}")]).await.unwrap();
            let head = Head { group: group_id("g"), revision: parent + 1 };
            for receiver in [&mut here, &mut there] {
                while receiver.recv().await.unwrap() != head {}
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(limit), all).await.expect("a replica was not told");
}

pub(crate) async fn audited_in_the_same_transaction(f: Fixture) {
    let g = create_group(&f.store, "g").await;
    commit(&f.store, &g, 0, vec![put(Kind::Route, "r", "{}")]).await.unwrap();
    commit(&f.store, &g, 0, vec![put(Kind::Route, "r", "{}")]).await.unwrap_err();
    let filter = AuditFilter { group: Some(group_id("g")), ..AuditFilter::default() };
    let rows = f.store.audit().list(&filter, Direction::Descending, None).await.unwrap().list;
    let told: Vec<_> = rows.iter().map(|row| (row.entry.action.as_str(), row.revision)).collect();
    assert_eq!(told, [("PutResource", Some(1))]);
}

pub(crate) async fn what_is_to_go_is_told_in_time_and_forgotten(f: Fixture) {
    let g = create_group(&f.store, "g").await;
    let expiry = |id: &str, revision, expires_at| store::config::Expiry {
        key: model::ResourceKey::below("jack".parse().unwrap(), Kind::Credential, id.parse().unwrap()),
        revision,
        expires_at,
    };
    let config = f.store.config();
    for noted in [expiry("late", 2, 30), expiry("a", 1, 10), expiry("a", 3, 20)] {
        config.set_expiry(&g, &noted).await.unwrap();
    }
    assert_eq!(config.due(19).await.unwrap(), []);
    assert_eq!(
        config.due(30).await.unwrap(),
        [(group_id("g"), expiry("a", 3, 20)), (group_id("g"), expiry("late", 2, 30))]
    );
    config.forget_expiry(&g, &expiry("a", 1, 10)).await.unwrap();
    assert_eq!(config.due(20).await.unwrap().len(), 1, "it was noted anew");
    config.forget_expiry(&g, &expiry("a", 3, 20)).await.unwrap();
    assert_eq!(config.due(20).await.unwrap(), []);
}
