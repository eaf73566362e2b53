//! The audit log: what is recorded, how long, and that floods are bounded.

use control::ControlError;
use control::audit::{AuditConfig, SecretHeader, StreamTarget, Webhook, WebhookFormat};
use control::fleet::JoinRequest;
use control::groups::{GroupPatch, GroupSpec};
use control::iam::RequestContext;
use serde_json::json;
use store::audit::{AuditFilter, AuditRow};
use store::{Direction, Outcome};

use crate::support::{Plane, default_group, root};

const DAY: i64 = 24 * 3600;

async fn rows(plane: &Plane, action: &str) -> Vec<AuditRow> {
    let filter = AuditFilter { action: Some(action.into()), ..AuditFilter::default() };
    plane.audit_log(&root(), &filter, Direction::Ascending, None).await.unwrap().list
}

fn webhook(value: &str) -> AuditConfig {
    let header = Some(SecretHeader { name: "Authorization".into(), value: value.into() });
    let webhook = Webhook { url: "http://logs.example/in".into(), format: WebhookFormat::Lines, header };
    AuditConfig { stream: Some(StreamTarget::Webhook(webhook)), ..AuditConfig::default() }
}

async fn join(plane: &Plane, address: &str) -> Result<(), ControlError> {
    let key = rcgen::KeyPair::generate().unwrap();
    let csr = rcgen::CertificateParams::default().serialize_request(&key).unwrap().der().to_vec();
    let (hostname, version) = ("h".into(), "1".into());
    plane.join(JoinRequest { token: "made-up".into(), csr, hostname, version, address: address.into() }).await.map(drop)
}

#[tokio::test]
async fn every_start_is_on_record() {
    let plane = Plane::start().await;
    plane.replica().await;
    let starts = rows(&plane, "StartControlPlane").await;
    assert_eq!(starts.len(), 2);
    assert_eq!((starts[0].entry.actor.as_str(), starts[0].entry.request.source.as_str()), ("system", "system"));
}

#[tokio::test]
async fn a_login_tells_by_what_and_from_where() {
    let plane = Plane::start().await;
    let password = plane.admin.as_ref().unwrap().password.clone();
    let request = RequestContext { address: "192.0.2.1".into(), id: "r-1".into(), ..RequestContext::default() };
    let session = plane.control.login("admin", &password, None, &request).await.unwrap();
    plane.logout(&session.actor, &session.token).await.unwrap();
    for action in ["Login", "Logout"] {
        let row = &rows(&plane, action).await[0].entry;
        let told =
            (row.actor.as_str(), row.credential.kind.as_str(), row.request.address.as_str(), row.request.id.as_str());
        assert_eq!(told, ("user:admin", "password", "192.0.2.1", "r-1"), "{action}");
        assert_eq!(Some(row.actor_id.as_str()), session.actor.user_id());
    }
}

#[tokio::test]
async fn a_group_is_shown_before_and_after() {
    let plane = Plane::start().await;
    let group = plane.create_group(&root(), GroupSpec { name: "one".into(), ..GroupSpec::default() }).await.unwrap().id;
    let patch = GroupPatch { name: Some("two".into()), ..GroupPatch::default() };
    plane.update_group(&root(), &group, &patch).await.unwrap();
    plane.delete_group(&root(), &group).await.unwrap();
    let names = async |action| {
        let detail = rows(&plane, action).await.pop().unwrap().entry.detail;
        (detail["before"]["name"].clone(), detail["after"]["name"].clone())
    };
    assert_eq!(names("CreateGatewayGroup").await, (json!(null), json!("one")));
    assert_eq!(names("UpdateGatewayGroup").await, (json!("one"), json!("two")));
    assert_eq!(names("DeleteGatewayGroup").await, (json!("two"), json!(null)));
    assert_eq!(plane.verify_audit_log(&root()).await.unwrap().broken(), None);
}

