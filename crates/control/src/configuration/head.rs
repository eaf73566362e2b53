//! Each group's head in memory: the compiled configuration against which changes are tried.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::change::Body;
use model::{Change, GroupId, GroupState};
use plan::{Compiler, Rejection};
use plugin_api::Registry;
use store::config::HeadRow;
use tokio::sync::OwnedMutexGuard;

use super::references::References;
use crate::control::Control;
use crate::error::ControlError;

/// Revisions read at once while catching up.
const CATCH_UP: u32 = 256;
/// More changes than this are compiled off the runtime's threads.
const COMPILE_HERE: usize = 64;

/// The heads of the groups that were written to lately.
#[derive(Default)]
pub(crate) struct Heads {
    slots: Mutex<HashMap<GroupId, Arc<Slot>>>,
}

#[derive(Default)]
struct Slot {
    /// Held by one write at a time. `None` when nothing is loaded, and while a write works on the head, so that one
    /// that breaks off leaves nothing half done behind.
    head: Arc<tokio::sync::Mutex<Option<GroupHead>>>,
    last_used: AtomicI64,
}

/// Exclusive use of a group's head.
pub(super) struct HeldHead {
    place: OwnedMutexGuard<Option<GroupHead>>,
    pub(super) head: GroupHead,
}

impl HeldHead {
    /// Leaves the head for the next write.
    pub(super) fn put_back(mut self) {
        *self.place = Some(self.head);
    }
}

impl Heads {
    /// Drops a group that is gone.
    pub(crate) fn forget(&self, group: &GroupId) {
        self.slots().remove(group);
    }

    /// Drops the groups not used since `before` (unix seconds) that nobody works on.
    pub(crate) fn forget_idle(&self, before: i64) {
        self.slots().retain(|_, slot| {
            // Two owners: somebody holds the slot or is about to.
            slot.last_used.load(Ordering::Relaxed) >= before || Arc::strong_count(slot) > 1
        });
    }

    fn slot(&self, group: &GroupId, now: i64) -> Arc<Slot> {
        let slot = self.slots().entry(group.clone()).or_default().clone();
        slot.last_used.store(now, Ordering::Relaxed);
        slot
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<GroupId, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A group's configuration at one revision, compiled and indexed.
pub(super) struct GroupHead {
    pub(super) row: HeadRow,
    compiler: Compiler,
    pub(super) references: References,
}

/// How to take changes back.
pub(super) struct Undo {
    inverse: Vec<Change>,
    /// What stood before each change, in their order.
    pub(super) before: Vec<Option<Body>>,
}

impl GroupHead {
    pub(super) fn state(&self) -> &GroupState {
        self.compiler.state()
    }

    /// Applies changes; a rejected batch leaves everything as it was.
    pub(super) fn apply(&mut self, changes: &[Change]) -> Result<Undo, Rejection> {
        let before = before(self.state(), changes);
        self.compiler.apply(changes)?;
        for (change, before) in changes.iter().zip(&before) {
            self.index(change, before.as_ref());
        }
        let inverse = changes.iter().zip(&before).rev().map(|(change, before)| {
            let key = change.key().clone();
            before.clone().map_or_else(|| Change::Delete(key.clone()), |body| Change::Put(key.clone(), body))
        });
        Ok(Undo { inverse: inverse.collect(), before })
    }

    /// Takes changes back; they were good before, so they are now.
    pub(super) fn undo(&mut self, undo: &Undo) -> Result<(), ControlError> {
        self.apply(&undo.inverse).map(drop).map_err(ControlError::internal)
    }

    fn index(&mut self, change: &Change, before: Option<&Body>) {
        if let Some(before) = before {
            self.references.remove(change.key(), before);
        }
        if let Change::Put(key, body) = change {
            self.references.add(key, body);
        }
    }
}

/// What stands before each change; a batch may touch one resource more than once.
fn before(state: &GroupState, changes: &[Change]) -> Vec<Option<Body>> {
    let mut passed: HashMap<_, Option<Body>> = HashMap::new();
    let mut before = Vec::with_capacity(changes.len());
    for change in changes {
        let after = match change {
            Change::Put(_, body) => Some(body.clone()),
            Change::Delete(_) => None,
        };
        let earlier = passed.insert(change.key(), after);
        before.push(earlier.unwrap_or_else(|| state.get(change.key()).cloned()));
    }
    before
}

/// Applies changes, off the runtime's threads when there are many.
pub(super) async fn apply(
    mut head: GroupHead,
    changes: Vec<Change>,
) -> Result<(GroupHead, Vec<Change>, Result<Undo, Rejection>), ControlError> {
    let few = changes.len() <= COMPILE_HERE;
    let work = move || {
        let outcome = head.apply(&changes);
        (head, changes, outcome)
    };
    if few { Ok(work()) } else { tokio::task::spawn_blocking(work).await.map_err(ControlError::internal) }
}

impl Control {
    /// A group's head, at the newest revision there is, for one write alone.
    pub(super) async fn hold_head(&self, group: &GroupId) -> Result<HeldHead, ControlError> {
        let slot = self.inner.heads.slot(group, self.now());
        let mut place = slot.head.clone().lock_owned().await;
        let head = match place.take() {
            Some(head) => self.catch_up(group, head).await?,
            None => self.load_head(group).await?,
        };
        Ok(HeldHead { place, head })
    }

    async fn load_head(&self, group: &GroupId) -> Result<GroupHead, ControlError> {
        let (row, resources) = self.within(self.inner.store.config().load(group)).await?;
        let changes = resources.into_iter().map(|stored| Change::Put(stored.key, stored.body)).collect();
        let empty = new_head(self.inner.registry, row);
        let (head, _, outcome) = apply(empty, changes).await?;
        outcome.map_err(|rejection| broken(group, rejection))?;
        verify(group, head)
    }

    /// Follows what other replicas committed.
    async fn catch_up(&self, group: &GroupId, mut head: GroupHead) -> Result<GroupHead, ControlError> {
        let newest = self.within(self.inner.store.config().head(group)).await?;
        if newest.revision < head.row.revision {
            // The group was deleted and made anew under the same id.
            return self.load_head(group).await;
        }
        while head.row.revision < newest.revision {
            let config = self.inner.store.config();
            let revisions = self.within(config.revisions_after(group, head.row.revision, CATCH_UP)).await?;
            for revision in revisions {
                let changes = revision.changes.into_iter().map(|logged| logged.change).collect();
                let (applied, _, outcome) = apply(head, changes).await?;
                outcome.map_err(|rejection| broken(group, rejection))?;
                head = applied;
                head.row =
                    HeadRow { revision: revision.revision, digest: revision.digest, signature: revision.signature };
            }
        }
        if head.row.digest == newest.digest { verify(group, head) } else { self.load_head(group).await }
    }
}

fn new_head(registry: &'static Registry, row: HeadRow) -> GroupHead {
    GroupHead { row, compiler: Compiler::new(registry), references: References::default() }
}

/// What was read must be what was committed.
fn verify(group: &GroupId, head: GroupHead) -> Result<GroupHead, ControlError> {
    if head.state().digest() == head.row.digest {
        return Ok(head);
    }
    let revision = head.row.revision;
    Err(ControlError::Internal(format!(
        "revision {revision} of gateway group {group} has not the digest it was committed with"
    )))
}

fn broken(group: &GroupId, rejection: Rejection) -> ControlError {
    ControlError::Internal(format!("gateway group {group} holds what this version does not take: {rejection}"))
}
