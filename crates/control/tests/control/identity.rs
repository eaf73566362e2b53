//! Logins, tokens, admin keys, and what they are good for.

use control::iam::{RequestContext, TokenSpec, UserPatch};
use control::{ControlError, groups::GroupFilter, groups::GroupPatch, groups::GroupSpec};
use model::Kind;
use serde_json::{Value, json};
use store::Direction;
use store::audit::AuditFilter;

use crate::permissions::{PASSWORD, user};
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
    plane.authenticate("admin", "long enough").await.unwrap();
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

#[tokio::test]
async fn names_that_can_be_nobodys_are_refused_before_anything() {
    let plane = Plane::start().await;
    for name in ["x".repeat(257), "x".repeat(1_000_000), "ad\0min".to_owned()] {
        for n in 0..8 {
            let refused = plane.login(&name, "guess").await.err().unwrap();
            assert!(matches!(refused, ControlError::Unauthenticated(_)), "{n}: {refused}");
            let refused = plane.authenticate(&name, "guess").await.err().unwrap();
            assert!(matches!(refused, ControlError::Unauthenticated(_)), "{n}: {refused}");
            assert!(matches!(plane.may_try_password("option", &name), Err(ControlError::Unauthenticated(_))));
        }
    }
    // As long as names may be they are counted, each by itself.
    let long = "x".repeat(256);
    for _ in 0..5 {
        assert!(matches!(plane.login(&long, "guess").await, Err(ControlError::Unauthenticated(_))));
    }
    assert!(matches!(plane.login(&long, "guess").await, Err(ControlError::TooManyAttempts { .. })));
    assert!(matches!(plane.login(&long[1..], "guess").await, Err(ControlError::Unauthenticated(_))));
}

#[tokio::test]
async fn a_name_and_an_address_of_one_user_are_counted_together() {
    let plane = Plane::start().await;
    let ann = user(&plane, "ann").await;
    let patch = UserPatch { email: Some(Some("ann@example.com".into())), ..UserPatch::default() };
    plane.update_user(&root(), &ann, &patch).await.unwrap();
    for name in ["ann", "ann@example.com", "ann", "ann@example.com", "ann"] {
        assert!(matches!(plane.login(name, "guess").await, Err(ControlError::Unauthenticated(_))));
    }
    for name in ["ann", "ann@example.com"] {
        assert!(matches!(plane.login(name, PASSWORD).await, Err(ControlError::TooManyAttempts { .. })), "{name}");
    }
}

/// All of them begin before the first has failed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guesses_made_at_once_are_as_few_as_those_made_one_by_one() {
    let plane = Plane::start().await;
    let guesses: Vec<_> = (0..40)
        .map(|n| {
            let control = plane.control.clone();
            let guess = async move {
                control.login("admin", &format!("guess {n}"), None, &RequestContext::default()).await.err()
            };
            tokio::spawn(guess)
        })
        .collect();
    let mut told = 0;
    for guess in guesses {
        told += usize::from(matches!(guess.await.unwrap(), Some(ControlError::Unauthenticated(_))));
    }
    // Five are free, and four are verified at a time.
    assert!((5..=9).contains(&told), "{told} guesses were answered");
}

/// Wrong passwords, as slowly as the throttle wants them.
async fn guess(plane: &Plane, name: &str, times: usize) -> Vec<String> {
    let mut told = Vec::new();
    for _ in 0..times {
        told.push(plane.login(name, "guess").await.err().unwrap().to_string());
        plane.clock.advance(31);
    }
    told
}

#[tokio::test]
async fn wrong_passwords_in_a_row_lock_a_name_whether_it_is_there_or_not() {
    let plane = Plane::start().await;
    user(&plane, "ann").await;
    let told = guess(&plane, "ann", 11).await;
    assert!(told[..10].iter().all(|text| text == &told[0]), "{told:?}");
    assert!(told[10].contains("locked for another 1769 s") && told[10].contains("administrator"), "{told:?}");
    assert_eq!(guess(&plane, "nobody", 11).await, told, "a lock tells who is there");
    assert!(matches!(plane.login("ann", PASSWORD).await, Err(ControlError::Locked { .. })), "the right one, too");
    assert!(matches!(plane.authenticate("ann", PASSWORD).await, Err(ControlError::Locked { .. })));
    let replica = plane.replica().await;
    replica.clock.advance(31 * 22);
    assert!(matches!(replica.login("ann", PASSWORD).await, Err(ControlError::Locked { .. })), "on every replica");

    let filter = AuditFilter { action: Some("LockLogin".into()), ..AuditFilter::default() };
    let locks = plane.audit_log(&root(), &filter, Direction::Ascending, None).await.unwrap().list;
    assert_eq!(locks.len(), 1, "that of a user, once: {locks:?}");
    assert_eq!((locks[0].entry.resource_name.as_str(), &locks[0].entry.detail["failures"]), ("ann", &json!(10)));
}

