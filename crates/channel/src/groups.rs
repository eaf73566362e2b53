//! The groups that have connected instances, each with a task that follows its change log.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use model::GroupId;
use tokio::sync::Mutex;

use crate::group::Group;
use crate::plane::{ControlPlane, FeedError, Notice, Notices};

/// Notices of commits are a hint; this is the backstop when one was lost.
const POLL: Duration = Duration::from_secs(2);

pub(crate) struct Groups<C> {
    plane: Arc<C>,
    /// Weak: a group goes when its last instance leaves, and its task with it.
    by_id: Mutex<HashMap<GroupId, Weak<Group>>>,
}

impl<C: ControlPlane> Groups<C> {
    pub(crate) fn new(plane: Arc<C>) -> Self {
        Self { plane, by_id: Mutex::default() }
    }

    /// The group, loaded by the first instance that asks.
    pub(crate) async fn get(&self, id: &GroupId) -> Result<Arc<Group>, FeedError> {
        let mut by_id = self.by_id.lock().await;
        if let Some(group) = by_id.get(id).and_then(Weak::upgrade) {
            return Ok(group);
        }
        by_id.retain(|_, group| group.strong_count() > 0);
        // Before the load, so that a commit during it is noticed.
        let commits = self.plane.commits();
        let group = Group::load(id.clone(), &*self.plane).await?;
        by_id.insert(id.clone(), Arc::downgrade(&group));
        tokio::spawn(follow(Arc::downgrade(&group), self.plane.clone(), commits));
        Ok(group)
    }
}

/// Follows the change log until nobody needs the group.
async fn follow<C: ControlPlane>(group: Weak<Group>, plane: Arc<C>, mut commits: Notices<GroupId>) {
    while let Some(group) = group.upgrade() {
        if let Err(error) = group.advance(&*plane).await {
            tracing::warn!(group = %group.id(), %error, "config channel: cannot follow the change log");
        }
        let id = group.id().clone();
        // Not held while waiting: the last instance's leaving must be able to end it.
        drop(group);
        let _ = tokio::time::timeout(POLL, commit_of(&id, &mut commits)).await;
    }
}

/// Returns on a commit of the group. What else is waiting by then is the same news: one read of the
/// log takes up all that was committed until now.
async fn commit_of(id: &GroupId, commits: &mut Notices<GroupId>) {
    loop {
        match commits.next().await {
            Some(Notice::Of(group)) if group != *id => {}
            Some(Notice::Of(_) | Notice::Missed) => break,
            None => std::future::pending().await,
        }
    }
    while let Some(Some(_)) = commits.next().now_or_never() {}
}
