//! The audit log: what is recorded, how long, and that floods are bounded.

use control::ControlError;
use control::audit::{AuditConfig, SecretHeader, StreamTarget, Webhook, WebhookFormat};
use control::fleet::JoinRequest;
use control::groups::{GroupPatch, GroupSpec as GatewayGroupSpec};
use control::iam::{
    GroupKeySpec, GroupSpec, Invitation, LoginKind, LoginOptionRules, LoginOptionSpec, PolicySpec, ProvisionedGroup,
    ProvisionedMember, RequestContext, RoleSpec, TokenSpec, UserPatch, UserSpec,
};
use model::Faults;
use serde_json::{Value, json};
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
    let group = plane
        .create_group(&root(), GatewayGroupSpec { name: "one".into(), ..GatewayGroupSpec::default() })
        .await
        .unwrap()
        .id;
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

/// A kind of login option whose one secret is `client_secret`.
struct Rules;

impl LoginOptionRules for Rules {
    fn secrets(&self, _: LoginKind) -> &'static [&'static str] {
        &["/client_secret"]
    }
    fn destination(&self, _: LoginKind) -> &'static [&'static str] {
        &["/issuer"]
    }
    fn check(&self, _: &LoginOptionSpec) -> Result<(), Faults> {
        Ok(())
    }
}

/// What the latest row of an action shows at this place before and after.
async fn sides(plane: &Plane, action: &str, pointer: &str) -> (Value, Value) {
    let row = rows(plane, action).await.pop().unwrap_or_else(|| panic!("no row of {action}")).entry;
    let side = |name: &str| row.detail[name].pointer(pointer).cloned().unwrap_or_default();
    assert!(row.detail.get("before").is_some() && row.detail.get("after").is_some(), "{action}: {row:?}");
    (side("before"), side("after"))
}

#[tokio::test]
async fn users_roles_policies_options_and_keys_are_shown_before_and_after() {
    let plane = Plane::start().await;
    users_are_shown(&plane).await;
    roles_and_policies_are_shown(&plane).await;
    options_are_shown(&plane).await;
    keys_and_tokens_are_shown(&plane).await;
    provisioning_is_shown(&plane).await;
    let log = plane.audit_log(&root(), &AuditFilter::default(), Direction::Ascending, None).await.unwrap().list;
    let text = log.iter().map(|row| row.entry.detail.to_string()).collect::<Vec<_>>().join("\n");
    for secret in ["hush", "argon2", "a7ee-", "a7adm-", "a7scim-"] {
        assert!(!text.contains(secret), "{secret} is on record");
    }
    assert_eq!(plane.verify_audit_log(&root()).await.unwrap().broken(), None);
}

async fn users_are_shown(plane: &Plane) {
    let invitation = Invitation { username: "ann".into(), password: "hush-once".into(), ..Invitation::default() };
    let ann = plane.invite_user(&root(), invitation).await.unwrap().id;
    assert_eq!(sides(plane, "InviteUser", "").await.0, json!(null));
    assert_eq!(sides(plane, "InviteUser", "/username").await.1, json!("ann"));
    assert_eq!(sides(plane, "InviteUser", "/password").await.1, json!("***"));
    let actor = plane.login("ann", "hush-once").await.unwrap().actor;
    plane.change_password(&actor, "hush-once", "hush-passphrase").await.unwrap();
    assert_eq!(sides(plane, "ChangePassword", "/must_change_password").await, (json!(true), json!(false)));
    let labels = [("team".to_owned(), "a".to_owned())].into();
    let email = Some(Some("ann@example.com".into()));
    let patch = UserPatch { email, labels: Some(labels), active: Some(false), ..UserPatch::default() };
    plane.update_user(&root(), &ann, &patch).await.unwrap();
    assert_eq!(sides(plane, "UpdateUser", "/email").await, (json!(null), json!("ann@example.com")));
    assert_eq!(sides(plane, "UpdateUser", "/labels").await, (json!({}), json!({ "team": "a" })));
    assert_eq!(sides(plane, "UpdateUser", "/active").await, (json!(true), json!(false)));
    plane.assign_roles(&root(), &ann, &["viewer_id".into()]).await.unwrap();
    assert_eq!(sides(plane, "UpdateUserRole", "/roles").await, (json!([]), json!(["viewer_id"])));
    let bound = "viewer-permission-policy";
    plane.set_boundaries(&root(), &ann, &[bound.into()]).await.unwrap();
    assert_eq!(sides(plane, "UpdateUserBoundary", "/permission_boundaries").await, (json!([]), json!([bound])));
    plane.reset_password(&root(), &ann, "hush-again").await.unwrap();
    assert_eq!(sides(plane, "ResetPassword", "/must_change_password").await, (json!(false), json!(true)));
    plane.delete_user(&root(), &ann).await.unwrap();
    assert_eq!(sides(plane, "DeleteUser", "/roles").await, (json!(["viewer_id"]), json!(null)));
}