#[tokio::test]
async fn a_lock_ends_by_time_or_by_an_administrator() {
    let plane = Plane::start().await;
    let ann = user(&plane, "ann").await;
    guess(&plane, "ann", 10).await;
    let locked_until = plane.get_user(&root(), &ann).await.unwrap().locked_until;
    assert_eq!(locked_until, Some(plane.clock_now() - 31 + 1800));
    plane.clock.advance(1800 - 31 - 1);
    assert!(matches!(plane.login("ann", PASSWORD).await, Err(ControlError::Locked { .. })));
    plane.sweep_once().await.unwrap();
    assert!(matches!(plane.login("ann", PASSWORD).await, Err(ControlError::Locked { .. })), "swept too early");
    plane.clock.advance(1);
    plane.login("ann", PASSWORD).await.unwrap();

    guess(&plane, "ann", 10).await;
    let unlock = UserPatch { unlock: true, ..UserPatch::default() };
    plane.update_user(&root(), &ann, &unlock).await.unwrap();
    plane.login("ann", PASSWORD).await.unwrap();
    assert_eq!(plane.get_user(&root(), &ann).await.unwrap().locked_until, None);
    let filter = AuditFilter { action: Some("UpdateUser".into()), ..AuditFilter::default() };
    let row = plane.audit_log(&root(), &filter, Direction::Descending, None).await.unwrap().list.remove(0).entry;
    assert!(row.detail["before"]["locked_until"].is_i64() && row.detail["after"]["locked_until"].is_null(), "{row:?}");

    guess(&plane, "ann", 9).await;
    plane.login("ann", PASSWORD).await.unwrap();
    guess(&plane, "ann", 9).await;
    plane.login("ann", PASSWORD).await.expect("a right one between them begins the count anew");
    guess(&plane, "ann", 9).await;
    plane.clock.advance(1800);
    guess(&plane, "ann", 1).await;
    plane.login("ann", PASSWORD).await.expect("those of long ago are forgotten");
}

#[tokio::test]
async fn strangers_never_lock_the_first_admin_out() {
    let plane = Plane::start().await;
    let password = plane.admin.as_ref().unwrap().password.clone();
    let from = |address: &str| RequestContext { address: address.into(), ..RequestContext::default() };
    let (stranger, owner) = (from("203.0.113.9"), from("192.0.2.1"));
    for _ in 0..30 {
        plane.control.login("admin", "guess", None, &stranger).await.err().unwrap();
        plane.clock.advance(31);
    }
    let locked = plane.control.login("admin", &password, None, &stranger).await;
    assert!(matches!(locked, Err(ControlError::Locked { .. })), "whoever guesses is locked");
    plane.control.login("admin", &password, None, &owner).await.unwrap();
}

/// The groups that the holder of a token may read.
#[tokio::test]
async fn a_token_is_narrowed_to_one_group_and_stays_so_when_it_is_made_anew() {
    let plane = Plane::start().await;
    let user = login(&plane).await.actor;
    let group = async |name: &str| {
        plane.create_group(&root(), GroupSpec { name: name.into(), ..GroupSpec::default() }).await.unwrap().id
    };
    let (own, other) = (group("own").await, group("other").await);
    let document = json!({ "statement": [{ "effect": "allow", "actions": ["<.*>"],
        "resources": [format!("arn:api7:gateway:gatewaygroup/{own}<.*>")] }] });
    let expires_at = Some(plane.clock_now() + 3600);
    let spec = TokenSpec { name: "one group".into(), document: Some(document.clone()), expires_at };
    let issued = plane.create_token(&user, spec).await.unwrap();
    let check = async |secret: &str| {
        let holder = plane.authenticate_key(secret).await.unwrap();
        plane.put_resource(&holder, &own, key(Kind::Route, "r"), route("/"), None).await.unwrap();
        let elsewhere = plane.put_resource(&holder, &other, key(Kind::Route, "r"), route("/"), None).await;
        assert!(matches!(elsewhere, Err(ControlError::Forbidden(_))), "{elsewhere:?}");
        let listed = plane.list_groups(&holder, &GroupFilter::default()).await.unwrap().list;
        assert_eq!(listed.iter().map(|group| &group.id).collect::<Vec<_>>(), [&own]);
    };
    check(&issued.token).await;

    let new = plane.regenerate_token(&user, &issued.id).await.unwrap();
    assert_eq!((new.name.as_str(), new.expires_at), ("one group", expires_at));
    assert!(new.id != issued.id && plane.authenticate_key(&issued.token).await.is_err());
    check(&new.token).await;
    let listed = plane.list_tokens(&user).await.unwrap();
    let kept = (listed.len(), listed[0].expires_at, listed[0].last_used_at.is_some());
    assert_eq!(kept, (1, expires_at, true));
    let narrowed: Value = serde_json::from_str(listed[0].document.as_deref().unwrap()).unwrap();
    assert_eq!(narrowed, document);
}

#[tokio::test]
async fn a_token_ends_by_the_clock() {
    let plane = Plane::start().await;
    let user = login(&plane).await.actor;
    let issued = plane.create_token(&user, token("short", Some(plane.clock_now() + 60))).await.unwrap();
    plane.clock.advance(59);
    plane.authenticate_key(&issued.token).await.unwrap();
    plane.clock.advance(1);
    assert!(matches!(plane.authenticate_key(&issued.token).await, Err(ControlError::Unauthenticated(_))));
    let again = plane.regenerate_token(&user, &issued.id).await.err().unwrap();
    assert!(matches!(again, ControlError::Invalid(_)), "what has ended is not made anew: {again}");
}

#[tokio::test]
async fn a_user_s_tokens_have_different_names() {
    let plane = Plane::start().await;
    let admin = login(&plane).await.actor;
    let first = plane.create_token(&admin, token("ci", None)).await.unwrap();
    let second = plane.create_token(&admin, token("ci", None)).await.err().unwrap();
    assert!(matches!(&second, ControlError::Conflict(text) if text.contains("name")), "{second}");
    let ann = user(&plane, "ann").await;
    plane.assign_roles(&root(), &ann, &["viewer_id".into()]).await.unwrap();
    let ann = plane.login("ann", PASSWORD).await.unwrap().actor;
    plane.create_token(&ann, token("ci", None)).await.expect("another user's");
    plane.delete_token(&admin, &first.id).await.unwrap();
    plane.create_token(&admin, token("ci", None)).await.expect("a name that is free again");
}
