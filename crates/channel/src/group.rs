//! A group's newest revisions, each encoded once for all its instances.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::{Bytes, BytesMut};
use model::{GroupId, Revision};
use tokio::sync::watch;
use wire::limits::MAX_DELTA_BYTES;
use wire::{Signed, encode_changes, frame, v1};

use crate::plane::{ControlPlane, FeedError, LoggedRevision};

/// Revisions read at once.
const BATCH: u32 = 256;
/// Revisions kept encoded; an instance further behind gets a snapshot.
const KEPT_REVISIONS: usize = 1024;

/// One group with at least one connected instance.
pub(crate) struct Group {
    id: GroupId,
    head: watch::Sender<Signed>,
    recent: Mutex<Recent>,
    /// Lives as long as someone is sending it: a snapshot of many routes is not kept for nobody.
    snapshot: tokio::sync::Mutex<Weak<EncodedSnapshot>>,
}

/// A snapshot's frames, shared by all who are being sent it.
pub(crate) struct EncodedSnapshot {
    pub(crate) revision: Revision,
    pub(crate) frames: Vec<v1::ToInstance>,
}

/// The tail of the change log, bounded in number and by what a delta may carry.
struct Recent {
    revisions: VecDeque<(Revision, Bytes)>,
    bytes: usize,
    /// The last merged delta: many instances that fell behind together ask for the same one.
    merged: Option<(Revision, Revision, Bytes)>,
}

impl Group {
    /// Reads the head and the tail of the log behind it.
    pub(crate) async fn load<C: ControlPlane>(id: GroupId, plane: &C) -> Result<Arc<Self>, FeedError> {
        let head = plane.head(&id).await?;
        let tail = head.revision.saturating_sub(BATCH.into());
        let group = Arc::new(Self {
            id,
            head: watch::Sender::new(head),
            recent: Mutex::new(Recent { revisions: VecDeque::new(), bytes: 0, merged: None }),
            snapshot: tokio::sync::Mutex::default(),
        });
        let logged = plane.revisions_after(&group.id, tail, BATCH).await?;
        group.take(logged);
        Ok(group)
    }

    pub(crate) fn id(&self) -> &GroupId {
        &self.id
    }

    /// Where an instance is to be brought. The head for all of them, until rollouts set targets.
    pub(crate) fn target(&self) -> watch::Receiver<Signed> {
        self.head.subscribe()
    }

    /// Takes up what was committed since.
    pub(crate) async fn advance<C: ControlPlane>(&self, plane: &C) -> Result<(), FeedError> {
        loop {
            let known = self.head.borrow().revision;
            let logged = plane.revisions_after(&self.id, known, BATCH).await?;
            let is_last = logged.len() < BATCH as usize;
            self.take(logged);
            if is_last {
                return Ok(());
            }
        }
    }

    fn take(&self, logged: Vec<LoggedRevision>) {
        let Some(newest) = logged.last().map(|last| last.signed.clone()) else {
            return;
        };
        {
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            for revision in &logged {
                recent.push(revision.signed.revision, encode_changes(&revision.changes));
            }
        }
        // After the changes are at hand: whoever sees the new target finds them.
        self.head.send_if_modified(|head| {
            let is_newer = head.revision < newest.revision;
            if is_newer {
                *head = newest;
            }
            is_newer
        });
    }

    /// The encoded changes between two revisions; absent when they are no longer at hand or too many.
    pub(crate) fn changes(&self, from: Revision, to: Revision) -> Option<Bytes> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).between(from, to)
    }

    /// The whole configuration as frames, encoded by the first who asks.
    pub(crate) async fn snapshot<C: ControlPlane>(&self, plane: &C) -> Result<Arc<EncodedSnapshot>, FeedError> {
        let mut kept = self.snapshot.lock().await;
        let target = self.head.borrow().revision;
        if let Some(snapshot) = kept.upgrade().filter(|snapshot| snapshot.revision >= target) {
            return Ok(snapshot);
        }
        let whole = plane.snapshot(&self.id).await?;
        let revision = whole.signed.revision;
        let resources = whole.resources.iter().map(|(key, body)| (key, body));
        let frames = frame::snapshot(whole.signed, resources);
        let snapshot = Arc::new(EncodedSnapshot { revision, frames });
        *kept = Arc::downgrade(&snapshot);
        Ok(snapshot)
    }
}

