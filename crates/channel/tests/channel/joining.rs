//! Who may join, and how an identity lives.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant, SystemTime};

use gateway::config::ConfigError;
use tempfile::tempdir;

use crate::control_plane::{FakePlane, Replica, put};
use crate::instance::{COUNTED, Instance};
use crate::wait;

const HOUR: Duration = Duration::from_secs(3600);

fn refusal(end: Result<(), ConfigError>) -> String {
    match end {
        Err(ConfigError::JoinRefused(reason)) => reason,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn an_instance_joins_its_tokens_group_and_is_seen() {
    let (plane, dir) = (FakePlane::new(), tempdir().unwrap());
    let replica = Replica::start(&plane);
    let token = plane.token("a", 1, HOUR);
    plane.commit("a", vec![put("r1", "{}")]);
    let instance = Instance::start(&replica.url(), Some(&token), dir.path());
    instance.wait_for(1);
    assert_eq!(instance.state(), plane.group_state("a"));
    let id = instance.id();
    let report =
        wait::until("the heartbeat's counters", || plane.report_of(&id).filter(|report| report.counters.is_some()));
    assert_eq!((report.identity.group.as_str(), report.facts.hostname.as_str()), ("a", "gateway-1"));
    assert_eq!(report.counters, Some(COUNTED));
    instance.stop();
    wait::until_true("the report that it left", || plane.report_of(&id).is_some_and(|report| !report.connected));
}

#[test]
fn an_empty_group_is_a_configuration_too() {
    let (plane, dir) = (FakePlane::new(), tempdir().unwrap());
    let replica = Replica::start(&plane);
    let instance = Instance::start(&replica.url(), Some(&plane.token("a", 1, HOUR)), dir.path());
    instance.wait_for(0);
    assert_eq!(instance.serving.lock().unwrap().applications, 1);
}

#[test]
fn a_token_that_is_unknown_expired_or_used_up_is_refused_with_the_reason() {
    let plane = FakePlane::new();
    let replica = Replica::start(&plane);
    let start = |token: &str| Instance::start(&replica.url(), Some(token), tempdir().unwrap().path());
    let once = plane.token("a", 1, HOUR);
    let unknown = format!("nobody.{}", once.rsplit_once('.').unwrap().1);
    assert!(refusal(start(&unknown).end()).contains("not known"));
    assert!(refusal(start(&plane.token("a", 1, Duration::ZERO)).end()).contains("expired"));
    let first = start(&once);
    first.wait_for(0);
    assert!(refusal(start(&once).end()).contains("used up"));
    assert!(matches!(start("without-fingerprint").end(), Err(ConfigError::BadToken(_))));
}

#[test]
fn the_secret_is_not_told_to_a_control_plane_of_another_ca() {
    let (plane, stranger, dir) = (FakePlane::new(), FakePlane::new(), tempdir().unwrap());
    let replica = Replica::start(&stranger);
    // Both know this secret: only the fingerprint keeps them apart.
    let (token, _same) = (plane.token("a", 9, HOUR), stranger.token("a", 9, HOUR));
    let instance = Instance::start(&replica.url(), Some(&token), dir.path());
    let reason = wait::until("a reason", || instance.status().last_error);
    assert!(reason.contains("fingerprint"), "{reason}");
    assert_eq!((stranger.issued(), instance.applied()), (0, None));
}

#[test]
fn another_groups_token_gives_the_other_group() {
    let (plane, dir_a, dir_b) = (FakePlane::new(), tempdir().unwrap(), tempdir().unwrap());
    let replica = Replica::start(&plane);
    let (token_a, token_b) = (plane.token("a", 1, HOUR), plane.token("b", 1, HOUR));
    plane.commit("a", vec![put("r1", "{\"of\":\"a\"}")]);
    plane.commit("b", vec![put("r1", "{\"of\":\"b\"}")]);
    let a = Instance::start(&replica.url(), Some(&token_a), dir_a.path());
    let b = Instance::start(&replica.url(), Some(&token_b), dir_b.path());
    a.wait_for(1);
    b.wait_for(1);
    assert_eq!((a.state(), b.state()), (plane.group_state("a"), plane.group_state("b")));
    assert_ne!(a.state(), b.state());
}

#[test]
fn identity_and_last_good_are_for_the_owner_alone_and_outlive_the_token() {
    let (plane, dir) = (FakePlane::new(), tempdir().unwrap());
    let replica = Replica::start(&plane);
    let token = plane.token("a", 1, HOUR);
    let data_dir = dir.path().join("data");
    let instance = Instance::start(&replica.url(), Some(&token), &data_dir);
    instance.wait_for(0);
    plane.commit("a", vec![put("r1", "{}")]);
    instance.wait_for(1);
    let id = instance.id();
    instance.stop();
    for entry in std::fs::read_dir(&data_dir).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.file_name());
    }
    let again = Instance::start(&replica.url(), Some(&token), &data_dir);
    again.wait_for(1);
    assert_eq!((again.id(), plane.issued()), (id, 1));
}

