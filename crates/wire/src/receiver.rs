//! What an instance does with a configuration frame. Sans-io: frames in, [`Step`]s out.
//!
//! Order of the checks: the signature before anything is kept, the revision before anything is
//! applied, the digest before anything is compiled. Whatever fails, the state is as it was.

mod candidate;
mod staging;

use std::collections::HashSet;

use model::{Change, GroupId, GroupState, Revision};

use crate::changes::{ChangesError, decode_changes};
use crate::limits::cut_text;
use crate::signed::{Applied, Signed, SignedError, VerifyingKeys};
use crate::v1::{self, NackReason, to_instance::Frame};

use candidate::Undo;
pub use candidate::{Candidate, Refusal};
use staging::{Staging, StagingError};

/// The configuration an instance holds, and how far it is in taking the next.
pub struct Receiver {
    group: GroupId,
    keys: VerifyingKeys,
    state: GroupState,
    signed: Option<Signed>,
    progress: Progress,
}

/// Where the stream stands between two frames.
enum Progress {
    /// Deltas follow each other.
    Following,
    /// A revision was refused: what starts behind it was sent before the control plane knew.
    Refused(Revision),
    /// A snapshot was asked for: deltas until then were sent before the control plane knew.
    AwaitingSnapshot,
    /// Between `SnapshotStart` and `SnapshotEnd`.
    Staging(Box<Staging>),
    /// Between them too, but the snapshot was refused at its start or on the way.
    Skipping(Revision),
}

/// What follows from a frame.
pub enum Step<'a> {
    /// Nothing to do or to say.
    Nothing,
    /// Verified: compile it, then [`Candidate::commit`] or [`Candidate::roll_back`].
    Apply(Candidate<'a>),
    /// Refused: tell the control plane.
    Refuse(v1::Nack),
    /// Ask for a snapshot.
    Resync(v1::Resync),
}

