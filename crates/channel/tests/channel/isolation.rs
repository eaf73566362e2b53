//! A certificate of group A gets group A, whatever its holder says. By raw client.

use std::sync::Arc;
use std::time::Duration;

use model::Change;
use tempfile::tempdir;
use tonic::Code;
use wire::v1::{self, from_instance, to_instance::Frame};
use wire::{Signed, VerifyingKeys, decode_changes, frame};

use crate::control_plane::{FakePlane, Replica, group, put};
use crate::instance::Instance;
use crate::raw::{self, certified, run, sync, sync_until};

const HOUR: Duration = Duration::from_secs(3600);

struct Scene {
    plane: Arc<FakePlane>,
    replica: Replica,
    /// Holds the data directory of a joined instance of group a.
    dir: tempfile::TempDir,
}

fn scene() -> Scene {
    let (plane, dir) = (FakePlane::new(), tempdir().unwrap());
    let replica = Replica::start(&plane);
    plane.token("b", 1, HOUR);
    plane.commit("a", vec![put("of-a", "{}")]);
    plane.commit("b", vec![put("of-b", "{}")]);
    let instance = Instance::start(&replica.url(), Some(&plane.token("a", 1, HOUR)), dir.path());
    instance.wait_for(1);
    instance.stop();
    Scene { plane, replica, dir }
}

#[test]
fn whatever_a_client_says_its_certificate_decides_the_group() {
    let scene = scene();
    let mut facts = v1::InstanceFacts { hostname: "b".into(), run_id: "gateway-group/b".into(), ..Default::default() };
    facts.labels.insert("gateway_group_id".into(), "b".into());
    let received = run(async {
        let own = raw::stolen_from(scene.dir.path());
        let mut client = raw::connect(scene.replica.address, &scene.plane.ca, Some(own)).await.unwrap();
        // Every way to say something: Hello, then frames that speak of b's revision and objects.
        let resync = from_instance::Frame::Resync(v1::Resync { applied: None, message: "b".into() });
        sync(&mut client, vec![frame::hello(facts, None), resync.into()]).await.unwrap()
    });
    let keys = VerifyingKeys::new([scene.plane.signing_key()]).unwrap();
    let mut routes = Vec::new();
    for frame in received {
        match frame {
            Frame::SnapshotStart(start) => {
                let signed = Signed::try_from(start.to.unwrap()).unwrap();
                assert!(keys.verify(&group("a"), &signed).is_ok());
                assert!(keys.verify(&group("b"), &signed).is_err());
            }
            Frame::SnapshotChunk(chunk) => routes.extend(decode_changes(chunk.changes).unwrap()),
            _ => {}
        }
    }
    let ids: Vec<&str> = routes.iter().map(Change::key).map(|key| key.id.as_str()).collect();
    assert_eq!(ids, ["of-a"]);
}

#[test]
fn without_a_certificate_there_is_only_join() {
    let scene = scene();
    run(async {
        let mut client = raw::connect(scene.replica.address, &scene.plane.ca, None).await.unwrap();
        let refused = sync(&mut client, vec![frame::hello(Default::default(), None)]).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
        let refused = client.renew(v1::RenewRequest::default()).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
    });
}

#[test]
fn a_certificate_of_another_ca_does_not_pass_the_handshake() {
    let scene = scene();
    let stranger = FakePlane::new();
    let forged = certified("spiffe://flotilla.test/gateway-group/b/instance/a-0", &stranger.issuer);
    run(async {
        // With TLS 1.3 the refusal comes with the first answer.
        let connected = raw::connect(scene.replica.address, &scene.plane.ca, Some(forged)).await;
        let Ok(mut client) = connected else { return };
        assert!(sync(&mut client, vec![frame::hello(Default::default(), None)]).await.is_err());
    });
}

#[test]
fn our_cas_other_certificates_name_no_instance() {
    let scene = scene();
    for uri in [
        "spiffe://other.test/gateway-group/b/instance/a-0",
        "spiffe://flotilla.test/gateway-group/b/instance/a-0/x",
        "spiffe://flotilla.test/gateway-group/b/instance/",
        "https://flotilla.test/gateway-group/b/instance/a-0",
    ] {
        let odd = certified(uri, &scene.plane.issuer);
        let refused = run(async {
            let mut client = raw::connect(scene.replica.address, &scene.plane.ca, Some(odd)).await.unwrap();
            sync(&mut client, vec![frame::hello(Default::default(), None)]).await.unwrap_err()
        });
        assert_eq!(refused.code(), Code::Unauthenticated, "{uri}");
    }
}

#[test]
fn an_instance_of_a_is_no_instance_of_b() {
    let scene = scene();
    let moved = certified("spiffe://flotilla.test/gateway-group/b/instance/a-0", &scene.plane.issuer);
    let refused = run(async {
        let mut client = raw::connect(scene.replica.address, &scene.plane.ca, Some(moved)).await.unwrap();
        sync(&mut client, vec![frame::hello(Default::default(), None)]).await.unwrap_err()
    });
    assert_eq!(refused.code(), Code::PermissionDenied);
}

/// Why the control plane ends a stream on which these frames are said.
fn reason_of_goodbye(scene: &Scene, frames: Vec<v1::FromInstance>) -> v1::GoodbyeReason {
    let received = run(async {
        let own = raw::stolen_from(scene.dir.path());
        let mut client = raw::connect(scene.replica.address, &scene.plane.ca, Some(own)).await.unwrap();
        // A snapshot may be under way before the second frame is read.
        let goodbye = sync_until(&mut client, frames, |frame| matches!(frame, Frame::Goodbye(_)));
        tokio::time::timeout(Duration::from_secs(10), goodbye).await.unwrap().unwrap()
    });
    let Some(Frame::Goodbye(goodbye)) = received.last() else { panic!("no goodbye: {received:?}") };
    goodbye.reason()
}

/// Instances may be newer than their control plane: a frame that it does not know reads as none.
#[test]
fn an_unknown_frame_is_passed_over_and_the_next_is_heard() {
    let hello = || frame::hello(Default::default(), None);
    let frames = vec![hello(), v1::FromInstance::default(), hello()];
    assert_eq!(reason_of_goodbye(&scene(), frames), v1::GoodbyeReason::Protocol);
}

#[test]
fn rules_broken_end_the_stream() {
    let scene = scene();
    let hello = || frame::hello(Default::default(), None);
    let old = from_instance::Frame::Hello(v1::Hello { protocol: 9, ..Default::default() });
    assert_eq!(reason_of_goodbye(&scene, vec![hello(), hello()]), v1::GoodbyeReason::Protocol);
    assert_eq!(reason_of_goodbye(&scene, vec![old.into()]), v1::GoodbyeReason::Incompatible);
    run(async {
        let own = raw::stolen_from(scene.dir.path());
        let mut client = raw::connect(scene.replica.address, &scene.plane.ca, Some(own)).await.unwrap();
        let refused = sync(&mut client, vec![frame::heartbeat(None, v1::Counters::default())]).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
    });
}
