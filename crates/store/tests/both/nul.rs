//! The character NUL, which PostgreSQL has in no text: both databases answer alike.

use model::policy::Scope;
use model::{Kind, LabelSelector};
use serde_json::json;
use store::audit::AuditFilter;
use store::config::ResourceFilter;
use store::groups::GroupFilter;
use store::iam::provisioning::{Condition, Field, Sort, SortBy, Test};
use store::iam::roles::{NamedFilter, RoleSpec};
use store::iam::users::{NewUser, UserFilter, UserPatch};
use store::{AuditEntry, Direction, Outcome, Page, RequestContext, StoreError};

use crate::support::*;

const NUL: &str = "a\0b";

#[track_caller]
fn is_refused<T>(outcome: Result<T, StoreError>) {
    let refused = outcome.err().expect("taken");
    assert!(matches!(refused, StoreError::Nul), "{refused:?}");
    assert_eq!(refused.to_string(), "a text with the character NUL cannot be kept or looked for");
}

pub(crate) async fn no_text_with_it_is_kept(f: Fixture) {
    let g = create_group(&f.store, "g").await;
    let described = store::groups::NewGroup { description: NUL.into(), ..new_group("x", &[]) };
    is_refused(f.store.groups().create(&described, &entry("a")).await);
    is_refused(f.store.groups().create(&new_group("x", &[("env", NUL)]), &entry("a")).await);
    is_refused(commit(&f.store, &g, 0, vec![put(Kind::Route, "r", r#"{"name":"a\u0000b"}"#)]).await);
    is_refused(commit(&f.store, &g, 0, vec![put(Kind::Route, "r", r#"{"labels":{"a\u0000b":""}}"#)]).await);
    let role = RoleSpec { name: NUL.into(), ..RoleSpec::default() };
    is_refused(f.store.roles().create("r", &role, &[], &entry("a")).await);
    let user = NewUser { id: "u".into(), username: "u".into(), username_key: "u".into(), ..NewUser::default() };
    f.store.users().create(&user, &entry("a")).await.unwrap();
    let patch = UserPatch { email: Some(Some(NUL.into())), ..UserPatch::default() };
    is_refused(f.store.users().update("u", &patch, &entry("a")).await);
    is_refused(f.store.users().set_key("u", NUL).await);
    assert_eq!(f.store.users().get("u").await.unwrap().unwrap().email, None);
    assert_eq!(f.store.config().head(&g).await.unwrap().revision, 0);
    assert_eq!(f.store.audit().list(&AuditFilter::default(), Direction::Ascending, None).await.unwrap().total, 2);
}

pub(crate) async fn no_text_with_it_is_looked_for(f: Fixture) {
    let g = create_group(&f.store, "g").await;
    let (everything, page) = (Scope::Everything, Some(Page::new(1, 1)));
    let labels = || LabelSelector::parse(&format!("env={NUL}"));
    is_refused(f.store.users().get(NUL).await);
    is_refused(f.store.users().by_login(NUL).await);
    for page in [None, page] {
        let search = UserFilter { search: Some(NUL.into()), page, ..UserFilter::default() };
        is_refused(f.store.users().list(&search, &everything).await);
    }
    is_refused(f.store.groups().list(&GroupFilter { labels: labels(), ..GroupFilter::default() }, &everything).await);
    let named = NamedFilter { name: Some(NUL.into()), ..NamedFilter::default() };
    is_refused(f.store.roles().list(&named, &everything).await);
    let labelled = ResourceFilter { labels: labels(), ..ResourceFilter::new(Kind::Route) };
    is_refused(f.store.config().list(&g, &labelled, &everything).await);
    let condition = Condition::Text(Field::Username, Test::Equals, NUL.into());
    let sort = Sort { by: SortBy::Name, direction: Direction::Ascending };
    is_refused(f.store.provisioning().users(Some(&condition), sort, Page::after(0, 10)).await);
    let logged = AuditFilter { search: Some(NUL.into()), ..AuditFilter::default() };
    is_refused(f.store.audit().list(&logged, Direction::Ascending, None).await);
    is_refused(f.store.users().delete(NUL, &entry("a")).await);
}

/// What somebody sent who was refused must not keep the refusal out of the log.
pub(crate) async fn the_audit_log_shows_where_it_stood(f: Fixture) {
    let refused = AuditEntry {
        request: RequestContext { path: format!("/api/users/{NUL}"), ..RequestContext::default() },
        resource_id: NUL.into(),
        error: format!("user {NUL:?} does not exist: {NUL}"),
        outcome: Outcome::Refused,
        detail: json!({ "before": NUL }),
        ..entry("GetUser")
    };
    f.store.audit().record(&refused).await.unwrap();
    let rows = f.store.audit().list(&AuditFilter::default(), Direction::Ascending, None).await.unwrap().list;
    let kept = &rows[0].entry;
    assert_eq!((kept.resource_id.as_str(), kept.request.path.as_str()), ("a\u{fffd}b", "/api/users/a\u{fffd}b"));
    assert!(kept.error.ends_with("exist: a\u{fffd}b"), "{}", kept.error);
    assert_eq!(kept.detail, json!({ "before": NUL }), "JSON escapes it");
    assert_eq!(f.store.audit().verify().await.unwrap().broken(), None);
}
