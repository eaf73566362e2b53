//! Super Admins: who can give, take and touch the role, and what nobody can do to those who have it.

use control::ControlError;
use control::groups::GroupFilter;
use control::iam::{Actor, GroupSpec, PolicySpec, RoleSpec, UserPatch};
use serde_json::{Value, json};
use store::{AuditEntry, MasterKey, Store};

use crate::permissions::{act, grant, is_refused, policy, user};
use crate::support::{Plane, default_group, root};

const SUPER_ADMIN: &str = "super_admin_id";

/// The first admin as it logs in, and its id.
async fn first_admin(plane: &Plane, password: &str) -> (Actor, String) {
    let actor = plane.authenticate("admin", password).await.unwrap();
    let id = actor.user_id().unwrap().to_owned();
    (actor, id)
}

fn is_conflict<T>(outcome: &Result<T, ControlError>) -> bool {
    matches!(outcome, Err(ControlError::Conflict(_)))
}

fn everything(effect: &str) -> Value {
    json!([{ "effect": effect, "actions": ["<.*>"], "resources": ["<.*>"] }])
}

/// A role with one policy that denies everything.
async fn denying_role(plane: &Plane) -> String {
    let denial = policy(plane, "shut", everything("deny")).await;
    let spec = RoleSpec { name: "shut".into(), ..RoleSpec::default() };
    plane.create_role(&root(), &spec, &[denial]).await.unwrap().id
}

async fn role_ids(plane: &Plane, user: &str) -> Vec<String> {
    plane.get_user(&root(), user).await.unwrap().roles.into_iter().map(|role| role.id).collect()
}

#[tokio::test]
async fn the_first_admin_and_super_admins_are_safe() {
    let plane = Plane::start().await;
    let password = plane.admin.as_ref().unwrap().password.clone();
    let (root_user, root_id) = first_admin(&plane, &password).await;
    assert!(is_conflict(&plane.delete_user(&root_user, &root_id).await));
    assert!(is_conflict(&plane.assign_roles(&root_user, &root_id, &[]).await));
    let off = UserPatch { active: Some(false), ..UserPatch::default() };
    assert!(is_conflict(&plane.update_user(&root_user, &root_id, &off).await));
    assert!(is_conflict(&plane.reset_password(&root_user, &root_id, "another").await), "without the old one");

    let id = user(&plane, "ann").await;
    let manager = json!([{ "effect": "allow", "actions": ["iam:<.*>"], "resources": ["<.*>"] }]);
    let role = grant(&plane, &id, "manager of people", manager).await;
    let ann = act(&plane, "ann").await;
    let are_refused = async |ann: &Actor| {
        let gives = plane.assign_roles(ann, &id, &[role.clone(), SUPER_ADMIN.into()]).await;
        assert!(is_refused(&gives), "she makes herself one");
        assert!(is_refused(&plane.reset_password(ann, &root_id, "guessed").await));
        assert!(is_refused(&plane.update_user(ann, &root_id, &UserPatch::default()).await));
    };
    are_refused(&ann).await;
    // She may allow herself everything, and is no Super Admin by that.
    let document = json!({ "statement": everything("allow") });
    let spec = PolicySpec { name: "all".into(), document, ..PolicySpec::default() };
    let all = plane.create_policy(&ann, spec).await.unwrap().policy.id;
    plane.change_role_policies(&ann, &role, &[all], &[]).await.unwrap();
    let ann = act(&plane, "ann").await;
    plane.get_group(&ann, &default_group()).await.unwrap();
    are_refused(&ann).await;

    let bob = user(&plane, "bob").await;
    plane.reset_password(&ann, &bob, "again").await.unwrap();
    for built_in in [SUPER_ADMIN, "viewer_id"] {
        let renamed =
            plane.update_role(&root_user, built_in, &RoleSpec { name: "x".into(), ..Default::default() }).await;
        assert!(is_conflict(&renamed));
    }
    let spec = PolicySpec { name: "x".into(), document: json!({}), ..PolicySpec::default() };
    assert!(plane.update_policy(&root_user, "super-admin-permission-policy", spec).await.is_err());
}

