//! What must not be applied is refused with a reason, and what was good stays in force.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use channel::Report;
use model::Revision;
use tempfile::tempdir;
use wire::v1::NackReason;

use crate::control_plane::{FakePlane, Replica, put};
use crate::instance::Instance;
use crate::wait;

const HOUR: Duration = Duration::from_secs(3600);

fn joined(plane: &Arc<FakePlane>, replica: &Replica, dir: &Path) -> Instance {
    plane.commit("a", vec![put("r1", "{\"good\":1}")]);
    let instance = Instance::start(&replica.url(), Some(&plane.token("a", 1, HOUR)), dir);
    instance.wait_for(1);
    instance
}

fn refusal_of(plane: &FakePlane, instance: &Instance, revision: Revision) -> Report {
    let id = instance.id();
    let is_it = |report: &Report| report.refused.as_ref().is_some_and(|refused| refused.revision == revision);
    wait::until("the refusal's report", || plane.report_of(&id).filter(is_it))
}

#[test]
fn what_the_compiler_refuses_is_named_and_the_next_revision_repairs_it() {
    let (plane, dir) = (FakePlane::new(), tempdir().unwrap());
    let replica = Replica::start(&plane);
    plane.commit("a", vec![put("r1", "{\"good\":1}")]);
    let token = plane.token("a", 1, HOUR);
    let instance = Instance::start_refusing(&[&replica.url()], Some(&token), dir.path(), Some("bad"));
    instance.wait_for(1);
    let good = instance.state();
    plane.commit("a", vec![put("r2", "{}"), put("bad", "{}")]);
    let report = refusal_of(&plane, &instance, 2);
    let refused = report.refused.unwrap();
    assert_eq!((refused.reason, refused.pointer.as_str()), (NackReason::Rejected, "/uri"));
    assert_eq!(refused.key.unwrap().id.as_str(), "bad");
    assert_eq!(report.applied.map(|applied| applied.revision), Some(1));
    assert_eq!(instance.state(), good);
    assert_eq!(instance.status().refused.unwrap().message, "route/bad /uri: no such thing");
    plane.commit("a", vec![model::Change::Delete(crate::control_plane::route("bad"))]);
    instance.wait_for(3);
    assert_eq!(instance.state(), plane.group_state("a"));
    assert_eq!(instance.status().refused, None);
    let id = instance.id();
    wait::until_true("the refusal's end", || plane.report_of(&id).is_some_and(|report| report.refused.is_none()));
}

#[test]
fn a_wrong_signature_is_refused_and_the_former_configuration_stays() {
    let (plane, dir) = (FakePlane::new(), tempdir().unwrap());
    let replica = Replica::start(&plane);
    let instance = joined(&plane, &replica, dir.path());
    let good = instance.state();
    plane.commit_spoiled("a", vec![put("r1", "{\"evil\":1}")], |logged| {
        logged.signed.signature = Bytes::from(vec![7; 64])
    });
    let report = refusal_of(&plane, &instance, 2);
    assert_eq!(report.refused.unwrap().reason, NackReason::BadSignature);
    assert_eq!((instance.state(), instance.applied()), (good, Some(1)));
    plane.commit("a", vec![put("r1", "{\"good\":3}")]);
    instance.wait_for(3);
    assert_eq!(instance.state(), plane.group_state("a"));
}

#[test]
fn tampered_changes_are_found_by_the_digest_and_repaired_by_a_snapshot() {
    let (plane, dir) = (FakePlane::new(), tempdir().unwrap());
    let replica = Replica::start(&plane);
    let instance = joined(&plane, &replica, dir.path());
    let read = plane.snapshots_read();
    plane.commit_spoiled("a", vec![put("r1", "{\"good\":2}")], |logged| {
        logged.changes = vec![put("r1", "{\"evil\":1}")]
    });
    instance.wait_for(2);
    assert_eq!(instance.state(), plane.group_state("a"));
    assert_eq!(plane.snapshots_read(), read + 1);
}

