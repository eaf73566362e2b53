//! A verified configuration that waits for the compiler's word.

use model::change::Body;
use model::{Change, GroupState, ResourceKey, Revision};

use super::{Progress, Receiver};
use crate::changes::key_to_wire;
use crate::limits::cut_text;
use crate::signed::Signed;
use crate::v1::{self, NackReason};

/// What the compiler has against a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The object at fault, when one is.
    pub key: Option<ResourceKey>,
    /// JSON pointer into it; empty for the whole.
    pub pointer: String,
    /// What is wrong.
    pub reason: String,
}

/// Borrows the receiver, so that no further frame is taken before this one is decided. Dropped
/// undecided, it is rolled back.
pub struct Candidate<'a> {
    receiver: &'a mut Receiver,
    signed: Signed,
    changes: Vec<Change>,
    undo: Undo,
}

/// How to get the former state back.
pub(super) enum Undo {
    /// Put back what stood there, last change first.
    Steps(Vec<(ResourceKey, Option<Body>)>),
    /// Put back the whole.
    Whole(GroupState),
    /// Decided.
    Nothing,
}

impl Undo {
    pub(super) fn apply(state: &mut GroupState, changes: &[Change]) -> Self {
        Undo::Steps(changes.iter().map(|change| (change.key().clone(), state.apply(change))).collect())
    }

    pub(super) fn run(self, state: &mut GroupState) {
        match self {
            Undo::Steps(steps) => steps.into_iter().rev().for_each(|step| put_back(state, step)),
            Undo::Whole(before) => *state = before,
            Undo::Nothing => {}
        }
    }
}

impl<'a> Candidate<'a> {
    /// `changes` are in the receiver's state already.
    pub(super) fn new(receiver: &'a mut Receiver, signed: Signed, changes: Vec<Change>, undo: Undo) -> Self {
        Self { receiver, signed, changes, undo }
    }

    /// What turns the configuration in force into this one.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Whether it came as a whole rather than as a delta.
    pub fn is_snapshot(&self) -> bool {
        matches!(self.undo, Undo::Whole(_))
    }

    /// The whole configuration with the changes in it.
    pub fn state(&self) -> &GroupState {
        &self.receiver.state
    }

    /// The control plane's word for it.
    pub fn signed(&self) -> &Signed {
        &self.signed
    }

    /// The revision it brings.
    pub fn revision(&self) -> Revision {
        self.signed.revision
    }

    /// It serves: from now on this is what is in force.
    pub fn commit(mut self) -> v1::Ack {
        self.undo = Undo::Nothing;
        self.receiver.signed = Some(self.signed.clone());
        self.receiver.progress = Progress::Following;
        v1::Ack { applied: self.receiver.applied().map(Into::into) }
    }

    /// It was refused: the former configuration stays in force.
    pub fn roll_back(mut self, refusal: &Refusal) -> v1::Nack {
        self.undo();
        let revision = self.revision();
        self.receiver.note_refused(revision);
        v1::Nack {
            revision,
            applied: self.receiver.applied().map(Into::into),
            reason: NackReason::Rejected as i32,
            key: refusal.key.as_ref().map(key_to_wire),
            pointer: cut_text(refusal.pointer.as_str()),
            message: cut_text(refusal.reason.as_str()),
        }
    }

    fn undo(&mut self) {
        std::mem::replace(&mut self.undo, Undo::Nothing).run(&mut self.receiver.state);
    }
}

impl Drop for Candidate<'_> {
    fn drop(&mut self) {
        self.undo();
    }
}

fn put_back(state: &mut GroupState, (key, before): (ResourceKey, Option<Body>)) {
    match before {
        Some(body) => state.apply(&Change::Put(key, body)),
        None => state.apply(&Change::Delete(key)),
    };
}