/// Half a Super Admin is none: neither within a boundary nor by a token that has less.
#[tokio::test]
async fn a_capped_super_admin_makes_no_others() {
    let plane = Plane::start().await;
    let (ann, bob) = (user(&plane, "ann").await, user(&plane, "bob").await);
    plane.assign_roles(&root(), &ann, &[SUPER_ADMIN.into()]).await.unwrap();
    plane.assign_roles(&act(&plane, "ann").await, &bob, &[SUPER_ADMIN.into()]).await.unwrap();
    let all = policy(&plane, "all", everything("allow")).await;
    plane.set_boundaries(&root(), &ann, &[all]).await.unwrap();
    let bounded = act(&plane, "ann").await;
    assert!(is_refused(&plane.assign_roles(&bounded, &bob, &[]).await));
    assert!(is_refused(&plane.set_boundaries(&bounded, &ann, &[]).await));
    plane.set_boundaries(&root(), &ann, &[]).await.unwrap();

    let document = Some(json!({ "statement": everything("allow") }));
    let spec = control::iam::TokenSpec { name: "narrowed".into(), document, expires_at: None };
    let token = plane.create_token(&act(&plane, "ann").await, spec).await.unwrap().token;
    let narrowed = plane.authenticate_key(&token).await.unwrap();
    assert!(is_refused(&plane.assign_roles(&narrowed, &bob, &[]).await));
    plane.assign_roles(&act(&plane, "ann").await, &bob, &[]).await.unwrap();
}

#[tokio::test]
async fn no_role_takes_the_first_admin_s_rights() {
    let plane = Plane::start().await;
    let password = plane.admin.as_ref().unwrap().password.clone();
    let (root_user, root_id) = first_admin(&plane, &password).await;
    let shut = denying_role(&plane).await;
    for more in [shut.as_str(), "viewer_id"] {
        for actor in [&root_user, &root()] {
            let given = plane.assign_roles(actor, &root_id, &[SUPER_ADMIN.into(), more.into()]).await;
            assert!(is_conflict(&given), "{more}: {given:?}");
        }
    }
    plane.assign_roles(&root_user, &root_id, &[SUPER_ADMIN.into(), SUPER_ADMIN.into()]).await.unwrap();
    let add =
        |user: &str| GroupSpec { name: "shut".into(), members: Some([user.to_owned()].into()), external_id: None };
    let pushed = plane.reprovision_group(&root(), &shut, |_| Ok::<_, ControlError>(add(&root_id))).await;
    assert!(is_refused(&pushed), "{pushed:?}");
    let made = GroupSpec { name: "new".into(), ..add(&root_id) };
    assert!(is_refused(&plane.provision_group(&root(), &made).await));
    assert_eq!(role_ids(&plane, &root_id).await, [SUPER_ADMIN]);

    // Another Super Admin is denied what a further role denies; the first admin takes it off again.
    let id = user(&plane, "ann").await;
    plane.assign_roles(&root_user, &id, &[SUPER_ADMIN.into(), shut.clone()]).await.unwrap();
    assert!(is_refused(&plane.get_group(&act(&plane, "ann").await, &default_group()).await));
    plane.assign_roles(&root_user, &id, &[SUPER_ADMIN.into()]).await.unwrap();
    plane.get_group(&act(&plane, "ann").await, &default_group()).await.unwrap();
}

/// Versions before let the first admin be given further roles.
#[tokio::test]
async fn a_start_takes_further_roles_off_the_first_admin() {
    let plane = Plane::start().await;
    let password = plane.admin.as_ref().unwrap().password.clone();
    let (_, root_id) = first_admin(&plane, &password).await;
    let shut = denying_role(&plane).await;
    let store = Store::open(&plane.url, MasterKey::new([7; 32])).await.unwrap();
    store.users().set_roles(&root_id, &[SUPER_ADMIN.into(), shut], &AuditEntry::default()).await.unwrap();
    let (stuck, _) = first_admin(&plane, &password).await;
    assert_eq!(plane.list_groups(&stuck, &GroupFilter::default()).await.unwrap().total, 0);

    let later = plane.replica().await;
    let (healed, _) = first_admin(&later, &password).await;
    later.get_group(&healed, &default_group()).await.unwrap();
    assert_eq!(role_ids(&later, &root_id).await, [SUPER_ADMIN]);
    let log = later.audit_log(&root(), &Default::default(), store::Direction::Descending, None).await.unwrap().list;
    let told = log.iter().filter(|row| row.entry.action == "UpdateUserRole" && row.entry.actor == "system");
    let told: Vec<_> = told.filter(|row| row.entry.resource_id == root_id).map(|row| &row.entry.detail).collect();
    assert_eq!(told.len(), 1);
    assert_eq!((&told[0]["after"]["roles"], told[0].get("roles")), (&json!([SUPER_ADMIN]), None), "{}", told[0]);
}