#[test]
fn an_older_configuration_does_not_replace_a_newer_one() {
    let (plane, dir) = (FakePlane::new(), tempdir().unwrap());
    let mut replica = Replica::start(&plane);
    let instance = joined(&plane, &replica, dir.path());
    for n in 2..=5 {
        plane.commit("a", vec![put("r1", &format!("{{\"good\":{n}}}"))]);
    }
    instance.wait_for(5);
    let good = instance.state();
    let address = replica.stop();
    plane.restore_backup("a", 3);
    replica = Replica::start_at(&plane, address);
    wait::until_true("the stream", || instance.status().is_connected());
    plane.commit("a", vec![put("r1", "{\"replayed\":4}")]);
    let id = instance.id();
    wait::until_true("a report of the new stream", || plane.report_of(&id).is_some_and(|report| report.connected));
    assert_eq!((instance.state(), instance.applied()), (good, Some(5)));
    plane.commit("a", vec![put("r1", "{\"n\":5}")]);
    plane.commit("a", vec![put("r1", "{\"n\":6}")]);
    instance.wait_for(6);
    assert_eq!(instance.state(), plane.group_state("a"));
    drop(replica);
}

/// Spoils the files of a stopped instance, starts it without a control plane and returns why it waits.
fn after_spoiling(spoil: impl FnOnce(&Path)) -> String {
    let (plane, dir) = (FakePlane::new(), tempdir().unwrap());
    let replica = Replica::start(&plane);
    let instance = joined(&plane, &replica, dir.path());
    plane.commit("a", vec![put("r2", "{\"good\":2}")]);
    instance.wait_for(2);
    instance.stop();
    let address = replica.kill();
    spoil(dir.path());
    let instance = Instance::start(&format!("https://{address}"), None, dir.path());
    let reason = wait::until("a reason", || instance.status().last_good_error);
    assert_eq!((instance.applied(), instance.serving.lock().unwrap().applications), (None, 0));
    let _replica = Replica::start_at(&plane, address);
    instance.wait_for(2);
    assert_eq!((instance.state(), instance.status().last_good_error), (plane.group_state("a"), None));
    reason
}

#[test]
fn a_truncated_last_good_file_is_refused_and_the_control_plane_repairs_it() {
    let reason = after_spoiling(|dir| {
        let path = dir.join("last-good.snapshot");
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 20]).unwrap();
    });
    assert!(reason.contains("last-good.snapshot is cut off"), "{reason}");
}

#[test]
fn a_damaged_last_good_file_is_refused() {
    let reason = after_spoiling(|dir| {
        let path = dir.join("last-good.snapshot");
        let mut bytes = fs::read(&path).unwrap();
        let at = bytes.windows(4).position(|window| window == b"good").unwrap();
        bytes[at] = b'f';
        fs::write(&path, bytes).unwrap();
    });
    assert!(reason.contains("checksum"), "{reason}");
}

#[test]
fn last_good_files_of_another_control_plane_are_refused() {
    let (other, other_dir) = (FakePlane::new(), tempdir().unwrap());
    let replica = Replica::start(&other);
    joined(&other, &replica, other_dir.path()).stop();
    let reason = after_spoiling(|dir| {
        for file in ["last-good.snapshot", "last-good.log"] {
            let _ = fs::remove_file(dir.join(file));
            if other_dir.path().join(file).exists() {
                fs::copy(other_dir.path().join(file), dir.join(file)).unwrap();
            }
        }
    });
    assert!(reason.contains("signature"), "{reason}");
}

#[test]
fn an_end_cut_off_the_log_costs_only_the_last_moments() {
    let (plane, dir) = (FakePlane::new(), tempdir().unwrap());
    let replica = Replica::start(&plane);
    let instance = joined(&plane, &replica, dir.path());
    plane.commit("a", vec![put("r2", "{}")]);
    instance.wait_for(2);
    plane.commit("a", vec![put("r3", "{}")]);
    instance.wait_for(3);
    instance.stop();
    let address = replica.kill();
    let path = dir.path().join("last-good.log");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
    let instance = Instance::start(&format!("https://{address}"), None, dir.path());
    instance.wait_for(2);
    // What is appended now follows the cut.
    let _replica = Replica::start_at(&plane, address);
    instance.wait_for(3);
    instance.stop();
    drop(_replica);
    let instance = Instance::start(&format!("https://{address}"), None, dir.path());
    instance.wait_for(3);
    assert_eq!(instance.state(), plane.group_state("a"));
}
