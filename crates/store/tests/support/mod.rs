//! What all tests of the store share.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::{Duration, Instant};

use model::change::Body;
use model::{Change, GroupId, GroupState, Kind, ResourceId, ResourceKey, Revision};
use store::access::{GroupAccess, SystemReason};
use store::config::{Commit, HeadRow};
use store::groups::NewGroup;
use store::{AuditEntry, MasterKey, Store, StoreError};

pub(crate) const KEY: [u8; 32] = [7; 32];

/// An empty database of either sort, opened.
pub(crate) struct Fixture {
    pub(crate) store: Store,
    pub(crate) url: String,
}

impl Fixture {
    pub(crate) async fn open(url: String) -> Self {
        let store = open(&url).await;
        Self { store, url }
    }

    /// Another replica on the same database.
    pub(crate) async fn replica(&self) -> Store {
        open(&self.url).await
    }
}

pub(crate) async fn open(url: &str) -> Store {
    Store::open(url, MasterKey::new(KEY)).await.unwrap()
}

pub(crate) fn sqlite_url(directory: &tempfile::TempDir) -> String {
    format!("sqlite://{}", directory.path().join("flotilla.db").display())
}

pub(crate) fn group_id(id: &str) -> GroupId {
    id.parse().unwrap()
}

/// Tests have no actors whose permission could be asked.
pub(crate) fn group(id: &str) -> GroupAccess {
    GroupAccess::system(group_id(id), SystemReason::Deciding)
}

pub(crate) fn entry(action: &str) -> AuditEntry {
    AuditEntry { actor: "user:test".into(), action: action.into(), ..AuditEntry::default() }
}

pub(crate) fn new_group(id: &str, labels: &[(&str, &str)]) -> NewGroup {
    NewGroup {
        id: group_id(id),
        name: format!("name of {id}"),
        description: "für Zahlungen".into(),
        labels: labels.iter().map(|(label, value)| ((*label).into(), (*value).into())).collect(),
        group_type: model::group::GroupType::Api7Gateway,
        region: Some("eu".into()),
        variables: [("NODE".into(), "10.0.0.1".into())].into(),
        enforce_service_publishing: false,
        signature: vec![1, 2, 3],
    }
}

pub(crate) async fn create_group(store: &Store, id: &str) -> GroupAccess {
    store.groups().create(&new_group(id, &[]), &entry("CreateGatewayGroup")).await.unwrap();
    group(id)
}

pub(crate) fn id(text: &str) -> ResourceId {
    text.parse().unwrap()
}

pub(crate) fn key(kind: Kind, text: &str) -> ResourceKey {
    ResourceKey::new(kind, id(text))
}

pub(crate) fn body(text: &str) -> Body {
    text.as_bytes().into()
}

pub(crate) fn put(kind: Kind, id: &str, json: &str) -> Change {
    Change::Put(key(kind, id), body(json))
}

/// Commits with the digest that the control plane would compute.
pub(crate) async fn commit(
    store: &Store,
    group: &GroupAccess,
    parent: Revision,
    changes: Vec<Change>,
) -> Result<Revision, StoreError> {
    let mut state = try_state_at_head(store, group).await?.1;
    state.apply_all(&changes);
    let commit = Commit {
        group: group.clone(),
        parent,
        changes,
        digest: state.digest(),
        signature: parent.to_be_bytes().to_vec(),
        author: "user:test".into(),
        audit: AuditEntry { group: Some(GroupId::clone(group)), ..entry("PutResource") },
    };
    store.config().commit(commit).await
}

/// Commits on whatever the head is, again and again until it is accepted.
pub(crate) async fn commit_on_head(
    store: &Store,
    group: &GroupAccess,
    changes: Vec<Change>,
) -> Result<Revision, StoreError> {
    loop {
        let parent = store.config().head(group).await?.revision;
        match commit(store, group, parent, changes.clone()).await {
            Err(StoreError::Conflict { .. }) => {}
            outcome => return outcome,
        }
    }
}

pub(crate) async fn state_at_head(store: &Store, group: &GroupAccess) -> (HeadRow, GroupState) {
    try_state_at_head(store, group).await.unwrap()
}

async fn try_state_at_head(store: &Store, group: &GroupAccess) -> Result<(HeadRow, GroupState), StoreError> {
    let (head, resources) = store.config().load(group).await?;
    let mut state = GroupState::default();
    state.apply_all(&resources.into_iter().map(|r| Change::Put(r.key, r.body)).collect::<Vec<_>>());
    Ok((head, state))
}

/// The log from 1 to the head has no gap, each change says rightly what stood before it, and replaying it
/// gives the digest of every revision and at the end the very resources that stand.
pub(crate) async fn assert_log_is_whole(store: &Store, group: &GroupAccess) -> Revision {
    let (head, state) = state_at_head(store, group).await;
    let log = store.config().revisions_after(group, 0, u32::MAX).await.unwrap();
    let numbers: Vec<Revision> = log.iter().map(|row| row.revision).collect();
    assert_eq!(numbers, (1..=head.revision).collect::<Vec<_>>());
    let mut replayed = GroupState::default();
    for row in &log {
        for logged in &row.changes {
            assert_eq!(replayed.apply(&logged.change), logged.before, "revision {}", row.revision);
        }
        assert_eq!(replayed.digest(), row.digest, "revision {}", row.revision);
    }
    assert_eq!(replayed, state);
    if head.revision > 0 {
        assert_eq!(head.digest, state.digest());
    }
    head.revision
}

/// Runs SQL past the store, as an intruder or a damaged disk would.
pub(crate) async fn tamper(url: &str, statement: &'static str) -> u64 {
    if url.starts_with("sqlite") {
        let pool = sqlx::SqlitePool::connect(url).await.unwrap();
        let touched = sqlx::query(statement).execute(&pool).await.unwrap().rows_affected();
        pool.close().await;
        return touched;
    }
    let pool = sqlx::PgPool::connect(url).await.unwrap();
    let touched = sqlx::query(statement).execute(&pool).await.unwrap().rows_affected();
    pool.close().await;
    touched
}

/// Tries until `attempt` gives something, at most `seconds` long.
pub(crate) async fn eventually<T>(seconds: u64, mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        if let Some(value) = attempt().await {
            return value;
        }
        assert!(Instant::now() < deadline, "did not happen within {seconds} s");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