/// Why a frame is not applied; decides between `Nack` and `Resync`.
#[derive(Debug, thiserror::Error)]
enum FrameError {
    #[error(transparent)]
    Signed(#[from] SignedError),
    #[error("revision {offered} is not newer than the applied revision {applied}")]
    Older { offered: Revision, applied: Revision },
    #[error("delta starts at revision {from}, beyond the applied one")]
    Gap { from: Revision },
    #[error("a snapshot's chunk came without its start")]
    NoStart,
    #[error(transparent)]
    Changes(#[from] ChangesError),
    #[error(transparent)]
    Staging(#[from] StagingError),
    #[error("the configuration's digest after the delta is not the signed one")]
    DigestMismatch,
}

impl Receiver {
    /// Holds nothing yet.
    pub fn new(group: GroupId, keys: VerifyingKeys) -> Self {
        Self { group, keys, state: GroupState::default(), signed: None, progress: Progress::Following }
    }

    /// Starts from a configuration that lay on disk.
    ///
    /// # Errors
    /// [`RestoreError`] when the signature is not the control plane's or the digest is another.
    pub fn restore(&mut self, state: GroupState, signed: Signed) -> Result<(), RestoreError> {
        self.keys.verify(&self.group, &signed)?;
        if state.digest() != signed.digest {
            return Err(RestoreError::DigestMismatch { revision: signed.revision });
        }
        (self.state, self.signed) = (state, Some(signed));
        Ok(())
    }

    /// Takes the keys that are valid from now on.
    pub fn set_keys(&mut self, keys: VerifyingKeys) {
        self.keys = keys;
    }

    /// A new stream begins: what was half received or refused on the old one counts for nothing.
    pub fn reconnected(&mut self) {
        self.progress = Progress::Following;
    }

    /// What is in force; absent until the first configuration.
    pub fn applied(&self) -> Option<Applied> {
        let signed = self.signed.as_ref()?;
        Some(Applied { revision: signed.revision, digest: signed.digest })
    }

    /// What is in force, as it was signed.
    pub fn signed(&self) -> Option<&Signed> {
        self.signed.as_ref()
    }

    /// The configuration in force.
    pub fn state(&self) -> &GroupState {
        &self.state
    }

    /// Takes the next frame of the stream. Frames that are no configuration change nothing here.
    pub fn receive(&mut self, frame: Frame) -> Step<'_> {
        match frame {
            Frame::Delta(delta) => self.delta(delta),
            Frame::SnapshotStart(start) => self.snapshot_start(start),
            Frame::SnapshotChunk(chunk) => self.snapshot_chunk(chunk),
            Frame::SnapshotEnd(_) => self.snapshot_end(),
            Frame::Settings(_) | Frame::Goodbye(_) => Step::Nothing,
        }
    }

    fn delta(&mut self, delta: v1::Delta) -> Step<'_> {
        if self.is_left_over(delta.from_revision) {
            return Step::Nothing;
        }
        let revision = offered(delta.to.as_ref());
        match self.check_delta(delta) {
            Ok((signed, changes)) => self.apply_delta(signed, changes),
            Err(error) => self.answer(revision, &error),
        }
    }

    /// Sent before the control plane knew of the refusal or the wish for a snapshot.
    fn is_left_over(&self, from: Revision) -> bool {
        match self.progress {
            Progress::Refused(refused) => from >= refused,
            Progress::AwaitingSnapshot => true,
            Progress::Following | Progress::Staging(_) | Progress::Skipping(_) => false,
        }
    }

    fn check_delta(&self, delta: v1::Delta) -> Result<(Signed, Vec<Change>), FrameError> {
        let signed = self.check_signed(delta.to)?;
        let applied = self.signed.as_ref().map(|signed| signed.revision);
        match applied {
            Some(applied) if signed.revision <= applied => {
                return Err(FrameError::Older { offered: signed.revision, applied });
            }
            Some(applied) if delta.from_revision <= applied => {}
            _ => {
                return Err(FrameError::Gap { from: delta.from_revision });
            }
        }
        Ok((signed, decode_changes(delta.changes)?))
    }

    fn check_signed(&self, signed: Option<v1::Signed>) -> Result<Signed, FrameError> {
        let signed = Signed::try_from(signed.ok_or(SignedError::Missing)?)?;
        self.keys.verify(&self.group, &signed)?;
        Ok(signed)
    }

    fn apply_delta(&mut self, signed: Signed, changes: Vec<Change>) -> Step<'_> {
        let changes = last_of_each(changes);
        let undo = Undo::apply(&mut self.state, &changes);
        if self.state.digest() == signed.digest {
            return Step::Apply(Candidate::new(self, signed, changes, undo));
        }
        undo.run(&mut self.state);
        self.answer(signed.revision, &FrameError::DigestMismatch)
    }

