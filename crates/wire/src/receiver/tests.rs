use std::sync::Arc;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use bytes::Bytes;
use model::{Kind, ResourceId, ResourceKey, signing};

use super::*;
use crate::{encode_changes, frame};

struct ControlPlane {
    key: Ed25519KeyPair,
    group: GroupId,
    states: Vec<(GroupState, Vec<Change>)>,
}

impl ControlPlane {
    /// Revision r puts route `r{r % 3}` with a body of its own.
    fn new(revisions: u64) -> Self {
        let mut state = GroupState::default();
        let mut states = vec![(state.clone(), Vec::new())];
        for revision in 1..=revisions {
            let changes = vec![put(&format!("r{}", revision % 3), &format!("{{\"n\":{revision}}}"))];
            state.apply_all(&changes);
            states.push((state.clone(), changes));
        }
        Self { key: Ed25519KeyPair::generate().unwrap(), group: GroupId::new("a").unwrap(), states }
    }

    fn receiver(&self) -> Receiver {
        Receiver::new(self.group.clone(), VerifyingKeys::new([self.key.public_key()]).unwrap())
    }

    fn signed(&self, revision: Revision) -> Signed {
        self.sign(&self.group, revision, self.states[revision as usize].0.digest())
    }

    fn sign(&self, group: &GroupId, revision: Revision, digest: model::Digest) -> Signed {
        let signature = self.key.sign(&signing::payload(group, revision, &digest));
        Signed { revision, digest, signature: Bytes::copy_from_slice(signature.as_ref()) }
    }

    fn delta(&self, from: Revision, to: Revision) -> Frame {
        let range = from as usize + 1..=to as usize;
        let changes = self.states[range].iter().flat_map(|(_, changes)| changes);
        frame::delta(from, self.signed(to), encode_changes(changes)).frame.unwrap()
    }

    fn snapshot(&self, revision: Revision) -> Vec<Frame> {
        frames(frame::snapshot(self.signed(revision), self.states[revision as usize].0.iter()))
    }
}

fn frames(frames: Vec<v1::ToInstance>) -> Vec<Frame> {
    frames.into_iter().filter_map(|frame| frame.frame).collect()
}

fn put(id: &str, body: &str) -> Change {
    Change::Put(ResourceKey::new(Kind::Route, ResourceId::new(id).unwrap()), Arc::from(body.as_bytes()))
}

fn take(receiver: &mut Receiver, frames: impl IntoIterator<Item = Frame>) -> Option<Revision> {
    for frame in frames {
        match receiver.receive(frame) {
            Step::Apply(candidate) => drop(candidate.commit()),
            Step::Nothing => {}
            Step::Refuse(nack) => panic!("refused: {}", nack.message),
            Step::Resync(resync) => panic!("resync: {}", resync.message),
        }
    }
    receiver.applied().map(|applied| applied.revision)
}

fn refused(receiver: &mut Receiver, frame: Frame) -> NackReason {
    match receiver.receive(frame) {
        Step::Refuse(nack) => nack.reason(),
        _ => panic!("not refused"),
    }
}

fn resynced(receiver: &mut Receiver, frame: Frame) -> String {
    match receiver.receive(frame) {
        Step::Resync(resync) => resync.message,
        _ => panic!("no resync"),
    }
}

fn at(control: &ControlPlane, revision: Revision) -> Receiver {
    let mut receiver = control.receiver();
    take(&mut receiver, control.snapshot(revision));
    receiver
}

#[test]
fn a_snapshot_and_deltas_lead_to_the_same_state() {
    let control = ControlPlane::new(6);
    let mut receiver = at(&control, 2);
    assert_eq!(take(&mut receiver, [control.delta(2, 3), control.delta(3, 6)]), Some(6));
    assert_eq!(receiver.state(), &control.states[6].0);
}

#[test]
fn an_empty_group_is_a_configuration_too() {
    let control = ControlPlane::new(1);
    let mut receiver = control.receiver();
    assert_eq!(receiver.applied(), None);
    assert_eq!(take(&mut receiver, control.snapshot(0)), Some(0));
}

