//! What the control plane offers an instance next. Sans-io: the channel asks after every event.

use model::{Digest, Revision};

use crate::signed::Applied;

/// How to bring an instance to its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// The changes behind this revision; a snapshot when they are no longer at hand or too large.
    Since(Revision),
    /// The whole configuration.
    Snapshot,
}

/// What is known of one instance's configuration over one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// What the instance said last that it holds.
    applied: Option<Applied>,
    /// What it will hold when it takes everything already sent.
    sent: Option<Revision>,
    /// The newest revision it refused: not offered again.
    refused: Option<Revision>,
    snapshot_wanted: bool,
    /// Frames are under way that the instance has not answered, so `applied` may be out of date.
    unanswered: bool,
}

impl Sender {
    /// Starts from what `Hello` says.
    pub fn new(applied: Option<Applied>) -> Self {
        let sent = applied.map(|applied| applied.revision);
        Self { applied, sent, refused: None, snapshot_wanted: applied.is_none(), unanswered: false }
    }

    /// What to send so that the instance reaches the target; nothing when it is there, under way,
    /// refused it, or is beyond it.
    pub fn next(&self, target: Revision, target_digest: &Digest) -> Option<Offer> {
        if self.refused.is_some_and(|refused| target <= refused) {
            return None;
        }
        match self.sent {
            Some(sent) if target < sent => None,
            _ if self.snapshot_wanted || self.has_drifted(target, target_digest) => Some(Offer::Snapshot),
            Some(sent) if sent < target => Some(Offer::Since(sent)),
            _ => None,
        }
    }

    /// Notes that all frames up to `revision` are on their way.
    pub fn sent(&mut self, revision: Revision) {
        self.sent = Some(revision);
        self.snapshot_wanted = false;
        self.unanswered = true;
    }

    /// Notes what an `Ack` or a `Heartbeat` says.
    pub fn reported(&mut self, applied: Applied) {
        self.applied = Some(applied);
        self.unanswered = false;
    }

    /// Notes a `Nack`: the next offer, beyond the refused revision, starts at the applied one.
    pub fn refused(&mut self, revision: Revision, applied: Option<Applied>) {
        self.refused = self.refused.max(Some(revision));
        self.applied = applied;
        self.sent = applied.map(|applied| applied.revision);
        self.snapshot_wanted |= applied.is_none();
    }

    /// Notes a `Resync`: the instance waits for a snapshot.
    pub fn resync(&mut self, applied: Option<Applied>) {
        self.applied = applied;
        self.sent = applied.map(|applied| applied.revision);
        self.snapshot_wanted = true;
    }

    /// What the instance said last that it holds.
    pub fn applied(&self) -> Option<Applied> {
        self.applied
    }

    /// At the target's revision with another digest, and nothing under way that would explain it.
    fn has_drifted(&self, target: Revision, target_digest: &Digest) -> bool {
        !self.unanswered
            && self.sent == Some(target)
            && self.applied.is_some_and(|applied| applied.revision == target && applied.digest != *target_digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: Digest = Digest([1; 32]);
    const OTHER: Digest = Digest([2; 32]);

    fn at(revision: Revision) -> Option<Applied> {
        Some(Applied { revision, digest: DIGEST })
    }

    #[test]
    fn an_instance_with_nothing_gets_a_snapshot_once() {
        let mut sender = Sender::new(None);
        assert_eq!(sender.next(0, &DIGEST), Some(Offer::Snapshot));
        sender.sent(0);
        assert_eq!(sender.next(0, &DIGEST), None);
    }

    #[test]
    fn an_instance_behind_gets_what_it_lacks_and_one_ahead_gets_nothing() {
        let mut sender = Sender::new(at(3));
        assert_eq!(sender.next(5, &OTHER), Some(Offer::Since(3)));
        sender.sent(5);
        assert_eq!(sender.next(6, &OTHER), Some(Offer::Since(5)));
        assert_eq!(sender.next(4, &OTHER), None);
    }

    #[test]
    fn drift_is_repaired_by_a_snapshot() {
        let mut sender = Sender::new(at(3));
        assert_eq!(sender.next(3, &OTHER), Some(Offer::Snapshot));
        sender.sent(3);
        assert_eq!(sender.next(3, &OTHER), None, "one snapshot at a time");
        sender.reported(Applied { revision: 3, digest: OTHER });
        assert_eq!(sender.next(3, &OTHER), None);
    }

    #[test]
    fn a_refused_revision_is_not_offered_again_and_the_next_starts_at_the_applied_one() {
        let mut sender = Sender::new(at(3));
        sender.sent(4);
        sender.sent(5);
        sender.refused(4, at(3));
        assert_eq!(sender.next(4, &DIGEST), None);
        assert_eq!(sender.next(5, &DIGEST), Some(Offer::Since(3)));
    }

    #[test]
    fn a_refused_snapshot_of_an_empty_instance_waits_for_the_next_revision() {
        let mut sender = Sender::new(None);
        sender.sent(4);
        sender.refused(4, None);
        assert_eq!(sender.next(4, &DIGEST), None);
        assert_eq!(sender.next(5, &DIGEST), Some(Offer::Snapshot));
    }
}