async fn roles_and_policies_are_shown(plane: &Plane) {
    let document =
        |action: &str| json!({ "statement": [{ "effect": "allow", "actions": [action], "resources": ["<.*>"] }] });
    let spec = |action: &str| PolicySpec { name: "p".into(), document: document(action), ..PolicySpec::default() };
    let policy = plane.create_policy(&root(), spec("a")).await.unwrap().policy.id;
    assert_eq!(sides(plane, "CreatePermissionPolicy", "/policy_document").await, (json!(null), document("a")));
    plane.update_policy(&root(), &policy, spec("b")).await.unwrap();
    assert_eq!(sides(plane, "UpdatePermissionPolicy", "/policy_document").await, (document("a"), document("b")));

    let spec = |name: &str| RoleSpec { name: name.into(), ..RoleSpec::default() };
    let role = plane.create_role(&root(), &spec("one"), &[]).await.unwrap().id;
    assert_eq!(sides(plane, "CreateCustomRole", "/name").await, (json!(null), json!("one")));
    plane.update_role(&root(), &role, &spec("two")).await.unwrap();
    assert_eq!(sides(plane, "UpdateCustomRole", "/name").await, (json!("one"), json!("two")));
    let attached = "/permission_policies";
    plane.change_role_policies(&root(), &role, std::slice::from_ref(&policy), &[]).await.unwrap();
    assert_eq!(sides(plane, "UpdateCustomRole", attached).await, (json!([]), json!([policy])));
    plane.change_role_policies(&root(), &role, &[], std::slice::from_ref(&policy)).await.unwrap();
    assert_eq!(sides(plane, "UpdateCustomRole", attached).await, (json!([policy]), json!([])));
    plane.delete_role(&root(), &role).await.unwrap();
    assert_eq!(sides(plane, "DeleteCustomRole", "/name").await, (json!("two"), json!(null)));
    plane.delete_policy(&root(), &policy).await.unwrap();
    assert_eq!(sides(plane, "DeletePermissionPolicy", "/policy_document").await, (document("b"), json!(null)));
}

async fn options_are_shown(plane: &Plane) {
    let spec = |issuer: &str, secret: &str| LoginOptionSpec {
        name: "company".into(),
        kind: LoginKind::Oidc,
        logo: String::new(),
        enabled: true,
        config: json!({ "issuer": issuer, "client_secret": secret }),
        mapping: json!({}),
    };
    let option = plane.create_login_option(&root(), spec("https://a", "hush-1"), &Rules).await.unwrap().id;
    assert_eq!(sides(plane, "CreateLoginOption", "/config/issuer").await, (json!(null), json!("https://a")));
    plane.update_login_option(&root(), &option, spec("https://b", "hush-2"), &Rules).await.unwrap();
    assert_eq!(sides(plane, "UpdateLoginOption", "/config/issuer").await, (json!("https://a"), json!("https://b")));
    assert_eq!(sides(plane, "UpdateLoginOption", "/config/client_secret").await, (json!("***"), json!("***")));
    plane.update_login_option(&root(), &option, spec("https://b", "***"), &Rules).await.unwrap();
    let changed: Vec<Value> =
        rows(plane, "UpdateLoginOption").await.iter().map(|row| row.entry.detail["secret_changed"].clone()).collect();
    assert_eq!(changed, [json!(true), json!(false)]);
    plane.delete_login_option(&root(), &option, &Rules).await.unwrap();
    assert_eq!(sides(plane, "DeleteLoginOption", "/config/issuer").await, (json!("https://b"), json!(null)));
    plane.set_built_in_login(&root(), true).await.unwrap();
    assert_eq!(sides(plane, "UpdateLoginOption", "").await, (json!({ "enabled": true }), json!({ "enabled": true })));
}