#[test]
fn a_delta_may_start_before_the_applied_revision() {
    let control = ControlPlane::new(6);
    assert_eq!(take(&mut at(&control, 4), [control.delta(1, 6)]), Some(6));
}

#[test]
fn an_older_revision_is_refused_and_hides_nothing_that_follows() {
    let control = ControlPlane::new(5);
    let mut receiver = at(&control, 4);
    assert_eq!(refused(&mut receiver, control.delta(1, 3)), NackReason::Older);
    assert_eq!(refused(&mut receiver, control.delta(3, 4)), NackReason::Older);
    assert_eq!(take(&mut receiver, [control.delta(4, 5)]), Some(5));
}

#[test]
fn an_older_snapshot_is_refused_as_a_whole() {
    let control = ControlPlane::new(5);
    let mut receiver = at(&control, 4);
    let mut old = control.snapshot(3).into_iter();
    assert_eq!(refused(&mut receiver, old.next().unwrap()), NackReason::Older);
    assert_eq!(take(&mut receiver, old), Some(4));
    assert_eq!(receiver.state(), &control.states[4].0);
}

#[test]
fn a_signature_of_another_key_group_or_revision_is_refused() {
    let control = ControlPlane::new(5);
    let stranger = ControlPlane::new(5);
    let digest = control.states[5].0.digest();
    let other_group = control.sign(&GroupId::new("b").unwrap(), 5, digest);
    let other_revision = Signed { revision: 5, ..control.sign(&control.group, 4, digest) };
    let none = Signed { signature: Bytes::new(), ..control.signed(5) };
    for signed in [stranger.signed(5), other_group, other_revision, none] {
        let mut receiver = at(&control, 4);
        let changes = encode_changes(&control.states[5].1);
        let frame = frame::delta(4, signed.clone(), changes).frame.unwrap();
        assert_eq!(refused(&mut receiver, frame), NackReason::BadSignature);
        let start = frames(frame::snapshot(signed, control.states[5].0.iter())).remove(0);
        assert_eq!(refused(&mut receiver, start), NackReason::BadSignature);
        assert_eq!(receiver.state(), &control.states[4].0);
    }
}

#[test]
fn tampered_changes_do_not_have_the_signed_digest() {
    let control = ControlPlane::new(5);
    let mut receiver = at(&control, 4);
    let changes = encode_changes([&put("r2", "{\"evil\":1}"), &put("new", "{}")]);
    let message = resynced(&mut receiver, frame::delta(4, control.signed(5), changes).frame.unwrap());
    assert!(message.contains("digest"), "{message}");
    assert_eq!(receiver.state(), &control.states[4].0);
    assert_eq!(receiver.state().digest(), control.states[4].0.digest());
    assert_eq!(take(&mut receiver, control.snapshot(5)), Some(5));
}

#[test]
fn a_tampered_snapshot_is_refused() {
    let control = ControlPlane::new(5);
    let mut receiver = at(&control, 4);
    let mut evil = control.states[5].0.clone();
    evil.apply(&put("r1", "{\"evil\":1}"));
    let mut frames = frames(frame::snapshot(control.signed(5), evil.iter()));
    let end = frames.pop().unwrap();
    take(&mut receiver, frames);
    assert_eq!(refused(&mut receiver, end), NackReason::DigestMismatch);
    assert_eq!(receiver.state(), &control.states[4].0);
}

#[test]
fn a_gap_asks_for_a_snapshot_once() {
    let control = ControlPlane::new(6);
    let mut receiver = at(&control, 2);
    resynced(&mut receiver, control.delta(3, 4));
    assert_eq!(take(&mut receiver, [control.delta(4, 5)]), Some(2));
    assert_eq!(take(&mut receiver, control.snapshot(5)), Some(5));
    assert_eq!(take(&mut receiver, [control.delta(5, 6)]), Some(6));
}

#[test]
fn a_half_sent_snapshot_counts_for_nothing() {
    let control = ControlPlane::new(6);
    let mut receiver = at(&control, 2);
    let mut half = control.snapshot(6);
    half.pop();
    assert_eq!(take(&mut receiver, half), Some(2));
    receiver.reconnected();
    assert_eq!(take(&mut receiver, [control.delta(2, 3)]), Some(3));
    assert_eq!(receiver.state(), &control.states[3].0);
}

