use serde_json::json;
use store::access::GroupAccess;
use store::audit::AuditFilter;
use store::iam::group_keys::NewGroupKey;
use store::iam::sessions::NewSession;
use store::iam::tokens::NewToken;
use store::iam::users::{NewUser, UserPatch};
use store::{AuditEntry, Direction, Page, SecretHash, StoreError};

use crate::support::*;

fn new_user(id: &str) -> NewUser {
    NewUser {
        id: id.into(),
        username: format!("{id}@example"),
        username_key: id.into(),
        password_hash: Some("$argon2id$1".into()),
        ..NewUser::default()
    }
}

fn session(hash: SecretHash, user: &str, expires_at: i64) -> NewSession {
    NewSession {
        id: format!("session of {user}"),
        hash,
        user: user.into(),
        login_option: None,
        address: "192.0.2.1".into(),
        user_agent: "tests".into(),
        expires_at,
        ends_others: false,
    }
}

async fn user(f: &Fixture, id: &str) {
    let new = new_user(id);
    f.store.users().create(&new, &entry("CreateUser")).await.unwrap();
}

pub(crate) async fn users_log_in(f: Fixture) {
    user(&f, "u1").await;
    for same in [
        NewUser { username: "u1@example".into(), ..new_user("u2") },
        NewUser { username_key: "u1".into(), ..new_user("u3") },
    ] {
        let error = f.store.users().create(&same, &entry("a")).await.unwrap_err();
        assert!(matches!(error, StoreError::Duplicate { field: "username", .. }), "{error:?}");
    }
    let found = f.store.users().by_login("u1@example").await.unwrap().unwrap().user;
    assert_eq!(Some(&found), f.store.users().get("u1").await.unwrap().as_ref());

    let hash = || SecretHash::of("cookie");
    let sessions = f.store.sessions();
    let user_at = async |now| sessions.find(&hash(), now).await.unwrap().map(|(_, identity)| identity.user.id);
    sessions.create(&session(hash(), "u1", 100), 1, &entry("Login")).await.unwrap();
    assert_eq!(user_at(99).await.as_deref(), Some("u1"));
    assert_eq!(user_at(100).await, None);
    assert_eq!(sessions.delete_expired(99).await.unwrap(), 0);
    f.store.users().set_password("u1", "$argon2id$2", false, &entry("a")).await.unwrap();
    assert_eq!(user_at(99).await, None);
    assert_eq!(f.store.users().get("u1").await.unwrap().unwrap().password_hash, "$argon2id$2");
    sessions.create(&session(hash(), "u1", 100), 1, &entry("Login")).await.unwrap();
    sessions.delete(&hash(), &entry("Logout")).await.unwrap();
    assert_eq!(user_at(1).await, None);
    let of_nobody = sessions.create(&session(hash(), "x", 1), 1, &entry("Login")).await.unwrap_err();
    assert!(matches!(of_nobody, StoreError::NotFound { .. }));
}

pub(crate) async fn the_first_admin_is_recovered(f: Fixture) {
    let (users, factors, sessions) = (f.store.users(), f.store.second_factors(), f.store.sessions());
    assert_eq!(users.first_admin().await.unwrap(), None, "before the first start");
    user(&f, "u").await;
    users.create(&NewUser { root: true, ..new_user("admin") }, &entry("CreateUser")).await.unwrap();
    assert_eq!(users.first_admin().await.unwrap().unwrap().id, "admin");

    for id in ["admin", "u"] {
        sessions.create(&session(SecretHash::of(id), id, 100), 1, &entry("Login")).await.unwrap();
        factors.begin(id, b"a key", &entry("a")).await.unwrap();
        let pending = factors.pending(id).await.unwrap().unwrap();
        assert!(factors.confirm(id, &pending, 1, false, &entry("SetSecondFactor")).await.unwrap());
        factors.begin(id, b"another key", &entry("a")).await.unwrap();
    }
    users.set_password("admin", "$argon2id$1", true, &entry("ResetPassword")).await.unwrap();
    users.update("admin", &UserPatch { active: Some(false), ..UserPatch::default() }, &entry("a")).await.unwrap();
    sessions.create(&session(SecretHash::of("late"), "admin", 100), 1, &entry("Login")).await.unwrap();

    let before = users.by_login("admin@example").await.unwrap().unwrap();
    assert!(before.user.has_second_factor && !before.user.active && before.user.must_change_password);
    assert_eq!(users.recover("admin", "$argon2id$2", &entry("RecoverAdmin")).await.unwrap(), 1);
    let after = users.by_login("admin@example").await.unwrap().unwrap();
    let (user, version) = (after.user, after.version);
    assert_eq!(user.password_hash, "$argon2id$2");
    assert!(!user.has_second_factor && user.active && !user.must_change_password);
    assert!(factors.pending("admin").await.unwrap().is_none(), "nor is one pending");
    assert!(version > before.version, "replicas notice");
    assert!(sessions.find(&SecretHash::of("late"), 1).await.unwrap().is_none());
    assert!(sessions.find(&SecretHash::of("u"), 1).await.unwrap().is_some(), "others stay");
    assert!(users.get("u").await.unwrap().unwrap().has_second_factor, "others stay");
    let filter = AuditFilter { action: Some("RecoverAdmin".into()), ..AuditFilter::default() };
    assert_eq!(f.store.audit().list(&filter, Direction::Ascending, None).await.unwrap().total, 1);

    let missing = users.recover("nobody", "$argon2id$3", &entry("RecoverAdmin")).await.unwrap_err();
    assert!(matches!(missing, StoreError::NotFound { .. }));
    assert_eq!(
        f.store.audit().list(&filter, Direction::Ascending, None).await.unwrap().total,
        1,
        "nothing done, no row"
    );
}

