//! What the config channel reads: heads, snapshots, revisions, and news of commits.
//!
//! The channel serves instances whose certificate says the group, so there is no actor to authorise here. It keeps
//! what it has encoded per group; a call here is one read for all of a group's instances.

use std::sync::Arc;

use model::change::Body;
use model::{GroupId, ResourceKey, Revision};
use store::Head;
use store::access::{GroupAccess, SystemReason};
use store::config::{HeadRow, RevisionRow};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::control::Control;
use crate::error::ControlError;

/// A group's whole configuration.
#[derive(Clone)]
pub struct Snapshot {
    /// Which revision it is.
    pub head: HeadRow,
    /// Every resource.
    pub resources: Arc<[(ResourceKey, Body)]>,
}

impl Control {
    /// A group's newest revision.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Unavailable`].
    pub async fn feed_head(&self, group: &GroupId) -> Result<HeadRow, ControlError> {
        self.within(self.inner.store.config().head(&for_instances(group))).await
    }

    /// A group's whole configuration at its newest revision.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Unavailable`].
    pub async fn feed_snapshot(&self, group: &GroupId) -> Result<Snapshot, ControlError> {
        let (head, resources) = self.within(self.inner.store.config().load(&for_instances(group))).await?;
        Ok(Snapshot { head, resources: resources.into_iter().map(|stored| (stored.key, stored.body)).collect() })
    }

    /// At most `limit` revisions behind `after`, oldest first, without gaps.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Unavailable`].
    pub async fn feed_revisions_after(
        &self,
        group: &GroupId,
        after: Revision,
        limit: u32,
    ) -> Result<Vec<RevisionRow>, ControlError> {
        self.within(self.inner.store.config().revisions_after(&for_instances(group), after, limit)).await
    }

    /// Groups that have a new revision from now on, whichever replica made it. A slow receiver may miss some.
    pub fn commits(&self) -> broadcast::Receiver<GroupId> {
        self.inner.commits.subscribe()
    }
}

/// An instance's certificate says the group that it may read.
fn for_instances(group: &GroupId) -> GroupAccess {
    GroupAccess::system(group.clone(), SystemReason::Feed)
}

/// Passes heads on as groups until the store is gone.
pub(crate) async fn forward_commits(mut heads: broadcast::Receiver<Head>, commits: broadcast::Sender<GroupId>) {
    loop {
        match heads.recv().await {
            // No receiver: no channel runs in this process.
            Ok(head) => drop(commits.send(head.group)),
            Err(RecvError::Lagged(missed)) => tracing::warn!(missed, "commits were not passed on; heads are polled"),
            Err(RecvError::Closed) => return,
        }
    }
}