#[test]
fn a_snapshot_larger_than_announced_or_with_a_missing_resource_is_refused() {
    let control = ControlPlane::new(6);
    let mut doubled = control.snapshot(6);
    doubled.insert(1, doubled[1].clone());
    let mut receiver = at(&control, 2);
    take(&mut receiver, doubled.drain(..2));
    assert_eq!(refused(&mut receiver, doubled.remove(0)), NackReason::Unsupported);
    let mut lacking = control.snapshot(6);
    lacking.remove(1);
    let end = lacking.pop().unwrap();
    let mut receiver = at(&control, 2);
    take(&mut receiver, lacking);
    assert_eq!(refused(&mut receiver, end), NackReason::Unsupported);
}

#[test]
fn what_the_compiler_refuses_is_rolled_back_and_named() {
    let control = ControlPlane::new(6);
    let mut receiver = at(&control, 2);
    let Step::Apply(candidate) = receiver.receive(control.delta(2, 3)) else { panic!("not applied") };
    let key = candidate.changes()[0].key().clone();
    let nack = candidate.roll_back(&Refusal { key: Some(key), pointer: "/uri".into(), reason: "bad".into() });
    assert_eq!((nack.revision, nack.key.unwrap().id.as_str(), nack.pointer.as_str()), (3, "r0", "/uri"));
    assert_eq!(receiver.state(), &control.states[2].0);
    // Under way when the refusal was sent, then the control plane's answer to it.
    assert_eq!(take(&mut receiver, [control.delta(3, 4)]), Some(2));
    assert_eq!(take(&mut receiver, [control.delta(2, 5)]), Some(5));
}

#[test]
fn a_merged_delta_brings_only_the_last_of_each_resource() {
    let control = ControlPlane::new(9);
    let mut receiver = at(&control, 2);
    let Step::Apply(candidate) = receiver.receive(control.delta(2, 9)) else { panic!("not applied") };
    let last: Vec<_> = control.states[7..=9].iter().flat_map(|(_, changes)| changes.clone()).collect();
    assert_eq!(candidate.changes(), last);
    candidate.commit();
    assert_eq!(receiver.state(), &control.states[9].0);
}

#[test]
fn a_candidate_dropped_undecided_is_rolled_back() {
    let control = ControlPlane::new(6);
    let mut receiver = at(&control, 2);
    drop(receiver.receive(control.delta(2, 3)));
    for frame in control.snapshot(5) {
        drop(receiver.receive(frame));
    }
    assert_eq!(receiver.state(), &control.states[2].0);
}

#[test]
fn a_configuration_from_disk_is_taken_only_as_signed() {
    let control = ControlPlane::new(5);
    let restore =
        |state: u64, signed: Signed| control.receiver().restore(control.states[state as usize].0.clone(), signed);
    assert_eq!(restore(5, control.signed(5)), Ok(()));
    assert_eq!(restore(4, control.signed(5)), Err(RestoreError::DigestMismatch { revision: 5 }));
    assert!(matches!(restore(5, ControlPlane::new(5).signed(5)), Err(RestoreError::Signed(_))));
}

/// Sweeps seeded streams: frames lost, doubled, swapped, tampered, streams cut, compilers that
/// refuse. Whatever happens, the state is always one the control plane signed, its revision never
/// goes down, and once the faults stop the instance arrives at the head.
#[test]
fn whatever_happens_the_instance_holds_a_signed_state_and_arrives() {
    for seed in 0..400 {
        sweep::run(seed);
    }
}

mod sweep {
    use std::collections::VecDeque;

    use super::*;
    use crate::{Offer, Sender};

    const HEAD: Revision = 30;

    struct Seeded(u64);

    impl Seeded {
        /// splitmix64
        fn below(&mut self, bound: u64) -> u64 {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            (z ^ (z >> 31)) % bound
        }
    }