#[test]
fn an_instance_without_identity_needs_a_token_and_a_directory_of_its_own() {
    let (plane, dir) = (FakePlane::new(), tempdir().unwrap());
    let replica = Replica::start(&plane);
    assert!(matches!(Instance::start(&replica.url(), None, dir.path()).end(), Err(ConfigError::NoToken)));
    let first = Instance::start(&replica.url(), Some(&plane.token("a", 1, HOUR)), dir.path());
    first.wait_for(0);
    assert!(matches!(Instance::start(&replica.url(), None, dir.path()).end(), Err(ConfigError::DataDir { .. })));
}

#[test]
fn a_certificate_is_renewed_before_it_ends_and_the_stream_goes_on() {
    const LIFE: Duration = Duration::from_secs(3);
    let (plane, dir) = (FakePlane::new(), tempdir().unwrap());
    plane.set_certificate_life(LIFE);
    let replica = Replica::start(&plane);
    let instance = Instance::start(&replica.url(), Some(&plane.token("a", 1, HOUR)), dir.path());
    instance.wait_for(0);
    wait::until_true("two renewals", || plane.issued() >= 3);
    plane.commit("a", vec![put("r1", "{}")]);
    instance.wait_for(1);
    let issued = plane.certificates();
    for (former, renewed) in issued.iter().zip(issued.iter().skip(1)) {
        let age = renewed.at.duration_since(former.not_before).unwrap();
        assert!((LIFE * 2 / 3..LIFE * 5 / 6).contains(&age), "renewed at the age of {age:?}");
    }

    // What was renewed is what it comes back with.
    let id = instance.id();
    wait::until_true("the first certificate's end", || issued[0].not_after <= SystemTime::now());
    instance.stop();
    let back = Instance::start(&replica.url(), None, dir.path());
    wait::until_true("the stream", || back.status().is_connected());
    assert_eq!(back.id(), id);
    plane.commit("a", vec![put("r2", "{}")]);
    back.wait_for(2);
}

#[test]
fn a_revoked_instance_is_closed_at_once_and_cannot_return() {
    let (plane, dir) = (FakePlane::new(), tempdir().unwrap());
    let replica = Replica::start_beating(&plane, HOUR);
    let instance = Instance::start(&replica.url(), Some(&plane.token("a", 1, HOUR)), dir.path());
    instance.wait_for(0);
    // The last it says for an hour: no report can find the revocation.
    wait::until_true("the first word of its nodes", || plane.nodes_told().len() == 1);
    let revoked = Instant::now();
    plane.revoke(&instance.id());
    assert!(matches!(instance.end(), Err(ConfigError::Revoked(_))));
    assert!(revoked.elapsed() < Duration::from_secs(1), "closed after {:?}", revoked.elapsed());
    plane.commit("a", vec![put("secret", "{}")]);
    let back = Instance::start(&replica.url(), None, dir.path());
    let serving = back.serving.clone();
    assert!(matches!(back.end(), Err(ConfigError::Revoked(_))));
    assert!(serving.lock().unwrap().state.is_empty());
}

#[test]
fn a_revocation_that_went_unnoticed_is_found_by_the_next_report() {
    let (plane, dir) = (FakePlane::new(), tempdir().unwrap());
    let replica = Replica::start(&plane);
    let instance = Instance::start(&replica.url(), Some(&plane.token("a", 1, HOUR)), dir.path());
    instance.wait_for(0);
    plane.revoke_silently(&instance.id());
    assert!(matches!(instance.end(), Err(ConfigError::Revoked(_))));
}
