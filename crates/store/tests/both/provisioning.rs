//! What is provisioned by SCIM.

use store::iam::provisioning::{
    Condition, Field, Profile, ProvisionedUser, RoleChange, Sort, SortBy, Test, UserChange,
};
use store::iam::sessions::NewSession;
use store::iam::users::{NewUser, UserPatch};
use store::{Direction, Page, SecretHash, StoreError};

use crate::support::*;

const BY_NAME: Sort = Sort { by: SortBy::Name, direction: Direction::Ascending };

async fn provision(f: &Fixture, id: &str, profile: Profile) {
    let new = NewUser {
        id: id.into(),
        username: format!("{id}@example.com"),
        username_key: id.into(),
        email: Some(format!("{id}@Work")),
        ..NewUser::default()
    };
    f.store.provisioning().create_user(&new, true, &profile, &entry("InviteUser")).await.unwrap();
}

fn profile(external_id: &str, further: &[&str]) -> Profile {
    Profile {
        external_id: Some(external_id.into()),
        display_name: Some(format!("100% {external_id}")),
        attributes: "{\"title\":\"t\"}".into(),
        further_emails: further.iter().map(|email| (*email).into()).collect(),
    }
}

fn change(of: &ProvisionedUser) -> UserChange {
    UserChange {
        username: of.user.username.clone(),
        username_key: of.user.id.clone(),
        email: of.user.email.clone(),
        active: of.user.active,
        password_hash: None,
        profile: of.profile.clone(),
    }
}

pub(crate) async fn a_token_is_replaced_and_ends(f: Fixture) {
    let store = f.store.provisioning();
    let before = store.settings().await.unwrap();
    assert_eq!((before.enabled, before.token), (false, None));
    let (first, second) = (SecretHash::of("first"), SecretHash::of("second"));
    store.put_token(&first, Some(10), 1, &entry("a")).await.unwrap();
    store.set_enabled(true, &entry("a")).await.unwrap();
    assert!(store.find_token(&first, 9).await.unwrap().unwrap().enabled);
    assert!(store.find_token(&first, 10).await.unwrap().is_none());
    store.touch_token(5).await.unwrap();
    let token = store.settings().await.unwrap().token.unwrap();
    assert_eq!((token.created_at, token.expires_at, token.last_used_at), (1, Some(10), Some(5)));
    store.put_token(&second, None, 2, &entry("a")).await.unwrap();
    assert!(store.find_token(&first, 2).await.unwrap().is_none());
    let found = store.find_token(&second, i64::MAX).await.unwrap().unwrap();
    assert_eq!(found.token.unwrap().last_used_at, None);
    assert!(found.enabled, "a new token leaves the switch as it is");
}

pub(crate) async fn users_are_kept_and_found(f: Fixture) {
    provision(&f, "ann", profile("X1", &["ann@Home"])).await;
    provision(&f, "bob", profile("x1", &[])).await;
    provision(&f, "cem", Profile { attributes: "{}".into(), ..Profile::default() }).await;
    let text = |field, test, value: &str| Condition::Text(field, test, value.into());
    let not = |condition| Condition::Not(Box::new(condition));
    let cases = [
        (text(Field::Username, Test::Equals, "ANN@example.com"), vec!["ann"]),
        (text(Field::Username, Test::Contains, "@EXAMPLE"), vec!["ann", "bob", "cem"]),
        (text(Field::Username, Test::Contains, "_"), vec![]),
        (text(Field::Username, Test::Contains, ""), vec!["ann", "bob", "cem"]),
        (text(Field::Username, Test::StartsWith, "B"), vec!["bob"]),
        (text(Field::ExternalId, Test::Equals, "X1"), vec!["ann"]),
        (not(text(Field::ExternalId, Test::Equals, "X1")), vec!["bob", "cem"]),
        (text(Field::Id, Test::Equals, "bob"), vec!["bob"]),
        (text(Field::DisplayName, Test::StartsWith, "100% x"), vec!["ann", "bob"]),
        (text(Field::DisplayName, Test::StartsWith, "%"), vec![]),
        (text(Field::Email, Test::Equals, "ann@work"), vec!["ann"]),
        (text(Field::Email, Test::Equals, "ANN@home"), vec!["ann"]),
        (Condition::Present(Field::ExternalId), vec!["ann", "bob"]),
        (Condition::Active(false), vec![]),
        (Condition::All(vec![Condition::Active(true), not(Condition::Present(Field::ExternalId))]), vec!["cem"]),
        (Condition::Any(vec![]), vec![]),
        (Condition::All(vec![]), vec!["ann", "bob", "cem"]),
        (
            Condition::Any(vec![text(Field::Id, Test::Equals, "ann"), text(Field::Id, Test::Equals, "cem")]),
            vec!["ann", "cem"],
        ),
    ];
    for (condition, expected) in cases {
        let found = f.store.provisioning().users(Some(&condition), BY_NAME, Page::after(0, 10)).await.unwrap();
        let ids: Vec<_> = found.list.iter().map(|one| one.user.id.as_str()).collect();
        assert_eq!(ids, expected, "{condition:?}");
        assert_eq!(found.total, expected.len() as u64);
    }
    let descending = Sort { direction: Direction::Descending, ..BY_NAME };
    let second = f.store.provisioning().users(None, descending, Page::after(1, 1)).await.unwrap();
    assert_eq!((second.total, second.list[0].user.id.as_str()), (3, "bob"));
    let ann = f.store.provisioning().user("ann").await.unwrap();
    assert_eq!(ann.profile, Profile { further_emails: vec![], ..profile("X1", &[]) });
    f.store.users().delete("ann", &entry("a")).await.unwrap();
    assert!(matches!(f.store.provisioning().user("ann").await.unwrap_err(), StoreError::NotFound { .. }));
}

