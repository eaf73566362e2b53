//! Changes reach instances, whatever happens to the connection.

use std::sync::atomic::Ordering;
use std::time::Duration;

use model::{Change, ResourceKey};
use tempfile::tempdir;
use wire::limits::CHUNK_BYTES;
use wire::v1::to_instance::Frame;
use wire::{decode_changes, frame};

use crate::control_plane::{FakePlane, Replica, put, route};
use crate::instance::Instance;
use crate::{proxy, raw, wait};

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn every_change_reaches_every_instance_of_the_group() {
    let plane = FakePlane::new();
    let replica = Replica::start(&plane);
    let token = plane.token("a", 8, HOUR);
    let dirs: Vec<_> = (0..8).map(|_| tempdir().unwrap()).collect();
    let instances: Vec<_> = dirs.iter().map(|dir| Instance::start(&replica.url(), Some(&token), dir.path())).collect();
    instances.iter().for_each(|instance| instance.wait_for(0));
    for n in 1..=50 {
        plane.commit("a", vec![put(&format!("r{}", n % 7), &format!("{{\"n\":{n}}}"))]);
    }
    plane.commit("a", vec![Change::Delete(route("r3")), put("r9", "{}")]);
    for instance in &instances {
        instance.wait_for(51);
        assert_eq!(instance.state(), plane.group_state("a"));
    }
    let ids: Vec<_> = instances.iter().map(Instance::id).collect();
    wait::until_true("all reports", || {
        ids.iter().all(|id| {
            let applied = plane.report_of(id).and_then(|report| report.applied);
            applied.is_some_and(|applied| applied.revision == 51 && applied.digest == plane.group_state("a").digest())
        })
    });
}

#[test]
fn a_large_configuration_comes_in_chunks() {
    let (plane, dir) = (FakePlane::new(), tempdir().unwrap());
    let replica = Replica::start(&plane);
    let body = format!("{{\"uri\":\"{}\"}}", "x".repeat(500));
    plane.commit("a", (0..2000).map(|n| put(&format!("r{n}"), &body)).collect());
    let large = format!("{{\"uri\":\"{}\"}}", "y".repeat(300_000));
    plane.commit("a", vec![put("large", &large)]);
    let instance = Instance::start(&replica.url(), Some(&plane.token("a", 1, HOUR)), dir.path());
    instance.wait_for(2);
    assert_eq!(instance.state(), plane.group_state("a"));
    instance.stop();

    let frames = raw::run(async {
        let own = raw::stolen_from(dir.path());
        let mut client = raw::connect(replica.address, &plane.ca, Some(own)).await.unwrap();
        raw::sync(&mut client, vec![frame::hello(Default::default(), None)]).await.unwrap()
    });
    let start = frames.iter().find_map(|frame| match frame {
        Frame::SnapshotStart(start) => Some(start),
        _ => None,
    });
    let chunks: Vec<(usize, Vec<ResourceKey>)> = frames
        .iter()
        .filter_map(|frame| match frame {
            Frame::SnapshotChunk(chunk) => Some(&chunk.changes),
            _ => None,
        })
        .map(|changes| {
            let read = decode_changes(changes.clone()).unwrap();
            (changes.len(), read.iter().map(|change| change.key().clone()).collect())
        })
        .collect();
    let (bytes, resources) = chunks.iter().fold((0, 0), |(bytes, of), (len, keys)| (bytes + len, of + keys.len()));
    assert_eq!(start.map(|start| (start.bytes, start.resources)), Some((bytes as u64, resources as u64)));
    // It comes first, and nothing is put to what is full.
    let ((large, alone), small) = chunks.split_first().unwrap();
    assert_eq!((*large > 300_000, alone.as_slice()), (true, [route("large")].as_slice()));
    let (last, full) = small.split_last().unwrap();
    assert!(full.len() > 20 && last.0 <= CHUNK_BYTES + 600, "{} chunks, the last of {} bytes", full.len() + 1, last.0);
    for (len, _) in full {
        assert!((CHUNK_BYTES..CHUNK_BYTES + 600).contains(len), "a chunk of {len} bytes");
    }
}