impl Recent {
    fn push(&mut self, revision: Revision, changes: Bytes) {
        let follows = self.revisions.back().is_none_or(|(last, _)| last + 1 == revision);
        if !follows {
            self.revisions.clear();
            self.bytes = 0;
        }
        self.bytes += changes.len();
        self.revisions.push_back((revision, changes));
        while self.bytes > MAX_DELTA_BYTES || self.revisions.len() > KEPT_REVISIONS {
            let Some((_, changes)) = self.revisions.pop_front() else {
                break;
            };
            self.bytes -= changes.len();
        }
    }

    fn between(&mut self, from: Revision, to: Revision) -> Option<Bytes> {
        let first = self.revisions.front()?.0;
        let start = usize::try_from((from + 1).checked_sub(first)?).ok()?;
        let count = usize::try_from(to.checked_sub(from)?).ok()?;
        let end = start.checked_add(count).filter(|end| *end <= self.revisions.len())?;
        match count {
            0 => None,
            1 => self.revisions.get(start).map(|(_, changes)| changes.clone()),
            _ => Some(self.merge((from, to), start..end)),
        }
    }

    /// Encoded changes behind each other are the encoding of all of them.
    fn merge(&mut self, (from, to): (Revision, Revision), range: std::ops::Range<usize>) -> Bytes {
        if let Some((.., changes)) = self.merged.as_ref().filter(|merged| (merged.0, merged.1) == (from, to)) {
            return changes.clone();
        }
        let mut changes = BytesMut::new();
        self.revisions.range(range).for_each(|(_, one)| changes.extend_from_slice(one));
        let changes = changes.freeze();
        self.merged = Some((from, to, changes.clone()));
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recent(revisions: impl IntoIterator<Item = Revision>) -> Recent {
        let mut recent = Recent { revisions: VecDeque::new(), bytes: 0, merged: None };
        revisions.into_iter().for_each(|revision| recent.push(revision, vec![revision as u8].into()));
        recent
    }

    #[test]
    fn one_revision_is_the_same_buffer_for_all() {
        let mut recent = recent(5..=9);
        let (one, two) = (recent.between(6, 7).unwrap(), recent.between(6, 7).unwrap());
        assert_eq!(one.as_ref(), [7]);
        assert_eq!(one.as_ptr(), two.as_ptr());
    }

    #[test]
    fn several_revisions_are_merged_once() {
        let mut recent = recent(5..=9);
        let (one, two) = (recent.between(4, 9).unwrap(), recent.between(4, 9).unwrap());
        assert_eq!(one.as_ref(), [5, 6, 7, 8, 9]);
        assert_eq!(one.as_ptr(), two.as_ptr());
        assert_eq!(recent.between(7, 9).unwrap().as_ref(), [8, 9]);
    }

    #[test]
    fn what_is_not_at_hand_is_not_made_up() {
        let mut recent = recent(5..=9);
        for (from, to) in [(3, 9), (8, 10), (9, 9), (9, 8)] {
            assert_eq!(recent.between(from, to), None, "{from}..{to}");
        }
        recent.push(11, vec![11].into());
        assert_eq!(recent.between(8, 9), None, "a gap in the log ends what was before it");
        assert_eq!(recent.between(10, 11).unwrap().as_ref(), [11]);
    }

    #[test]
    fn the_tail_is_bounded() {
        let mut recent = recent(1..=5000);
        assert_eq!(recent.revisions.len(), KEPT_REVISIONS);
        recent.push(5001, vec![0; MAX_DELTA_BYTES].into());
        assert_eq!(recent.between(5000, 5001).unwrap().len(), MAX_DELTA_BYTES);
        assert_eq!(recent.between(4999, 5001), None);
    }
}
