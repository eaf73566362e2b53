//! Certificates that end while no control plane is there to renew them.

use std::cell::Cell;
use std::time::Duration;

use gateway::Settings;
use gateway::config::{ConfigError, ConfigSettings};
use model::Revision;
use tempfile::{TempDir, tempdir};
use tokio_util::sync::CancellationToken;

use crate::control_plane::{FakePlane, Replica, put, route};
use crate::instance::Instance;

const HOUR: Duration = Duration::from_secs(3600);
const LIFE: Duration = Duration::from_secs(2);

/// The data directory of an instance of group `a` whose certificate has expired; it had revision 1.
fn expired(plane: &std::sync::Arc<FakePlane>, replica: Replica) -> (TempDir, std::net::SocketAddr) {
    let dir = tempdir().unwrap();
    plane.set_certificate_life(LIFE);
    plane.commit("a", vec![put("r1", r#"{"uri":"/"}"#)]);
    let instance = Instance::start(&replica.url(), Some(&plane.token("a", 1, HOUR)), dir.path());
    instance.wait_for(1);
    instance.stop();
    let address = replica.stop();
    std::thread::sleep(LIFE + Duration::from_millis(100));
    plane.set_certificate_life(HOUR);
    (dir, address)
}

fn serves(instance: &Instance, revision: Revision) {
    instance.wait_for(revision);
    assert!(instance.state().get(&route("r1")).is_some());
}

#[test]
fn what_lies_on_disk_is_served_at_every_start() {
    let plane = FakePlane::new();
    let (dir, address) = expired(&plane, Replica::start(&plane));
    let free = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    for _ in 0..10 {
        let settings = Settings {
            http: vec![free],
            https: Vec::new(),
            status: None,
            metrics: None,
            workers: 1,
            ..Settings::default()
        };
        let config = ConfigSettings::new(vec![format!("https://{address}")], dir.path().to_owned());
        let (stop, has_served) = (CancellationToken::new(), Cell::new(false));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // Called when there is a plan to serve from.
        let end = runtime.block_on(gateway::run::run(settings, config, stop.clone(), |_| {
            has_served.set(true);
            stop.cancel();
        }));
        assert_eq!((end.map_err(|error| error.to_string()), has_served.get()), (Ok(()), true));
    }
}

#[test]
fn without_a_token_the_end_says_what_is_needed() {
    let plane = FakePlane::new();
    let (dir, address) = expired(&plane, Replica::start(&plane));
    let instance = Instance::start(&format!("https://{address}"), None, dir.path());
    serves(&instance, 1);
    let end = instance.end();
    assert!(matches!(end, Err(ConfigError::Expired)), "{end:?}");
    assert!(end.unwrap_err().to_string().contains("join token"));
}

#[test]
fn with_a_token_it_serves_and_joins_again_when_the_control_plane_is_back() {
    let plane = FakePlane::new();
    let (dir, address) = expired(&plane, Replica::start(&plane));
    let instance = Instance::start(&format!("https://{address}"), Some(&plane.token("a", 1, HOUR)), dir.path());
    serves(&instance, 1);
    let before = instance.id();
    plane.commit("a", vec![put("r2", r#"{"uri":"/2"}"#)]);
    let replica = Replica::start_at(&plane, address);
    serves(&instance, 2);
    assert_ne!(instance.id(), before);
    instance.stop();
    // Nothing but the new identity is needed from now on.
    let back = Instance::start(&replica.url(), None, dir.path());
    plane.commit("a", vec![put("r3", r#"{"uri":"/3"}"#)]);
    serves(&back, 3);
}

#[test]
fn an_instance_that_lost_its_control_plane_for_longer_joins_again() {
    let (plane, dir) = (FakePlane::new(), tempdir().unwrap());
    plane.set_certificate_life(LIFE);
    plane.commit("a", vec![put("r1", r#"{"uri":"/"}"#)]);
    let replica = Replica::start(&plane);
    let instance = Instance::start(&replica.url(), Some(&plane.token("a", 2, HOUR)), dir.path());
    serves(&instance, 1);
    let address = replica.kill();
    std::thread::sleep(LIFE + Duration::from_millis(100));
    plane.set_certificate_life(HOUR);
    plane.commit("a", vec![put("r2", r#"{"uri":"/2"}"#)]);
    let _replica = Replica::start_at(&plane, address);
    serves(&instance, 2);
}

#[test]
fn a_token_of_another_group_changes_nothing() {
    let plane = FakePlane::new();
    plane.commit("b", vec![put("secret", r#"{"uri":"/secret"}"#)]);
    let (dir, address) = expired(&plane, Replica::start(&plane));
    let replica = Replica::start_at(&plane, address);
    let instance = Instance::start(&replica.url(), Some(&plane.token("b", 1, HOUR)), dir.path());
    serves(&instance, 1);
    let serving = instance.serving.clone();
    let end = instance.end();
    assert!(matches!(&end, Err(ConfigError::OtherGroup { .. })), "{end:?}");
    assert!(end.unwrap_err().to_string().contains("of gateway group b, not of a"));
    assert!(serving.lock().unwrap().state.get(&route("secret")).is_none());
}
