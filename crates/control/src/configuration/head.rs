//! Each group's head in memory: the compiled configuration against which changes are tried.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::change::Body;
use model::{Change, GroupId, GroupState};
use plan::{Compiler, Rejection};
use plugin_api::Registry;
use store::StoreError;
use store::access::{GroupAccess, SystemReason};
use store::config::{HeadRow, RevisionRow};
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
    /// Leaves the head for the next write, unless something went wrong with it: then it is loaded anew.
    pub(super) fn put_back(mut self) {
        if self.head.is_whole() {
            *self.place = Some(self.head);
        }
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
    registry: &'static Registry,
    pub(super) row: HeadRow,
    compiler: Compiler,
    pub(super) references: References,
}

/// How changes are taken.
#[derive(Clone, Copy)]
enum Taken {
    /// They are new: what cannot be served is refused.
    OnTrial,
    /// They were accepted before: what cannot be served any more fails closed.
    AsAccepted,
}

/// Changes after the attempt to apply them.
pub(super) struct Applied {
    pub(super) changes: Vec<Change>,
    pub(super) outcome: Result<Undo, Rejection>,
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
    fn apply(&mut self, changes: &[Change], taken: Taken) -> Result<Undo, Rejection> {
        let before = before(self.state(), changes);
        match taken {
            Taken::OnTrial => self.compiler.apply(changes)?,
            Taken::AsAccepted => self.compiler.load(changes),
        }
        for (change, before) in changes.iter().zip(&before) {
            self.index(change, before.as_ref());
        }
        let inverse = changes.iter().zip(&before).rev().map(|(change, before)| {
            let key = change.key().clone();
            before.clone().map_or_else(|| Change::Delete(key.clone()), |body| Change::Put(key.clone(), body))
        });
        Ok(Undo { inverse: inverse.collect(), before })
    }

    /// Applies changes, off the runtime's threads when there are many.
    pub(super) async fn apply_apart(&mut self, changes: Vec<Change>) -> Result<Applied, ControlError> {
        self.take_apart(changes, Taken::OnTrial).await
    }

    async fn take_apart(&mut self, changes: Vec<Change>, taken: Taken) -> Result<Applied, ControlError> {
        if changes.len() <= COMPILE_HERE {
            let outcome = self.apply(&changes, taken);
            return Ok(Applied { changes, outcome });
        }
        let empty = Self::empty(self.registry, self.row.clone());
        let mut whole = std::mem::replace(self, empty);
        let work = tokio::task::spawn_blocking(move || {
            let outcome = whole.apply(&changes, taken);
            (whole, Applied { changes, outcome })
        });
        let applied;
        (*self, applied) = work.await.map_err(ControlError::internal)?;
        Ok(applied)
    }

    /// Takes changes back to what stood there before.
    pub(super) async fn undo(&mut self, undo: Undo) -> Result<(), ControlError> {
        let applied = self.take_apart(undo.inverse, Taken::AsAccepted).await?;
        applied.outcome.map(drop).map_err(ControlError::internal)
    }

    /// Takes up a committed revision; whether it belongs on top of this head.
    async fn follow(&mut self, revision: RevisionRow) -> Result<bool, ControlError> {
        let changes = revision.changes.into_iter().map(|logged| logged.change).collect();
        let applied = self.take_apart(changes, Taken::AsAccepted).await?;
        self.row = HeadRow { revision: revision.revision, digest: revision.digest, signature: revision.signature };
        Ok(applied.outcome.is_ok() && self.is_whole())
    }

    fn empty(registry: &'static Registry, row: HeadRow) -> Self {
        Self { registry, row, compiler: Compiler::new(registry), references: References::default() }
    }

    /// Whether the state is that of the revision it stands for.
    fn is_whole(&self) -> bool {
        self.state().digest() == self.row.digest
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

impl Control {
    /// A group's head, at the newest revision there is, for one write alone.
    pub(super) async fn hold_head(&self, group: &GroupId) -> Result<HeldHead, ControlError> {
        let slot = self.inner.heads.slot(group, self.now());
        let mut place = self.within(free(slot.head.clone().lock_owned())).await?;
        // What a write takes is decided on the head, so nobody is permitted anything yet.
        let group = GroupAccess::system(group.clone(), SystemReason::Deciding);
        let Some(head) = place.take() else {
            let head = self.load_head(&group).await?;
            return Ok(HeldHead { place, head });
        };
        let mut held = HeldHead { place, head };
        match self.catch_up(&group, &mut held.head).await {
            Ok(()) => Ok(held),
            Err(error) => {
                held.put_back();
                Err(error)
            }
        }
    }

    async fn load_head(&self, group: &GroupAccess) -> Result<GroupHead, ControlError> {
        let (row, resources) = self.within(self.inner.store.config().load(group)).await?;
        let changes = resources.into_iter().map(|stored| Change::Put(stored.key, stored.body)).collect();
        let mut head = GroupHead::empty(self.inner.registry, row);
        let loaded = head.take_apart(changes, Taken::AsAccepted).await?;
        loaded.outcome.map_err(|rejection| broken(group, &rejection))?;
        for fault in head.compiler.faulty() {
            tracing::error!(%group, %fault, "what is stored cannot be served; it fails closed until it is changed");
        }
        if head.is_whole() { Ok(head) } else { Err(broken(group, &"its resources do not have the digest of its head")) }
    }

    /// Follows what other replicas committed; loads anew when that leads elsewhere, because the group was deleted and
    /// made anew under the same id.
    async fn catch_up(&self, group: &GroupAccess, head: &mut GroupHead) -> Result<(), ControlError> {
        let newest = self.within(self.inner.store.config().head(group)).await?;
        let mut follows = true;
        while follows && head.row.revision < newest.revision {
            let config = self.inner.store.config();
            let revisions = self.within(config.revisions_after(group, head.row.revision, CATCH_UP)).await?;
            follows = !revisions.is_empty();
            for revision in revisions {
                follows = follows && head.follow(revision).await?;
            }
        }
        let is_newest = head.row.revision > newest.revision || head.row.digest == newest.digest;
        if !(follows && is_newest) || head.row.revision < newest.revision {
            *head = self.load_head(group).await?;
        }
        Ok(())
    }
}

/// Waiting for other writes counts as waiting for the store, for that is what they wait for.
async fn free<T>(lock: impl Future<Output = T>) -> Result<T, StoreError> {
    Ok(lock.await)
}

fn broken(group: &GroupId, cause: &dyn std::fmt::Display) -> ControlError {
    ControlError::Internal(format!("the configuration of gateway group {group} cannot be taken up: {cause}"))
}