#[tokio::test]
async fn refused_joins_are_on_record_and_counted_by_the_minute() {
    let plane = Plane::start().await;
    for _ in 0..5 {
        assert!(matches!(join(&plane, "192.0.2.9").await, Err(ControlError::Join(_))));
    }
    join(&plane, "192.0.2.10").await.unwrap_err();
    let refused = rows(&plane, "JoinInstance").await;
    assert_eq!(refused.len(), 2, "the first of each address");
    let entry = &refused[0].entry;
    assert_eq!(
        (entry.actor.as_str(), entry.credential.kind.as_str(), entry.outcome),
        ("anonymous", "join_token", Outcome::Refused)
    );
    assert!(!serde_json::to_string(&format!("{entry:?}")).unwrap().contains("made-up"), "the secret that was tried");
    plane.clock.advance(61);
    plane.shutdown().await;
    let refused = rows(&plane, "JoinInstance").await;
    assert_eq!((refused.len(), refused[2].entry.repeats), (3, 3), "four more of the first");
}

#[tokio::test]
async fn old_rows_go_and_the_chain_stays_whole() {
    let plane = Plane::start().await;
    let before = plane.audit_log(&root(), &AuditFilter::default(), Direction::Ascending, None).await.unwrap().total;
    plane.clock.advance(59 * DAY);
    plane.sweep_once().await.unwrap();
    assert_eq!(rows(&plane, "StartControlPlane").await.len(), 1);
    plane.clock.advance(2 * DAY);
    plane.sweep_once().await.unwrap();
    let rows = plane.audit_log(&root(), &AuditFilter::default(), Direction::Ascending, None).await.unwrap().list;
    assert_eq!((rows.len(), rows[0].entry.action.as_str()), (1, "PruneAuditLog"));
    assert_eq!(rows[0].entry.detail["removed"], before);
    let found = plane.verify_audit_log(&root()).await.unwrap();
    assert_eq!(found.broken(), None);
    assert!(found.chains.iter().any(|chain| chain.anchor > 0 && chain.intact == 1));
}

#[tokio::test]
async fn the_stream_s_secret_is_shown_to_nobody() {
    let plane = Plane::start().await;
    plane.set_audit_config(&root(), webhook("hush-1")).await.unwrap();
    let (shown, state) = plane.audit_config(&root()).await.unwrap();
    assert!(!format!("{:?}", serde_json::to_string(&shown)).contains("hush") && state.is_some());
    plane.set_audit_config(&root(), AuditConfig { retention_days: 7, ..shown }).await.unwrap();
    let Some(StreamTarget::Webhook(kept)) = plane.audit_stream_target().await.unwrap() else { panic!("no webhook") };
    assert_eq!(kept.header.unwrap().value, "hush-1", "what was shown may be sent back");
    plane.set_audit_config(&root(), webhook("hush-2")).await.unwrap();
    let changes = rows(&plane, "UpdateAuditConfig").await;
    let secret_changed: Vec<_> = changes.iter().map(|row| row.entry.detail["secret_changed"].clone()).collect();
    assert_eq!(secret_changed, [json!(true), json!(false), json!(true)]);
    assert!(changes.iter().all(|row| !row.entry.detail.to_string().contains("hush")));
    plane.set_audit_config(&root(), AuditConfig::default()).await.unwrap();
    assert_eq!(plane.audit_config(&root()).await.unwrap().1, None, "the stream has ended");
}

#[tokio::test]
async fn a_group_s_key_reads_none_of_it() {
    let plane = Plane::start().await;
    let secret = plane.regenerate_admin_key(&root(), &default_group()).await.unwrap().key;
    let holder = plane.authenticate_key(&secret).await.unwrap();
    let own = AuditFilter { group: Some(default_group()), ..AuditFilter::default() };
    let forbidden = |outcome: Result<(), ControlError>| matches!(outcome, Err(ControlError::Forbidden(_)));
    assert!(forbidden(plane.audit_log(&holder, &own, Direction::Descending, None).await.map(drop)));
    let all = AuditFilter::default();
    assert!(forbidden(plane.audit_log(&holder, &all, Direction::Descending, None).await.map(drop)));
    assert!(forbidden(plane.export_audit_log(&holder, own, Direction::Descending).await.map(drop)));
    assert!(forbidden(plane.set_audit_config(&holder, AuditConfig::default()).await.map(drop)));
    assert!(forbidden(plane.verify_audit_log(&holder).await.map(drop)));
}
