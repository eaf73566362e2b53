use serde_json::json;
use store::audit::AuditFilter;
use store::tokens::NewToken;
use store::users::NewUser;
use store::{AuditEntry, Direction, Page, SecretHash, StoreError};

use crate::support::*;

async fn user(f: &Fixture, id: &str) {
    let new = NewUser { id: id.into(), username: format!("{id}@example"), password_hash: "$argon2id$1".into() };
    f.store.users().create(&new, &entry("CreateUser")).await.unwrap();
}

pub(crate) async fn users_log_in(f: Fixture) {
    user(&f, "u1").await;
    let same = NewUser { id: "u2".into(), username: "u1@example".into(), password_hash: String::new() };
    let error = f.store.users().create(&same, &entry("a")).await.unwrap_err();
    assert!(matches!(error, StoreError::Duplicate { field: "username", .. }), "{error:?}");
    let found = f.store.users().by_username("u1@example").await.unwrap().unwrap();
    assert_eq!(Some(&found), f.store.users().get("u1").await.unwrap().as_ref());
    assert_eq!(f.store.users().list().await.unwrap(), [found]);

    let hash = SecretHash::of("cookie");
    f.store.sessions().create(&hash, "u1", 100).await.unwrap();
    assert_eq!(f.store.sessions().user_of(&hash, 99).await.unwrap().as_deref(), Some("u1"));
    assert_eq!(f.store.sessions().user_of(&hash, 100).await.unwrap(), None);
    assert_eq!(f.store.sessions().delete_expired(99).await.unwrap(), 0);
    f.store.users().set_password("u1", "$argon2id$2", &entry("a")).await.unwrap();
    assert_eq!(f.store.sessions().user_of(&hash, 99).await.unwrap(), None);
    assert_eq!(f.store.users().get("u1").await.unwrap().unwrap().password_hash, "$argon2id$2");
    f.store.sessions().create(&hash, "u1", 100).await.unwrap();
    f.store.sessions().delete(&hash).await.unwrap();
    assert_eq!(f.store.sessions().user_of(&hash, 1).await.unwrap(), None);
    assert!(matches!(f.store.sessions().create(&hash, "x", 1).await.unwrap_err(), StoreError::NotFound { .. }));
}

pub(crate) async fn tokens_end_and_are_removed(f: Fixture) {
    user(&f, "u").await;
    let tokens = f.store.tokens();
    let new = |id: &str, expires_at| NewToken {
        id: id.into(),
        user: "u".into(),
        name: format!("for {id}"),
        hash: SecretHash::of(id),
        expires_at,
    };
    tokens.create(&new("a", Some(10)), &entry("a")).await.unwrap();
    tokens.create(&new("b", None), &entry("a")).await.unwrap();
    assert!(tokens.find(&SecretHash::of("a"), 9).await.unwrap().is_some());
    assert!(tokens.find(&SecretHash::of("a"), 10).await.unwrap().is_none());
    tokens.touch("b", 77).await.unwrap();
    let found = tokens.find(&SecretHash::of("b"), i64::MAX).await.unwrap().unwrap();
    assert_eq!((found.user.as_str(), found.name.as_str(), found.last_used_at), ("u", "for b", Some(77)));
    assert_eq!(tokens.list("u").await.unwrap().len(), 2);
    tokens.delete("u", "b", &entry("a")).await.unwrap();
    assert!(tokens.find(&SecretHash::of("b"), 1).await.unwrap().is_none());
    assert!(matches!(tokens.delete("v", "a", &entry("a")).await.unwrap_err(), StoreError::NotFound { .. }));
}

pub(crate) async fn an_admin_key_decides_its_group(f: Fixture) {
    let g = create_group(&f.store, "g").await;
    let keys = f.store.admin_keys();
    assert_eq!(keys.created_at(&g).await.unwrap(), None);
    keys.put(&g, &SecretHash::of("one"), &entry("a")).await.unwrap();
    assert_eq!(keys.group_of(&SecretHash::of("one")).await.unwrap(), Some(g.clone()));
    keys.put(&g, &SecretHash::of("two"), &entry("a")).await.unwrap();
    assert_eq!(keys.group_of(&SecretHash::of("one")).await.unwrap(), None);
    assert!(keys.created_at(&g).await.unwrap().is_some());
    let missing = keys.put(&group("none"), &SecretHash::of("x"), &entry("a")).await.unwrap_err();
    assert!(matches!(missing, StoreError::NotFound { .. }));
    f.store.groups().delete(&g, &entry("a")).await.unwrap();
    assert_eq!(keys.group_of(&SecretHash::of("two")).await.unwrap(), None);
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
