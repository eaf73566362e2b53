//! Logins, tokens, admin keys, and what they are good for.

use control::iam::TokenSpec;
use control::{ControlError, groups::GroupFilter, groups::GroupPatch, groups::GroupSpec};
use model::Kind;

use crate::support::{Plane, default_group, key, root, route};

fn token(name: &str, expires_at: Option<i64>) -> TokenSpec {
    TokenSpec { name: name.into(), expires_at, ..TokenSpec::default() }
}

async fn login(plane: &Plane) -> control::iam::Session {
    let admin = plane.admin.as_ref().unwrap();
    plane.login(&admin.username, &admin.password).await.unwrap()
}

#[tokio::test]
async fn the_first_start_makes_the_first_admin_once() {
    let plane = Plane::start().await;
    let admin = plane.admin.as_ref().unwrap();
    assert!(admin.generated && admin.password.len() > 40);
    assert!(plane.replica().await.admin.is_none());
    plane.delete_group(&root(), &default_group()).await.unwrap();
    let again = plane.replica().await;
    let gone = again.get_group(&root(), &default_group()).await;
    assert!(matches!(gone, Err(ControlError::NotFound { .. })), "what was deleted stays deleted");
}

#[tokio::test]
async fn sessions_begin_end_and_expire() {
    let plane = Plane::start().await;
    let session = login(&plane).await;
    assert_eq!(plane.authenticate_session(&session.token).await.unwrap().kind(), session.actor.kind());
    plane.clock.advance(session.max_age_seconds + 1);
    assert!(plane.authenticate_session(&session.token).await.is_err());
    let session = login(&plane).await;
    plane.logout(&session.actor, &session.token).await.unwrap();
    assert!(plane.authenticate_session(&session.token).await.is_err());
    assert!(plane.authenticate_session("made up").await.is_err());
}

#[tokio::test]
async fn a_changed_password_ends_sessions_and_the_old_one() {
    let plane = Plane::start().await;
    let session = login(&plane).await;
    let old = plane.admin.as_ref().unwrap().password.clone();
    let short = plane.change_password(&session.actor, &old, "short").await;
    assert!(matches!(short, Err(ControlError::Invalid(_))));
    let wrong = plane.change_password(&session.actor, "wrong", "long enough").await;
    assert!(matches!(wrong, Err(ControlError::Unauthenticated(_))));
    plane.change_password(&session.actor, &old, "long enough").await.unwrap();
    assert!(plane.authenticate_session(&session.token).await.is_err());
    assert!(plane.login("admin", &old).await.is_err());
    plane.authenticate_password("admin", "long enough").await.unwrap();
}

#[tokio::test]
async fn guessing_has_to_wait() {
    let plane = Plane::start().await;
    for _ in 0..5 {
        assert!(matches!(plane.login("admin", "guess").await, Err(ControlError::Unauthenticated(_))));
    }
    let password = plane.admin.as_ref().unwrap().password.clone();
    assert!(matches!(plane.login("admin", &password).await, Err(ControlError::TooManyAttempts { .. })));
    plane.clock.advance(2);
    plane.login("admin", &password).await.unwrap();
    assert!(matches!(plane.login("nobody", "guess").await, Err(ControlError::Unauthenticated(_))));
}

#[tokio::test]
async fn personal_tokens_work_until_they_end() {
    let plane = Plane::start().await;
    let user = login(&plane).await.actor;
    let issued = plane.create_token(&user, token("ci", Some(i64::MAX / 4000))).await.unwrap();
    assert!(issued.token.starts_with("a7ee-"));
    assert_eq!(plane.authenticate_key(&issued.token).await.unwrap().kind(), user.kind());
    assert!(plane.list_tokens(&user).await.unwrap()[0].last_used_at.is_some());
    let new = plane.regenerate_token(&user, &issued.id).await.unwrap();
    assert!(plane.authenticate_key(&issued.token).await.is_err());
    plane.authenticate_key(&new.token).await.unwrap();
    plane.delete_token(&user, &new.id).await.unwrap();
    assert!(plane.authenticate_key(&new.token).await.is_err());
    assert!(plane.create_token(&user, token("past", Some(1))).await.is_err());
}

#[tokio::test]
async fn an_admin_key_is_good_for_its_group_alone() {
    let plane = Plane::start().await;
    let other = plane.create_group(&root(), GroupSpec { name: "other".into(), ..Default::default() }).await.unwrap().id;
    let secret = plane.regenerate_admin_key(&root(), &default_group()).await.unwrap().key;
    let holder = plane.authenticate_key(&secret).await.unwrap();
    assert_eq!(holder.own_group(), Some(&default_group()));
    plane.put_resource(&holder, &default_group(), key(Kind::Route, "r"), route("/"), None).await.unwrap();
    let elsewhere = plane.put_resource(&holder, &other, key(Kind::Route, "r"), route("/"), None).await;
    let Err(ControlError::Forbidden(forbidden)) = elsewhere else { panic!("permitted") };
    assert!(
        forbidden
            .to_string()
            .contains("is not permitted to gateway:UpdatePublishedService on any service of gateway group"),
        "{forbidden}"
    );
    let listed = plane.list_groups(&holder, &GroupFilter::default()).await.unwrap();
    assert_eq!((listed.total, &listed.list[0].id), (1, &default_group()));
    let new = plane.regenerate_admin_key(&root(), &default_group()).await.unwrap().key;
    assert!(plane.authenticate_key(&secret).await.is_err());
    plane.authenticate_key(&new).await.unwrap();
}

#[tokio::test]
async fn a_group_s_key_cannot_change_the_group_itself() {
    let plane = Plane::start().await;
    let secret = plane.regenerate_admin_key(&root(), &default_group()).await.unwrap().key;
    let holder = plane.authenticate_key(&secret).await.unwrap();
    let refused = |outcome: Result<(), ControlError>| matches!(outcome, Err(ControlError::Forbidden(_)));
    let own = default_group();
    assert!(refused(plane.update_group(&holder, &own, &GroupPatch::default()).await.map(drop)));
    assert!(refused(plane.delete_group(&holder, &own).await));
    assert!(refused(plane.regenerate_admin_key(&holder, &own).await.map(drop)));
    assert!(refused(plane.create_group(&holder, GroupSpec { name: "x".into(), ..Default::default() }).await.map(drop)));
    plane.put_resource(&holder, &own, key(Kind::Route, "r"), route("/"), None).await.unwrap();
}
