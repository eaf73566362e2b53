use serde_json::json;
use store::SecretHash;
use store::StoreError;
use store::iam::login_options::{BuiltIn, Changed, LoginKind, LoginOptionSpec};
use store::iam::sessions::NewSession;
use store::iam::sign_in::{Newcomer, SignIn, SignedIn};
use store::iam::users::{External, Identity, NewUser, UserPatch};

use crate::support::*;

fn spec(name: &str) -> LoginOptionSpec {
    LoginOptionSpec {
        name: name.into(),
        kind: LoginKind::Oidc,
        logo: String::new(),
        enabled: true,
        config: json!({ "client_secret": "s" }),
        mapping: json!({}),
    }
}

fn sign_in(name: &str, roles: Option<&[&str]>) -> SignIn {
    SignIn {
        external: External { login_option: "o".into(), id: format!("subject of {name}") },
        version: 1,
        provisioned: None,
        newcomer: Newcomer { id: format!("id-{name}"), username: name.into(), username_key: name.into() },
        email: None,
        roles: roles.map(|roles| roles.iter().map(|role| (*role).to_owned()).collect()),
        boundaries: None,
    }
}

async fn come(f: &Fixture, sign_in: &SignIn) -> SignedIn {
    f.store.sign_ins().sign_in(sign_in, 7, &entry("CreateUser"), &entry("UpdateUserRole")).await.unwrap()
}

async fn identity(f: &Fixture, sign_in: &SignIn) -> Identity {
    match come(f, sign_in).await {
        SignedIn::As(identity) => *identity,
        other => panic!("not signed in: {other:?}"),
    }
}

async fn option(f: &Fixture) {
    f.store.login_options().create("o", &spec("company"), &entry("CreateLoginOption")).await.unwrap();
}

pub(crate) async fn kept_sealed_and_changed_at_their_version(f: Fixture) {
    option(&f).await;
    let options = f.store.login_options();
    let taken = options.create("p", &spec("company"), &entry("a")).await.unwrap_err();
    assert!(matches!(taken, StoreError::Duplicate { field: "name", .. }), "{taken:?}");
    let changed = LoginOptionSpec { enabled: false, config: json!({ "client_secret": "t" }), ..spec("other") };
    assert_eq!(options.update("o", 1, &changed, BuiltIn::AsSet, &entry("a")).await.unwrap(), Changed::Done);
    let late = options.update("o", 1, &spec("late"), BuiltIn::AsSet, &entry("a")).await.unwrap();
    assert_eq!(late, Changed::Stale);
    let found = options.get("o").await.unwrap();
    assert_eq!((found.version, &found.spec), (2, &changed));
    assert_eq!(options.list().await.unwrap(), [found]);
}

pub(crate) async fn a_login_makes_the_user_once_and_gives_what_is_mapped(f: Fixture) {
    option(&f).await;
    let first = identity(&f, &sign_in("ann", Some(&["viewer_id", "gone"]))).await;
    assert_eq!(first.user.id, "id-ann");
    let roles = async || {
        let roles = f.store.roles().of_users(&["id-ann".to_owned()]).await.unwrap();
        roles.into_values().flatten().map(|role| role.id).collect::<Vec<_>>()
    };
    assert_eq!(roles().await, ["viewer_id"]);
    let newcomer = Newcomer { id: "another".into(), username: "renamed".into(), username_key: "renamed".into() };
    let same = identity(&f, &SignIn { newcomer, ..sign_in("ann", Some(&["viewer_id"])) }).await;
    assert_eq!((same.user.id.as_str(), same.user.username.as_str()), ("id-ann", "ann"));
    assert_eq!(same.version, first.version, "a login that changes nothing makes no new version");
    identity(&f, &sign_in("ann", None)).await;
    assert_eq!(roles().await, ["viewer_id"], "no mapping takes nothing");
    assert!(identity(&f, &sign_in("ann", Some(&[]))).await.version > first.version);
    assert!(roles().await.is_empty());

    let taken = NewUser { id: "b".into(), username: "bob".into(), username_key: "bob".into(), ..NewUser::default() };
    f.store.users().create(&taken, &entry("a")).await.unwrap();
    let refused = f.store.sign_ins().sign_in(&sign_in("bob", None), 7, &entry("a"), &entry("a")).await.unwrap_err();
    assert!(matches!(refused, StoreError::Duplicate { field: "username", .. }), "{refused:?}");
    let bounded = SignIn { boundaries: Some(["gone".to_owned()].into()), ..sign_in("ann", None) };
    let refused = f.store.sign_ins().sign_in(&bounded, 7, &entry("a"), &entry("a")).await.unwrap_err();
    assert!(matches!(refused, StoreError::NotFound { .. }), "{refused:?}");
    assert!(matches!(come(&f, &SignIn { version: 2, ..sign_in("ann", None) }).await, SignedIn::OptionChanged));
    let inactive = UserPatch { active: Some(false), ..UserPatch::default() };
    f.store.users().update("id-ann", &inactive, &entry("a")).await.unwrap();
    assert!(matches!(come(&f, &sign_in("ann", None)).await, SignedIn::Inactive));
}