async fn keys_and_tokens_are_shown(plane: &Plane) {
    let group = default_group();
    let document = json!({ "statement": [{ "effect": "allow", "actions": ["<.*>"], "resources": ["<.*>"] }] });
    let spec = GroupKeySpec { name: "reader".into(), document: Some(document.clone()), expires_at: None };
    let key = plane.create_admin_key(&root(), &group, spec).await.unwrap().id;
    assert_eq!(sides(plane, "CreateAdminKey", "/policy_document").await, (json!(null), document.clone()));
    let first = plane.regenerate_admin_key(&root(), &group).await.unwrap().id;
    let second = plane.regenerate_admin_key(&root(), &group).await.unwrap().id;
    assert_eq!(sides(plane, "RegenerateAdminKey", "/id").await, (json!(first), json!(second)));
    plane.delete_admin_key(&root(), &group, &key).await.unwrap();
    assert_eq!(sides(plane, "DeleteAdminKey", "/policy_document").await, (document.clone(), json!(null)));
    plane.delete_admin_key(&root(), &group, &second).await.expect("the id that was told is its id");

    let password = plane.admin.as_ref().unwrap().password.clone();
    let admin = plane.login("admin", &password).await.unwrap().actor;
    let expires_at = Some(plane.clock_now() + 60);
    let spec = TokenSpec { name: "ci".into(), document: Some(document.clone()), expires_at };
    let token = plane.create_token(&admin, spec).await.unwrap();
    assert_eq!(sides(plane, "CreateToken", "/policy_document").await, (json!(null), document));
    let new = plane.regenerate_token(&admin, &token.id).await.unwrap();
    assert_eq!(sides(plane, "RegenerateToken", "/id").await, (json!(token.id), json!(new.id)));
    plane.delete_token(&admin, &new.id).await.unwrap();
    assert_eq!(sides(plane, "DeleteToken", "/expires_at").await, (json!(expires_at), json!(null)));
    assert_eq!(rows(plane, "DeleteToken").await[0].entry.resource_name, "ci");
}

async fn provisioning_is_shown(plane: &Plane) {
    plane.set_scim_enabled(&root(), true).await.unwrap();
    assert_eq!(sides(plane, "UpdateSCIMProvisioning", "/enabled").await, (json!(false), json!(true)));
    plane.make_scim_token(&root(), None).await.unwrap();
    assert_eq!(sides(plane, "CreateSCIMToken", "/token/token").await, (json!(null), json!("***")));
    let spec = |title: &str, active| UserSpec {
        username: "kim".into(),
        attributes: json!({ "title": title }).to_string(),
        active,
        ..UserSpec::default()
    };
    let kim = plane.provision_user(&root(), spec("a", true)).await.unwrap().provisioned.user.id;
    assert_eq!(sides(plane, "InviteUser", "/attributes/title").await, (json!(null), json!("a")));
    let change = |_: &ProvisionedMember| Ok::<_, ControlError>(spec("b", false));
    plane.reprovision_user(&root(), &kim, change).await.unwrap();
    assert_eq!(sides(plane, "UpdateUser", "/attributes/title").await, (json!("a"), json!("b")));
    assert_eq!(sides(plane, "UpdateUser", "/active").await, (json!(true), json!(false)));
    let group = |name: &str, members: &[&String]| GroupSpec {
        name: name.into(),
        external_id: None,
        members: Some(members.iter().map(|id| (*id).clone()).collect()),
    };
    let role = plane.provision_group(&root(), &group("ops", &[])).await.unwrap().provisioned.role.id;
    assert_eq!(sides(plane, "CreateCustomRole", "/name").await, (json!(null), json!("ops")));
    let change = |_: &ProvisionedGroup| Ok::<_, ControlError>(group("operators", &[&kim]));
    plane.reprovision_group(&root(), &role, change).await.unwrap();
    assert_eq!(sides(plane, "UpdateCustomRole", "/name").await, (json!("ops"), json!("operators")));
    plane.deprovision_group(&root(), &role, |_| Ok::<_, ControlError>(())).await.unwrap();
    let detail = rows(plane, "DeleteCustomRole").await.pop().unwrap().entry.detail;
    assert_eq!((&detail["before"]["name"], &detail["members_removed"]), (&json!("operators"), &json!([kim])));
    plane.deprovision_user(&root(), &kim, |_| Ok::<_, ControlError>(())).await.unwrap();
    assert_eq!(sides(plane, "DeleteUser", "/username").await, (json!("kim"), json!(null)));
}