pub(crate) async fn a_change_is_made_to_what_was_read(f: Fixture) {
    provision(&f, "ann", profile("1", &[])).await;
    provision(&f, "bob", profile("2", &[])).await;
    let store = f.store.provisioning();
    let before = store.user("ann").await.unwrap();
    let hash = SecretHash::of("cookie");
    let session = NewSession {
        id: "s".into(),
        hash,
        user: "ann".into(),
        login_option: None,
        address: String::new(),
        user_agent: String::new(),
        expires_at: 100,
        ends_others: false,
    };
    f.store.sessions().create(&session, 1, &entry("Login")).await.unwrap();
    let shut_out = UserChange { active: false, username: "Ann".into(), ..change(&before) };
    store.update_user(&before, &shut_out, &entry("a")).await.unwrap();
    assert!(f.store.sessions().find(&hash, 2).await.unwrap().is_none(), "a session outlives its user's activity");
    let after = store.user("ann").await.unwrap();
    assert_eq!(
        (after.user.active, after.user.username.as_str(), after.user.must_change_password),
        (false, "Ann", false)
    );
    let stale = store.update_user(&before, &shut_out, &entry("a")).await.unwrap_err();
    assert!(matches!(stale, StoreError::Changed { .. }), "{stale:?}");
    let named = UserChange { password_hash: Some("$x".into()), ..change(&after) };
    store.update_user(&after, &named, &entry("a")).await.unwrap();
    let after = store.user("ann").await.unwrap();
    assert_eq!((after.user.password_hash.as_str(), after.user.must_change_password), ("$x", true));
    let taken = UserChange { username_key: "bob".into(), ..change(&after) };
    let taken = store.update_user(&after, &taken, &entry("a")).await.unwrap_err();
    assert!(matches!(taken, StoreError::Duplicate { field: "username", .. }), "{taken:?}");
    f.store
        .users()
        .update("ann", &UserPatch { active: Some(true), ..UserPatch::default() }, &entry("a"))
        .await
        .unwrap();
    assert_eq!(
        store.user("ann").await.unwrap().profile.external_id.as_deref(),
        Some("1"),
        "an admin's change undoes it"
    );
}

pub(crate) async fn roles_have_members(f: Fixture) {
    provision(&f, "ann", Profile { attributes: "{}".into(), ..Profile::default() }).await;
    provision(&f, "bob", Profile { attributes: "{}".into(), ..Profile::default() }).await;
    let store = f.store.provisioning();
    let members = async |role: &str| {
        let members = store.members(&[role.into()]).await.unwrap().remove(role).unwrap_or_default();
        members.into_iter().map(|member| member.id).collect::<Vec<_>>()
    };
    store.create_role("r", "Team", Some("e"), &["ann".into()], &entry("a")).await.unwrap();
    assert_eq!(members("r").await, ["ann"]);
    let nobody = store.create_role("s", "Other", None, &["none".into()], &entry("a")).await.unwrap_err();
    assert!(matches!(nobody, StoreError::NotFound { what: "user", .. }), "{nobody:?}");
    let before = store.role("r").await.unwrap();
    let same = RoleChange { external_id: before.external_id.clone(), ..RoleChange::default() };
    let add = RoleChange { add: vec!["bob".into(), "ann".into()], ..same.clone() };
    store.update_role(&before, &add, &entry("a")).await.unwrap();
    // The other client read before that; it takes ann and leaves bob alone.
    let take = RoleChange { remove: vec!["ann".into()], ..same.clone() };
    store.update_role(&before, &take, &entry("a")).await.unwrap();
    assert_eq!(members("r").await, ["bob"]);
    let rename = RoleChange { name: Some("Crew".into()), ..same };
    store.update_role(&before, &rename, &entry("a")).await.unwrap();
    let stale = store.update_role(&before, &rename, &entry("a")).await.unwrap_err();
    assert!(matches!(stale, StoreError::Changed { .. }), "{stale:?}");
    let ids = async |condition: Condition| {
        let found = store.roles(Some(&condition), BY_NAME, Page::after(0, 10)).await.unwrap();
        found.list.into_iter().map(|one| one.role.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(Condition::Text(Field::RoleName, Test::Equals, "crew".into())).await, ["r"]);
    assert_eq!(ids(Condition::Member("bob".into())).await, ["r"]);
    assert_eq!(ids(Condition::Member("ann".into())).await, Vec::<String>::new());
    store.delete_role("r", &entry("a")).await.unwrap();
    assert_eq!(members("r").await, Vec::<String>::new());
    for gone in ["r", "viewer_id"] {
        let refused = store.delete_role(gone, &entry("a")).await.unwrap_err();
        assert!(matches!(refused, StoreError::NotFound { .. }), "{gone}: {refused:?}");
    }
}