    fn snapshot_start(&mut self, start: v1::SnapshotStart) -> Step<'_> {
        let revision = offered(start.to.as_ref());
        match self.check_start(start) {
            Ok(staging) => {
                self.progress = Progress::Staging(Box::new(staging));
                Step::Nothing
            }
            Err(error) => {
                let step = self.refuse(revision, &error);
                self.progress = Progress::Skipping(revision);
                Step::Refuse(step)
            }
        }
    }

    fn check_start(&self, start: v1::SnapshotStart) -> Result<Staging, FrameError> {
        let signed = self.check_signed(start.to)?;
        match &self.signed {
            // The same revision again is how drift is repaired.
            Some(applied) if signed.revision < applied.revision => {
                Err(FrameError::Older { offered: signed.revision, applied: applied.revision })
            }
            _ => Ok(Staging::new(signed, start.resources, start.bytes)?),
        }
    }

    fn snapshot_chunk(&mut self, chunk: v1::SnapshotChunk) -> Step<'_> {
        let (revision, result) = match &mut self.progress {
            Progress::Staging(staging) => (staging.revision(), staging.add(chunk.changes)),
            Progress::Skipping(_) => return Step::Nothing,
            _ => return self.answer(0, &FrameError::NoStart),
        };
        match result {
            Ok(()) => Step::Nothing,
            Err(error) => {
                let nack = self.refuse(revision, &error.into());
                self.progress = Progress::Skipping(revision);
                Step::Refuse(nack)
            }
        }
    }

    fn snapshot_end(&mut self) -> Step<'_> {
        match std::mem::replace(&mut self.progress, Progress::Following) {
            Progress::Staging(staging) => self.apply_snapshot(*staging),
            Progress::Skipping(revision) => {
                self.progress = Progress::Refused(revision);
                Step::Nothing
            }
            other => {
                self.progress = other;
                self.answer(0, &FrameError::NoStart)
            }
        }
    }

    fn apply_snapshot(&mut self, staging: Staging) -> Step<'_> {
        let revision = staging.revision();
        match staging.finish() {
            Ok((signed, state)) => {
                let changes = self.state.diff(&state);
                let undo = Undo::Whole(std::mem::replace(&mut self.state, state));
                Step::Apply(Candidate::new(self, signed, changes, undo))
            }
            Err(error) => {
                let nack = self.refuse(revision, &error.into());
                Step::Refuse(nack)
            }
        }
    }

    fn answer(&mut self, revision: Revision, error: &FrameError) -> Step<'_> {
        match error {
            FrameError::Gap { .. } | FrameError::NoStart | FrameError::DigestMismatch => {
                Step::Resync(self.resync(error))
            }
            FrameError::Changes(ChangesError::Unreadable(_)) => Step::Resync(self.resync(error)),
            FrameError::Signed(_) | FrameError::Older { .. } | FrameError::Changes(_) | FrameError::Staging(_) => {
                Step::Refuse(self.refuse(revision, error))
            }
        }
    }

    fn resync(&mut self, error: &FrameError) -> v1::Resync {
        self.progress = Progress::AwaitingSnapshot;
        v1::Resync { applied: self.applied().map(Into::into), message: cut_text(error.to_string()) }
    }

    fn refuse(&mut self, revision: Revision, error: &FrameError) -> v1::Nack {
        self.note_refused(revision);
        v1::Nack {
            revision,
            applied: self.applied().map(Into::into),
            reason: error.reason() as i32,
            key: None,
            pointer: String::new(),
            message: cut_text(error.to_string()),
        }
    }

    /// A replayed old frame says nothing about what follows, so it must not hide it.
    fn note_refused(&mut self, revision: Revision) {
        let is_ahead = self.signed.as_ref().is_none_or(|signed| signed.revision < revision);
        if is_ahead {
            self.progress = Progress::Refused(revision);
        }
    }
}

impl FrameError {
    fn reason(&self) -> NackReason {
        match self {
            FrameError::Signed(_) => NackReason::BadSignature,
            FrameError::Older { .. } => NackReason::Older,
            FrameError::DigestMismatch | FrameError::Staging(StagingError::DigestMismatch) => {
                NackReason::DigestMismatch
            }
            FrameError::Changes(_) | FrameError::Staging(_) => NackReason::Unsupported,
            FrameError::Gap { .. } | FrameError::NoStart => NackReason::Unspecified,
        }
    }
}

/// Only the last change of each resource. A merged delta may put what a later revision of it deletes;
/// the compiler must not stumble over what is never in force.
fn last_of_each(mut changes: Vec<Change>) -> Vec<Change> {
    if changes.len() > 1 {
        let mut seen = HashSet::with_capacity(changes.len());
        let mut is_last: Vec<bool> = changes.iter().rev().map(|change| seen.insert(change.key().clone())).collect();
        changes.retain(|_| is_last.pop().unwrap_or(true));
    }
    changes
}

/// The revision a frame claims to bring; for answers only, since nothing is verified yet.
fn offered(signed: Option<&v1::Signed>) -> Revision {
    signed.map_or(0, |signed| signed.revision)
}

/// Why a configuration from disk is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// Unsigned, or signed by another.
    #[error(transparent)]
    Signed(#[from] SignedError),
    /// The configuration is not the one that was signed.
    #[error("the configuration is not the one that was signed as revision {revision}")]
    DigestMismatch {
        /// The signed revision.
        revision: Revision,
    },
}

#[cfg(test)]
mod tests;