pub(crate) async fn a_session_ends_with_a_reason(f: Fixture) {
    user(&f, "u").await;
    let sessions = f.store.sessions();
    let (first, second) = (SecretHash::of("first"), SecretHash::of("second"));
    let new = |id: &str, hash, ends_others| NewSession { id: id.into(), ends_others, ..session(hash, "u", 100) };
    sessions.create(&new("1", SecretHash::of("first"), false), 1, &entry("Login")).await.unwrap();
    sessions.create(&new("2", SecretHash::of("second"), true), 2, &entry("Login")).await.unwrap();
    let (ended, _) = sessions.find(&first, 3).await.unwrap().unwrap();
    assert!(ended.ended_by.unwrap().contains("192.0.2.1"));
    assert_eq!(sessions.list("u", 3).await.unwrap().iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["2"]);
    sessions.end("u", "2", "because", &entry("EndSession")).await.unwrap();
    assert_eq!(sessions.find(&second, 3).await.unwrap().unwrap().0.ended_by.as_deref(), Some("because"));
    let again = sessions.end("u", "2", "because", &entry("EndSession")).await.unwrap_err();
    assert!(matches!(again, StoreError::NotFound { .. }));
}

pub(crate) async fn tokens_end_and_are_removed(f: Fixture) {
    user(&f, "u").await;
    let tokens = f.store.tokens();
    let new = |id: &str, expires_at| NewToken {
        id: id.into(),
        user: "u".into(),
        name: format!("for {id}"),
        hash: SecretHash::of(id),
        document: None,
        expires_at,
    };
    tokens.create(&new("a", Some(10)), &entry("a")).await.unwrap();
    tokens.create(&new("b", None), &entry("a")).await.unwrap();
    assert!(tokens.find(&SecretHash::of("a"), 9).await.unwrap().is_some());
    assert!(tokens.find(&SecretHash::of("a"), 10).await.unwrap().is_none());
    tokens.touch("b", 77).await.unwrap();
    let (found, _) = tokens.find(&SecretHash::of("b"), i64::MAX).await.unwrap().unwrap();
    assert_eq!((found.user.as_str(), found.name.as_str(), found.last_used_at), ("u", "for b", Some(77)));
    assert_eq!(tokens.list("u").await.unwrap().len(), 2);
    tokens.delete("u", "b", &entry("a")).await.unwrap();
    assert!(tokens.find(&SecretHash::of("b"), 1).await.unwrap().is_none());
    assert!(matches!(tokens.delete("v", "a", &entry("a")).await.unwrap_err(), StoreError::NotFound { .. }));
}

pub(crate) async fn an_admin_key_decides_its_group(f: Fixture) {
    let g = create_group(&f.store, "g").await;
    let keys = f.store.group_keys();
    let new = |group: &GroupAccess, name: &str, secret: &str, expires_at| NewGroupKey {
        id: format!("{name}-{secret}"),
        group: group.clone(),
        name: name.into(),
        hash: SecretHash::of(secret),
        document: None,
        expires_at,
    };
    let group_of = async |secret: &str| keys.find(&SecretHash::of(secret), 50).await.unwrap().map(|key| key.group);
    assert_eq!(keys.list(&g).await.unwrap(), []);
    keys.put(&new(&g, "k", "one", None), &entry("a")).await.unwrap();
    assert_eq!(group_of("one").await, Some(group_id("g")));
    keys.put(&new(&g, "k", "two", None), &entry("a")).await.unwrap();
    assert_eq!(group_of("one").await, None);
    keys.create(&new(&g, "past", "three", Some(50)), &entry("a")).await.unwrap();
    keys.create(&new(&g, "future", "four", Some(51)), &entry("a")).await.unwrap();
    assert_eq!((group_of("three").await, group_of("four").await), (None, Some(group_id("g"))));
    let taken = keys.create(&new(&g, "k", "five", None), &entry("a")).await.unwrap_err();
    assert!(matches!(taken, StoreError::Duplicate { field: "name", .. }), "{taken:?}");
    keys.delete(&g, "future-four", &entry("a")).await.unwrap();
    assert_eq!(group_of("four").await, None);
    let missing = keys.put(&new(&group("none"), "k", "x", None), &entry("a")).await.unwrap_err();
    assert!(matches!(missing, StoreError::NotFound { .. }));
    f.store.groups().delete(&g, &entry("a")).await.unwrap();
    assert_eq!(group_of("two").await, None);
}

