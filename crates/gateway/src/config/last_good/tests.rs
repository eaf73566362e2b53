use std::sync::Arc;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use model::{Change, GroupId, Kind, ResourceId, ResourceKey, Revision, signing};
use tempfile::{TempDir, tempdir};
use wire::{VerifyingKeys, encode_changes};

use super::*;

struct Scene {
    key: Ed25519KeyPair,
    group: GroupId,
    dir: TempDir,
    state: GroupState,
    revision: Revision,
}

impl Scene {
    fn new() -> Self {
        let (key, dir) = (Ed25519KeyPair::generate().unwrap(), tempdir().unwrap());
        Self { key, group: GroupId::new("a").unwrap(), dir, state: GroupState::default(), revision: 0 }
    }

    fn receiver(&self) -> Receiver {
        Receiver::new(self.group.clone(), VerifyingKeys::new([self.key.public_key()]).unwrap())
    }

    fn signed(&self) -> Signed {
        let digest = self.state.digest();
        let signature = self.key.sign(&signing::payload(&self.group, self.revision, &digest));
        Signed { revision: self.revision, digest, signature: signature.as_ref().to_vec().into() }
    }

    fn step(&mut self, id: usize) -> v1::ToInstance {
        let key = ResourceKey::new(Kind::Route, ResourceId::new(format!("r{id}")).unwrap());
        let change = Change::Put(key, Arc::from(format!("{{\"revision\":{}}}", self.revision).as_bytes()));
        self.state.apply(&change);
        self.revision += 1;
        frame::delta(self.revision - 1, self.signed(), encode_changes([&change]))
    }

    fn load(&self) -> Result<(bool, Receiver), LastGoodError> {
        let mut receiver = self.receiver();
        LastGood::new(self.dir.path()).load(&mut receiver).map(|is_there| (is_there, receiver))
    }
}

#[test]
fn nothing_on_disk_is_no_error() {
    assert!(!Scene::new().load().unwrap().0);
}

#[test]
fn snapshot_and_log_lead_to_the_last_state() {
    let mut scene = Scene::new();
    let mut last_good = LastGood::new(scene.dir.path());
    last_good.rewrite(&scene.signed(), &scene.state).unwrap();
    for id in 0..20 {
        last_good.append(&scene.step(id % 7)).unwrap();
    }
    last_good.sync().unwrap();
    let (_, receiver) = scene.load().unwrap();
    assert_eq!((receiver.state(), receiver.applied().unwrap().revision), (&scene.state, 20));
}

#[test]
fn deltas_left_from_before_the_snapshot_are_skipped() {
    let mut scene = Scene::new();
    let mut last_good = LastGood::new(scene.dir.path());
    last_good.rewrite(&scene.signed(), &scene.state).unwrap();
    (0..5).for_each(|id| last_good.append(&scene.step(id)).unwrap());
    let log = std::fs::read(&last_good.log).unwrap();
    // The crash came after the new snapshot's rename and before the log was emptied.
    last_good.rewrite(&scene.signed(), &scene.state).unwrap();
    std::fs::write(&last_good.log, log).unwrap();
    let mut last_good = LastGood::new(scene.dir.path());
    last_good.load(&mut scene.receiver()).unwrap();
    last_good.append(&scene.step(9)).unwrap();
    assert_eq!(scene.load().unwrap().1.state(), &scene.state);
}

#[test]
fn a_delta_changed_with_its_checksum_is_refused() {
    let mut scene = Scene::new();
    let mut last_good = LastGood::new(scene.dir.path());
    last_good.rewrite(&scene.signed(), &scene.state).unwrap();
    let mut delta = scene.step(1);
    if let Some(v1::to_instance::Frame::Delta(delta)) = &mut delta.frame {
        let evil = Change::Put(ResourceKey::new(Kind::Route, ResourceId::new("r1").unwrap()), Arc::from(&b"{}"[..]));
        delta.changes = encode_changes([&evil]);
    }
    last_good.append(&delta).unwrap();
    let Err(LastGoodError::Refused { file, reason }) = scene.load() else { panic!("taken") };
    assert_eq!(file, "last-good.log");
    assert!(reason.contains("digest"), "{reason}");
}

/// Cuts the log at every byte: what is left is always a signed state, never an error, never half a delta.
#[test]
fn a_log_cut_anywhere_leaves_a_whole_state() {
    let mut scene = Scene::new();
    let mut last_good = LastGood::new(scene.dir.path());
    last_good.rewrite(&scene.signed(), &scene.state).unwrap();
    let mut states = vec![scene.state.clone()];
    for id in 0..2 {
        last_good.append(&scene.step(id)).unwrap();
        states.push(scene.state.clone());
    }
    let log = std::fs::read(&last_good.log).unwrap();
    for cut in 0..=log.len() {
        std::fs::write(&last_good.log, &log[..cut]).unwrap();
        let (_, receiver) = scene.load().unwrap();
        let revision = receiver.applied().unwrap().revision as usize;
        assert_eq!(receiver.state(), &states[revision], "cut at {cut}");
    }
}

#[test]
fn a_long_log_asks_for_a_snapshot() {
    let mut scene = Scene::new();
    let mut last_good = LastGood::new(scene.dir.path());
    last_good.rewrite(&scene.signed(), &scene.state).unwrap();
    let delta = scene.step(1);
    (0..LONG_LOG_DELTAS).for_each(|_| last_good.append(&delta).unwrap());
    assert!(!last_good.wants_rewrite());
    last_good.append(&delta).unwrap();
    assert!(last_good.wants_rewrite() && !last_good.needs_rewrite());
    last_good.rewrite(&scene.signed(), &scene.state).unwrap();
    assert!(!last_good.wants_rewrite());
    assert_eq!(std::fs::metadata(&last_good.log).unwrap().len(), 0);
}
