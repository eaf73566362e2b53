//! Joining with real signing requests, staying, leaving.

use std::time::Duration;

use control::ControlError;
use control::fleet::{JoinRefusal, JoinRequest, Joined};
use model::Digest;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use store::Direction;
use store::audit::AuditFilter;
use store::instances::{Heartbeat, InstanceFilter, InstanceStatus};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::support::{Plane, default_group, root};

fn csr() -> Vec<u8> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    // What it asks for does not count.
    let params = CertificateParams::new(vec!["evil.example".to_owned()]).unwrap();
    params.serialize_request(&key).unwrap().der().to_vec()
}

fn request(token: &str) -> JoinRequest {
    JoinRequest {
        token: token.to_owned(),
        csr: csr(),
        hostname: "h".to_owned(),
        version: "1".to_owned(),
        address: "127.0.0.1".to_owned(),
    }
}

async fn token(plane: &Plane, max_uses: Option<u32>) -> control::fleet::IssuedJoinToken {
    plane.create_join_token(&root(), &default_group(), None, max_uses).await.unwrap()
}

async fn join(plane: &Plane) -> Joined {
    plane.join(request(&token(plane, None).await.token)).await.unwrap()
}

fn refusal<T: std::fmt::Debug>(outcome: Result<T, ControlError>) -> JoinRefusal {
    match outcome {
        Err(ControlError::Join(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_join_gives_a_certificate_for_the_token_s_group() {
    let plane = Plane::start().await;
    let issued = token(&plane, None).await;
    assert_eq!(issued.token.split_once('.').unwrap().1, plane.ca_fingerprint());
    let joined = plane.join(request(&issued.token)).await.unwrap();
    let (_, ca) = X509Certificate::from_der(plane.ca_certificate()).unwrap();
    let (_, leaf) = X509Certificate::from_der(&joined.certificate.chain[0]).unwrap();
    leaf.verify_signature(Some(ca.public_key())).expect("signed by the CA");
    let names = &leaf.subject_alternative_name().unwrap().unwrap().value.general_names;
    let uri = format!("spiffe://flotilla/gateway-group/default/instance/{}", joined.instance);
    assert_eq!(names.as_slice(), [GeneralName::URI(&uri)]);
    let usage = leaf.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.client_auth && !usage.server_auth && !leaf.is_ca());
    assert_eq!(leaf.validity().not_after.timestamp(), joined.certificate.expires_at);
    plane.admit(&default_group(), &joined.instance).await.unwrap();
    assert_eq!(refusal(plane.admit(&"other".parse().unwrap(), &joined.instance).await), JoinRefusal::NotAdmitted);
}

#[tokio::test]
async fn replicas_have_one_authority() {
    let plane = Plane::start().await;
    let replica = plane.replica().await;
    assert_eq!(plane.ca_fingerprint(), replica.ca_fingerprint());
    assert_eq!(plane.signing_public_key(), replica.signing_public_key());
    let server = plane.issue_server_certificate().unwrap();
    let (_, leaf) = X509Certificate::from_der(&server.chain[0]).unwrap();
    let (_, ca) = X509Certificate::from_der(replica.ca_certificate()).unwrap();
    leaf.verify_signature(Some(ca.public_key())).unwrap();
}

#[tokio::test]
async fn tokens_end_by_time_use_and_revocation() {
    let plane = Plane::start().await;
    assert_eq!(refusal(plane.join(request("made-up")).await), JoinRefusal::TokenUnknown);
    let once = token(&plane, Some(1)).await;
    plane.join(request(&once.token)).await.unwrap();
    assert_eq!(refusal(plane.join(request(&once.token)).await), JoinRefusal::TokenUsedUp);
    let revoked = token(&plane, None).await;
    plane.revoke_join_token(&root(), &default_group(), &revoked.id).await.unwrap();
    assert_eq!(refusal(plane.join(request(&revoked.token)).await), JoinRefusal::TokenUnknown);
    let brief = plane.create_join_token(&root(), &default_group(), Some(Duration::from_secs(60)), None).await.unwrap();
    let forever = plane.create_join_token(&root(), &default_group(), Some(Duration::ZERO), None).await.unwrap();
    plane.clock.advance(61);
    assert_eq!(refusal(plane.join(request(&brief.token)).await), JoinRefusal::TokenExpired);
    assert_eq!(forever.expires_at, None);
    plane.join(request(&forever.token)).await.unwrap();
}

#[tokio::test]
async fn of_many_joins_at_once_no_more_succeed_than_the_token_allows() {
    let plane = Plane::start().await;
    let token = token(&plane, Some(3)).await.token;
    let joins: Vec<_> = (0..8)
        .map(|_| {
            let (control, request) = (plane.control.clone(), request(&token));
            tokio::spawn(async move { control.join(request).await })
        })
        .collect();
    let mut joined = 0;
    for join in joins {
        joined += usize::from(join.await.unwrap().is_ok());
    }
    assert_eq!(joined, 3);
}

#[tokio::test]
async fn a_bad_request_costs_no_use() {
    let plane = Plane::start().await;
    let token = token(&plane, Some(1)).await.token;
    let mut forged = csr();
    *forged.last_mut().unwrap() ^= 1;
    for bad in [Vec::new(), vec![0x30, 0x03], forged] {
        let outcome = plane.join(JoinRequest { csr: bad, ..request(&token) }).await;
        assert!(matches!(refusal(outcome), JoinRefusal::BadRequest(_)));
    }
    plane.join(request(&token)).await.unwrap();
}

#[tokio::test]
async fn a_revoked_instance_is_told_of_and_cannot_return() {
    let plane = Plane::start().await;
    let joined = join(&plane).await;
    let mut revocations = plane.revocations();
    plane.clock.advance(3600);
    let renewed = plane.renew(&default_group(), &joined.instance, &csr()).await.unwrap();
    assert_eq!(renewed.expires_at, joined.certificate.expires_at + 3600);
    plane.revoke_instance(&root(), &default_group(), &joined.instance).await.unwrap();
    assert_eq!(revocations.recv().await.unwrap(), joined.instance);
    let renewal = plane.renew(&default_group(), &joined.instance, &csr()).await;
    assert_eq!(refusal(renewal), JoinRefusal::NotAdmitted);
    let strangers = plane.report(&[heartbeat(&plane, &joined, 0)]).await.unwrap();
    assert_eq!(strangers, [joined.instance]);
}

#[tokio::test]
async fn status_follows_heartbeats_and_silence() {
    let plane = Plane::start().await;
    let joined = join(&plane).await;
    let status = async || plane.get_instance(&root(), &default_group(), &joined.instance).await.unwrap().status;
    assert_eq!(status().await, InstanceStatus::OutOfSync, "nothing applied yet");
    plane.report(&[heartbeat(&plane, &joined, 0)]).await.unwrap();
    assert_eq!(status().await, InstanceStatus::Healthy);
    plane.clock.advance(30);
    assert_eq!(status().await, InstanceStatus::LostConnection);
    plane.clock.advance(2 * 3600);
    assert_eq!(status().await, InstanceStatus::Offline);
    let counts = plane.count_instances_by_status(&root(), None).await.unwrap();
    assert_eq!(counts[&InstanceStatus::Offline], 1);
    assert_eq!(counts[&InstanceStatus::Healthy], 0);
}

#[tokio::test]
async fn who_was_silent_for_a_week_is_removed_and_the_log_says_so() {
    let plane = Plane::start().await;
    let joined = join(&plane).await;
    plane.clock.advance(7 * 24 * 3600 - 1);
    plane.sweep_once().await.unwrap();
    assert!(plane.get_instance(&root(), &default_group(), &joined.instance).await.is_ok());
    plane.clock.advance(2);
    plane.sweep_once().await.unwrap();
    assert_eq!(plane.list_instances(&root(), &InstanceFilter::default()).await.unwrap().total, 0);
    let filter = AuditFilter { action: Some("RemoveSilentInstance".into()), ..AuditFilter::default() };
    let log = plane.audit_log(&root(), &filter, Direction::Descending, None).await.unwrap();
    assert_eq!(log.list[0].entry.resource_id, joined.instance.as_str());
}

#[tokio::test]
async fn deleting_a_group_shuts_its_instances_out() {
    let plane = Plane::start().await;
    let joined = join(&plane).await;
    let mut revocations = plane.revocations();
    plane.delete_group(&root(), &default_group()).await.unwrap();
    assert_eq!(revocations.recv().await.unwrap(), joined.instance);
    assert_eq!(refusal(plane.admit(&default_group(), &joined.instance).await), JoinRefusal::NotAdmitted);
}

fn heartbeat(plane: &Plane, joined: &Joined, revision: u64) -> Heartbeat {
    Heartbeat {
        hostname: "moved".into(),
        version: "9.9.9".into(),
        id: joined.instance.clone(),
        group: joined.group.clone(),
        at: control::Clock::now(&*plane.clock),
        applied: Some((revision, Digest::default())),
        nack: None,
        counters: serde_json::Value::Null,
        nodes: None,
    }
}