pub(crate) async fn replicas_agree_on_a_setting(f: Fixture) {
    let other = f.replica().await;
    let (here, there) = (f.store.settings(), other.settings());
    let (a, b) = tokio::join!(here.put_if_absent("ca", b"mine"), there.put_if_absent("ca", b"theirs"));
    assert_eq!(a.unwrap(), b.unwrap());
    f.store.settings().put("ca", b"new").await.unwrap();
    assert_eq!(&other.settings().get("ca").await.unwrap().unwrap()[..], b"new");
    assert!(other.settings().get("none").await.unwrap().is_none());
}

pub(crate) async fn the_audit_log_is_filtered(f: Fixture) {
    for (actor, action) in [("user:a", "Login"), ("user:b", "Login"), ("user:b", "Logout")] {
        let detail = json!({ "uri": "/api/login" });
        let entry = AuditEntry { actor: actor.into(), action: action.into(), detail, ..AuditEntry::default() };
        f.store.audit().record(&entry).await.unwrap();
    }
    let of_b = AuditFilter { actor: Some("user:b".into()), ..AuditFilter::default() };
    let page = f.store.audit().list(&of_b, Direction::Descending, Some(Page::new(1, 1))).await.unwrap();
    assert_eq!((page.total, page.list.len()), (2, 1));
    assert_eq!(page.list[0].entry.detail, json!({ "uri": "/api/login" }));
    let logins = AuditFilter { action: Some("Login".into()), ..AuditFilter::default() };
    assert_eq!(f.store.audit().list(&logins, Direction::Descending, None).await.unwrap().total, 2);
    let future = AuditFilter { since: Some(i64::MAX / 2_000), ..AuditFilter::default() };
    assert_eq!(f.store.audit().list(&future, Direction::Descending, None).await.unwrap().total, 0);
}

/// Whoever begins another one in between does not have that one put in force.
pub(crate) async fn a_second_factor_is_the_one_that_was_shown(f: Fixture) {
    user(&f, "u").await;
    let factors = f.store.second_factors();
    factors.begin("u", b"mine", &entry("a")).await.unwrap();
    let mine = factors.pending("u").await.unwrap().unwrap();
    factors.begin("u", b"theirs", &entry("a")).await.unwrap();
    assert!(!factors.confirm("u", &mine, 1, false, &entry("a")).await.unwrap());
    assert!(factors.in_force("u").await.unwrap().is_none());
    let theirs = factors.pending("u").await.unwrap().unwrap();
    assert!(factors.confirm("u", &theirs, 1, false, &entry("a")).await.unwrap());
    assert_eq!(&factors.in_force("u").await.unwrap().unwrap()[..], b"theirs");

    factors.begin("u", b"next", &entry("a")).await.unwrap();
    let next = factors.pending("u").await.unwrap().unwrap();
    assert!(!factors.confirm("u", &next, 2, false, &entry("a")).await.unwrap(), "one came in force meanwhile");
    assert!(factors.confirm("u", &next, 2, true, &entry("a")).await.unwrap());
    assert_eq!(&factors.in_force("u").await.unwrap().unwrap()[..], b"next");
}

pub(crate) async fn tokens_of_a_user_have_different_names(f: Fixture) {
    user(&f, "u").await;
    user(&f, "v").await;
    let new = |id: &str, user: &str| NewToken {
        id: id.into(),
        user: user.into(),
        name: "ci".into(),
        hash: SecretHash::of(id),
        document: None,
        expires_at: None,
    };
    let replica = f.replica().await;
    let (here, there) = (f.store.tokens(), replica.tokens());
    let (first, second, entry) = (new("a", "u"), new("b", "u"), entry("a"));
    let (one, other) = tokio::join!(here.create(&first, &entry), there.create(&second, &entry));
    let refused = [one, other].into_iter().filter_map(Result::err).collect::<Vec<_>>();
    assert!(matches!(refused[..], [StoreError::Duplicate { field: "name", .. }]), "{refused:?}");
    here.create(&new("c", "v"), &entry).await.unwrap();
    let of_nobody = here.create(&new("d", "x"), &entry).await.unwrap_err();
    assert!(matches!(of_nobody, StoreError::NotFound { .. }));
}
