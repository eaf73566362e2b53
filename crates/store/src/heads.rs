//! Who is told of a new revision: everyone in this process, and through PostgreSQL the other replicas.
//!
//! A commit announces its head at once. A watcher task hears of other replicas' commits by LISTEN and, as
//! a backstop for whatever was missed (a broken connection, a caller that went away between commit and
//! announcement), reads all heads every few seconds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::{GroupId, Revision};
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::broadcast;
use tokio::task::JoinHandle;

use crate::db::{Db, HEADS_CHANNEL, Query};
use crate::error::StoreError;

/// A receiver that lags further than this behind is told so and reads the heads itself.
const CAPACITY: usize = 4096;
/// How long a missed head may stay unnoticed.
const POLL: Duration = Duration::from_secs(2);
/// How long to wait before listening again after the connection broke.
const RELISTEN: Duration = Duration::from_millis(500);

/// A group has this revision now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The group.
    pub group: GroupId,
    /// Its newest revision.
    pub revision: Revision,
}

impl Head {
    /// What replicas send each other.
    pub(crate) fn payload(&self) -> String {
        format!("{} {}", self.group, self.revision)
    }

    fn parse(payload: &str) -> Option<Self> {
        let (group, revision) = payload.split_once(' ')?;
        Some(Self { group: group.parse().ok()?, revision: revision.parse().ok()? })
    }
}

/// The heads as far as this process knows, and those who want to.
pub(crate) struct Heads {
    known: Mutex<HashMap<GroupId, Revision>>,
    sender: broadcast::Sender<Head>,
}

impl Default for Heads {
    fn default() -> Self {
        Self { known: Mutex::default(), sender: broadcast::Sender::new(CAPACITY) }
    }
}

impl Heads {
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Head> {
        self.sender.subscribe()
    }

    /// Tells of a head, unless it or a later one was told of before.
    pub(crate) fn announce(&self, head: Head) {
        let mut known = self.known();
        if known.get(&head.group).is_some_and(|revision| *revision >= head.revision) {
            return;
        }
        known.insert(head.group.clone(), head.revision);
        // Sent under the lock, so that heads of a group go out in order. No receiver is no error.
        let _ = self.sender.send(head);
    }

    /// A deleted group's id may come back and begins at 0 again.
    pub(crate) fn forget(&self, group: &GroupId) {
        self.known().remove(group);
    }

    /// Compares with what was `read` from the database. A revision lower than one that was known
    /// `before` the read began means that the group was deleted and made anew meanwhile.
    fn reconcile(&self, before: &HashMap<GroupId, Revision>, read: Vec<Head>) {
        for head in read {
            if before.get(&head.group).is_some_and(|revision| *revision > head.revision) {
                self.forget(&head.group);
            }
            self.announce(head);
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<GroupId, Revision>> {
        // The map is whole between any two statements, so a poisoned lock does no harm.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The tasks that watch for commits made elsewhere; they end when this is dropped.
pub(crate) struct Watcher {
    tasks: Vec<JoinHandle<()>>,
}

impl Watcher {
    pub(crate) fn start(db: Db, heads: Arc<Heads>) -> Self {
        let mut tasks = Vec::new();
        if let Db::Postgres(pool) = &db {
            tasks.push(tokio::spawn(listen(pool.clone(), heads.clone())));
        }
        tasks.push(tokio::spawn(poll(db, heads)));
        Self { tasks }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn poll(db: Db, heads: Arc<Heads>) {
    let mut reachable = true;
    loop {
        let outcome = read_heads(&db, &heads).await;
        if let (Err(error), true) = (&outcome, reachable) {
            tracing::warn!(%error, "cannot read the heads of the gateway groups; trying on");
        }
        reachable = outcome.is_ok();
        tokio::time::sleep(POLL).await;
    }
}

async fn read_heads(db: &Db, heads: &Heads) -> Result<(), StoreError> {
    let before = heads.known().clone();
    let rows = db.fetch_all(Query::new("SELECT id, revision FROM gateway_groups", Vec::new())).await?;
    let read: Result<Vec<Head>, StoreError> =
        rows.iter().map(|row| Ok(Head { group: row.parse("id")?, revision: row.unsigned("revision")? })).collect();
    heads.reconcile(&before, read?);
    Ok(())
}

/// What is missed while the connection is down is found by [`poll`].
async fn listen(pool: PgPool, heads: Arc<Heads>) {
    loop {
        if let Err(error) = listen_until_broken(&pool, &heads).await {
            tracing::debug!(%error, "listening for other replicas' commits broke off; beginning anew");
        }
        tokio::time::sleep(RELISTEN).await;
    }
}

async fn listen_until_broken(pool: &PgPool, heads: &Heads) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(HEADS_CHANNEL).await?;
    while let Some(notification) = listener.try_recv().await? {
        match Head::parse(notification.payload()) {
            Some(head) => heads.announce(head),
            None => tracing::warn!(payload = notification.payload(), "not a head of ours"),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(revision: Revision) -> Head {
        Head { group: "g".parse().unwrap(), revision }
    }

    #[test]
    fn a_head_is_told_of_once_and_never_backwards() {
        let heads = Heads::default();
        let mut receiver = heads.subscribe();
        for revision in [1, 3, 3, 2, 4] {
            heads.announce(head(revision));
        }
        let told: Vec<Revision> = std::iter::from_fn(|| receiver.try_recv().ok()).map(|head| head.revision).collect();
        assert_eq!(told, [1, 3, 4]);
    }

    #[test]
    fn a_group_made_anew_begins_again() {
        let heads = Heads::default();
        heads.announce(head(9));
        let mut receiver = heads.subscribe();
        let before = heads.known().clone();
        heads.reconcile(&before, vec![head(1)]);
        assert_eq!(receiver.try_recv().unwrap(), head(1));
    }

    #[test]
    fn a_head_announced_while_reading_is_not_taken_back() {
        let heads = Heads::default();
        heads.announce(head(1));
        let before = heads.known().clone();
        heads.announce(head(2));
        heads.reconcile(&before, vec![head(1)]);
        assert_eq!(heads.known().get(&head(0).group), Some(&2));
    }

    #[test]
    fn payloads_read_as_they_were_written() {
        assert_eq!(Head::parse(&head(7).payload()), Some(head(7)));
        assert_eq!(Head::parse("g"), None);
        assert_eq!(Head::parse("g -1"), None);
    }
}