    struct Link<'a> {
        control: &'a ControlPlane,
        sender: Sender,
        wire: VecDeque<Frame>,
    }

    impl Link<'_> {
        fn offer(&mut self, target: Revision) {
            let digest = self.control.states[target as usize].0.digest();
            match self.sender.next(target, &digest) {
                Some(Offer::Since(from)) => self.wire.push_back(self.control.delta(from, target)),
                Some(Offer::Snapshot) => self.wire.extend(self.control.snapshot(target)),
                None => return,
            }
            self.sender.sent(target);
        }

        fn answer(&mut self, step: Step<'_>, refuse: bool) {
            let applied = |applied: Option<v1::Applied>| applied.map(|applied| Applied::try_from(applied).unwrap());
            match step {
                Step::Nothing => {}
                Step::Apply(candidate) if refuse => {
                    let refusal = Refusal { key: None, pointer: String::new(), reason: "no".into() };
                    let nack = candidate.roll_back(&refusal);
                    self.sender.refused(nack.revision, applied(nack.applied));
                }
                Step::Apply(candidate) => self.sender.reported(applied(candidate.commit().applied).unwrap()),
                Step::Refuse(nack) => self.sender.refused(nack.revision, applied(nack.applied)),
                Step::Resync(resync) => self.sender.resync(applied(resync.applied)),
            }
        }
    }

    pub(super) fn run(seed: u64) {
        let mut random = Seeded(seed);
        let control = ControlPlane::new(HEAD);
        let mut receiver = control.receiver();
        let mut link = Link { control: &control, sender: Sender::new(None), wire: VecDeque::new() };
        let mut target = 0;
        while target < HEAD {
            target += random.below(3);
            let target = target.min(HEAD - 1);
            link.offer(target);
            disturb(&mut link, &mut random);
            while random.below(3) > 0 {
                let Some(frame) = link.wire.pop_front() else {
                    break;
                };
                let refuse = random.below(8) == 0;
                step(&mut link, &mut receiver, frame, refuse);
            }
            if random.below(6) == 0 {
                reconnect(&mut link, &mut receiver);
            }
        }
        reconnect(&mut link, &mut receiver);
        arrive(&mut link, &mut receiver, seed);
    }

    fn disturb(link: &mut Link<'_>, random: &mut Seeded) {
        let length = link.wire.len() as u64;
        if length == 0 {
            return;
        }
        let at = random.below(length) as usize;
        match random.below(10) {
            0 => drop(link.wire.remove(at)),
            1 => link.wire.push_back(link.wire[at].clone()),
            2 => link.wire.swap(at, 0),
            3 => tamper(&mut link.wire[at]),
            _ => {}
        }
    }

    fn tamper(frame: &mut Frame) {
        let evil = encode_changes([&put("evil", "{}")]);
        match frame {
            Frame::Delta(delta) => delta.changes = [delta.changes.clone(), evil].concat().into(),
            Frame::SnapshotChunk(chunk) => chunk.changes = evil,
            Frame::SnapshotStart(start) => start.to.as_mut().unwrap().revision += 1,
            _ => {}
        }
    }

    fn step(link: &mut Link<'_>, receiver: &mut Receiver, frame: Frame, refuse: bool) {
        let before = receiver.applied().map(|applied| applied.revision);
        link.answer(receiver.receive(frame), refuse);
        let after = receiver.applied();
        assert!(after.map(|applied| applied.revision) >= before, "the revision went down");
        let expected =
            after.map_or_else(GroupState::default, |applied| link.control.states[applied.revision as usize].0.clone());
        assert_eq!(receiver.state(), &expected);
    }

    fn reconnect(link: &mut Link<'_>, receiver: &mut Receiver) {
        link.wire.clear();
        receiver.reconnected();
        link.sender = Sender::new(receiver.applied());
    }

    fn arrive(link: &mut Link<'_>, receiver: &mut Receiver, seed: u64) {
        for _ in 0..4 {
            link.offer(HEAD);
            while let Some(frame) = link.wire.pop_front() {
                step(link, receiver, frame, false);
            }
        }
        assert_eq!(receiver.applied().map(|applied| applied.revision), Some(HEAD), "seed {seed}");
    }
}