#[test]
fn an_instance_behind_gets_a_delta_and_one_far_behind_a_snapshot() {
    let (plane, dir) = (FakePlane::new(), tempdir().unwrap());
    let replica = Replica::start(&plane);
    let instance = Instance::start(&replica.url(), Some(&plane.token("a", 1, HOUR)), dir.path());
    instance.wait_for(0);
    instance.stop();
    let before = plane.snapshots_read();
    for n in 1..=20 {
        plane.commit("a", vec![put("r", &format!("{{\"n\":{n}}}"))]);
    }
    let instance = Instance::start(&replica.url(), None, dir.path());
    instance.wait_for(20);
    assert_eq!(plane.snapshots_read(), before);
    instance.stop();
    for n in 21..=2000 {
        plane.commit("a", vec![put("r", &format!("{{\"n\":{n}}}"))]);
    }
    let instance = Instance::start(&replica.url(), None, dir.path());
    instance.wait_for(2000);
    assert_eq!(plane.snapshots_read(), before + 1);
    assert_eq!(instance.state(), plane.group_state("a"));
}

#[test]
fn the_control_plane_goes_and_comes_back() {
    let (plane, dir) = (FakePlane::new(), tempdir().unwrap());
    let mut replica = Replica::start(&plane);
    let instance = Instance::start(&replica.url(), Some(&plane.token("a", 1, HOUR)), dir.path());
    instance.wait_for(0);
    for round in 1..=4 {
        let address = if round % 2 == 0 { replica.stop() } else { replica.kill() };
        wait::until_true("the loss", || !instance.status().is_connected());
        assert!(instance.status().last_error.is_some());
        plane.commit("a", vec![put("r", &format!("{{\"round\":{round}}}"))]);
        replica = Replica::start_at(&plane, address);
        instance.wait_for(round);
        assert!(instance.status().is_connected());
    }
    assert_eq!(instance.state(), plane.group_state("a"));
}

#[test]
fn another_replica_takes_over() {
    let (plane, dir) = (FakePlane::new(), tempdir().unwrap());
    let (one, two) = (Replica::start(&plane), Replica::start(&plane));
    let (token, urls) = (plane.token("a", 1, HOUR), [one.url(), two.url()]);
    let instance = Instance::start_refusing(&[&urls[0], &urls[1]], Some(&token), dir.path(), None);
    instance.wait_for(0);
    one.stop();
    wait::until_true("the other replica", || instance.status().control_plane.as_deref() == Some(&urls[1]));
    plane.commit("a", vec![put("r", "{}")]);
    instance.wait_for(1);
}

#[test]
fn a_snapshot_cut_off_on_its_way_is_begun_anew() {
    let (plane, dir) = (FakePlane::new(), tempdir().unwrap());
    let replica = Replica::start(&plane);
    let body = format!("{{\"uri\":\"{}\"}}", "x".repeat(1000));
    plane.commit("a", (0..2000).map(|n| put(&format!("r{n}"), &body)).collect());
    // The first connection is Join, the second is cut amidst the snapshot's 2 MB.
    let proxy = proxy::start(replica.address, 2, 700_000);
    let url = format!("https://{}", proxy.address);
    let instance = Instance::start(&url, Some(&plane.token("a", 1, HOUR)), dir.path());
    instance.wait_for(1);
    assert_eq!(instance.state(), plane.group_state("a"));
    assert_eq!(instance.serving.lock().unwrap().applications, 1, "half a snapshot was applied");
    assert!(proxy.connections.load(Ordering::SeqCst) >= 3);
}

#[test]
fn an_instance_starts_from_its_last_good_configuration() {
    let (plane, dir) = (FakePlane::new(), tempdir().unwrap());
    let replica = Replica::start(&plane);
    let instance = Instance::start(&replica.url(), Some(&plane.token("a", 1, HOUR)), dir.path());
    instance.wait_for(0);
    for n in 1..=30 {
        plane.commit("a", vec![put(&format!("r{n}"), "{}")]);
    }
    plane.commit("a", vec![Change::Delete(route("r1"))]);
    instance.wait_for(31);
    instance.stop();
    let address = replica.kill();
    let instance = Instance::start(&format!("https://{address}"), None, dir.path());
    instance.wait_for(31);
    assert!(!instance.status().is_connected());
    assert_eq!(instance.state(), plane.group_state("a"));
    // And goes on from there.
    let read = plane.snapshots_read();
    let _replica = Replica::start_at(&plane, address);
    plane.commit("a", vec![put("r1", "{}")]);
    instance.wait_for(32);
    assert_eq!((instance.state(), plane.snapshots_read()), (plane.group_state("a"), read));
}