pub(crate) async fn a_disabled_option_has_no_sessions(f: Fixture) {
    option(&f).await;
    let user = identity(&f, &sign_in("ann", None)).await.user.id;
    let session = |id: &str, login_option: Option<&str>| NewSession {
        id: id.into(),
        hash: SecretHash::of(id),
        user: user.clone(),
        login_option: login_option.map(Into::into),
        address: String::new(),
        user_agent: String::new(),
        expires_at: 100,
        ends_others: false,
    };
    let (sessions, options) = (f.store.sessions(), f.store.login_options());
    let ended = async |id: &str| sessions.find(&SecretHash::of(id), 1).await.unwrap().unwrap().0.ended_by;
    for (id, option) in [("by the option", Some("o")), ("by password", None)] {
        sessions.create(&session(id, option), 1, &entry("Login")).await.unwrap();
    }
    let renamed = options.update("o", 1, &spec("renamed"), BuiltIn::AsSet, &entry("a")).await.unwrap();
    assert_eq!(renamed, Changed::Done);
    assert_eq!(ended("by the option").await, None);
    let off = LoginOptionSpec { enabled: false, ..spec("o") };
    assert_eq!(options.update("o", 2, &off, BuiltIn::AsSet, &entry("a")).await.unwrap(), Changed::Done);
    assert!(ended("by the option").await.is_some());
    assert_eq!(ended("by password").await, None);
    // As a login does that was proven before and comes to its end after.
    let late = sessions.create(&session("late", Some("o")), 1, &entry("Login")).await.unwrap_err();
    assert!(matches!(late, StoreError::NotFound { what: "login option", .. }), "{late:?}");
}

pub(crate) async fn a_removed_option_takes_its_users_along(f: Fixture) {
    option(&f).await;
    identity(&f, &sign_in("ann", Some(&["viewer_id"]))).await;
    assert!(f.store.login_options().has_holder_of("o", "viewer_id").await.unwrap());
    assert!(!f.store.login_options().has_holder_of("o", "super_admin_id").await.unwrap());
    let options = f.store.login_options();
    let removed = options.delete("o", 1, BuiltIn::AsSet, &entry("DeleteLoginOption")).await.unwrap();
    assert_eq!(removed, Changed::Done);
    assert_eq!(f.store.users().get("id-ann").await.unwrap(), None);
    assert!(matches!(come(&f, &sign_in("ann", None)).await, SignedIn::OptionChanged));
}

pub(crate) async fn a_sign_in_ends_once(f: Fixture) {
    let (replica, state) = (f.replica().await, SecretHash::of("state"));
    assert!(f.store.sign_ins().use_once(&state, 10).await.unwrap());
    assert!(!replica.sign_ins().use_once(&state, 10).await.unwrap());
    assert_eq!(f.store.sign_ins().delete_expired(9).await.unwrap(), 0);
    assert_eq!(f.store.sign_ins().delete_expired(10).await.unwrap(), 1);
    let sealed = f.store.sign_ins().seal("o", b"kept").unwrap();
    assert_eq!(replica.sign_ins().open("o", &sealed).as_deref(), Some(b"kept".as_slice()));
    assert_eq!(replica.sign_ins().open("p", &sealed), None);
}

/// Two admins disable the last two options at once, and one of them switches built-in login off meanwhile.
pub(crate) async fn the_last_way_in_stays_whoever_shuts_it(f: Fixture) {
    let replica = f.replica().await;
    let (here, there) = (f.store.login_options(), replica.login_options());
    let off = |name: &str| LoginOptionSpec { enabled: false, ..spec(name) };
    let entry = entry("a");
    for name in ["a", "b"] {
        here.create(name, &spec(name), &entry).await.unwrap();
    }
    assert!(here.set_built_in(false, Some("a"), &entry).await.unwrap());
    assert!(!here.built_in().await.unwrap());
    let (off_a, off_b) = (off("a"), off("b"));
    let (one, other) =
        tokio::join!(here.update("a", 1, &off_a, BuiltIn::AsSet, &entry), there.delete("b", 1, BuiltIn::AsSet, &entry));
    let outcomes = [one.unwrap(), other.unwrap()];
    assert!(outcomes.contains(&Changed::Done) && outcomes.contains(&Changed::LastWayIn), "{outcomes:?}");
    let left: Vec<String> =
        here.list().await.unwrap().into_iter().filter(|one| one.spec.enabled).map(|one| one.id).collect();
    let [last] = &left[..] else { panic!("{left:?}") };
    assert_eq!(here.update(last, 1, &off_b, BuiltIn::AsSet, &entry).await.unwrap(), Changed::LastWayIn);
    assert!(!here.set_built_in(false, Some("none"), &entry).await.unwrap(), "by an option that is not there");
    assert_eq!(here.delete(last, 1, BuiltIn::Forced, &entry).await.unwrap(), Changed::Done, "by the operator's word");

    // Of switching built-in login off by an option, and disabling that one, one is refused.
    here.create("c", &spec("c"), &entry).await.unwrap();
    assert!(here.set_built_in(true, None, &entry).await.unwrap());
    let off_c = off("c");
    let (switched, disabled) =
        tokio::join!(here.set_built_in(false, Some("c"), &entry), there.update("c", 1, &off_c, BuiltIn::AsSet, &entry));
    let (switched, disabled) = (switched.unwrap(), disabled.unwrap());
    assert_ne!(switched, disabled == Changed::Done, "{switched} {disabled:?}");
}
