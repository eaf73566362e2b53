use model::policy::Scope;
use model::{Kind, LabelSelector};
use store::groups::{GroupFilter, GroupPatch};
use store::{Direction, Order, OrderBy, Page, StoreError};

use crate::support::*;

pub(crate) async fn made_found_and_listed(f: Fixture) {
    let new = new_group("g1", &[("env", "prod")]);
    let made = f.store.groups().create(&new, &entry("CreateGatewayGroup")).await.unwrap();
    let found = f.store.groups().get(&group("g1")).await.unwrap();
    assert_eq!(found, made);
    assert_eq!((found.revision, found.labels, found.variables), (0, new.labels, new.variables));
    assert_eq!((found.description.as_str(), found.region.as_deref()), ("für Zahlungen", Some("eu")));
    assert!(!found.short_id.is_empty());
    let head = f.store.config().head(&group("g1")).await.unwrap();
    assert_eq!((head.revision, head.digest, head.signature), (0, model::Digest::default(), vec![1, 2, 3]));
    let missing = f.store.groups().get(&group("g2")).await.unwrap_err();
    assert!(matches!(missing, StoreError::NotFound { what: "gateway group", .. }), "{missing}");
}

pub(crate) async fn a_name_is_taken_once(f: Fixture) {
    create_group(&f.store, "g1").await;
    create_group(&f.store, "g2").await;
    let mut same_name = new_group("g3", &[]);
    same_name.name = "name of g1".into();
    let error = f.store.groups().create(&same_name, &entry("a")).await.unwrap_err();
    assert!(matches!(error, StoreError::Duplicate { field: "name", .. }), "{error:?}");
    let same_id = f.store.groups().create(&new_group("g1", &[]), &entry("a")).await.unwrap_err();
    assert!(matches!(same_id, StoreError::Duplicate { .. }), "{same_id:?}");
    let rename = GroupPatch { name: Some("name of g1".into()), ..GroupPatch::default() };
    let error = f.store.groups().update(&group("g2"), &rename, &entry("a")).await.unwrap_err();
    assert!(matches!(error, StoreError::Duplicate { field: "name", .. }), "{error:?}");
    assert_eq!(f.store.groups().list(&GroupFilter::default(), &Scope::Everything).await.unwrap().total, 2);
}

async fn ids(f: &Fixture, filter: GroupFilter) -> Vec<String> {
    let order = Order { by: OrderBy::Id, direction: Direction::Ascending };
    let listed = f.store.groups().list(&GroupFilter { order, ..filter }, &Scope::Everything).await.unwrap();
    assert_eq!(listed.total, listed.list.len() as u64);
    listed.list.into_iter().map(|group| group.id.into()).collect()
}

pub(crate) async fn filtered_by_label_search_and_name(f: Fixture) {
    for (id, labels) in
        [("a", vec![("env", "prod"), ("line", "payment")]), ("b", vec![("env", "prod")]), ("c_c", vec![("line", "x")])]
    {
        f.store.groups().create(&new_group(id, &labels), &entry("a")).await.unwrap();
    }
    let labels = |text: &str| GroupFilter { labels: LabelSelector::parse(text), ..GroupFilter::default() };
    assert_eq!(ids(&f, labels("env=prod")).await, ["a", "b"]);
    assert_eq!(ids(&f, labels("env=prod,line")).await, ["a"]);
    assert_eq!(ids(&f, labels("line")).await, ["a", "c_c"]);
    assert!(ids(&f, labels("env=' OR 1=1 --")).await.is_empty());
    let search = |text: &str| GroupFilter { search: Some(text.into()), ..GroupFilter::default() };
    assert_eq!(ids(&f, search("NAME OF")).await, ["a", "b", "c_c"]);
    assert_eq!(ids(&f, search("c_c")).await, ["c_c"]);
    assert!(ids(&f, search("%")).await.is_empty());
    let exact = GroupFilter { name: Some("name of b".into()), ..search("name") };
    assert_eq!(ids(&f, exact).await, ["b"]);
    let part = GroupFilter { name: Some("name of".into()), ..GroupFilter::default() };
    assert!(ids(&f, part).await.is_empty());
}

pub(crate) async fn paged_in_order(f: Fixture) {
    for id in ["g1", "g2", "g3", "g4", "g5"] {
        create_group(&f.store, id).await;
    }
    let page = |number| GroupFilter {
        page: Some(Page::new(number, 2)),
        order: Order { by: OrderBy::Name, direction: Direction::Descending },
        ..GroupFilter::default()
    };
    let mut seen = Vec::new();
    for number in 1..=4 {
        let listed = f.store.groups().list(&page(number), &Scope::Everything).await.unwrap();
        assert_eq!(listed.total, 5);
        seen.extend(listed.list.into_iter().map(|group| group.id.to_string()));
    }
    assert_eq!(seen, ["g5", "g4", "g3", "g2", "g1"]);
}

pub(crate) async fn patched(f: Fixture) {
    f.store.groups().create(&new_group("g", &[("env", "dev")]), &entry("a")).await.unwrap();
    let patch = GroupPatch {
        labels: Some([("env".to_owned(), "prod".to_owned())].into()),
        region: Some(None),
        ..GroupPatch::default()
    };
    let patched = f.store.groups().update(&group("g"), &patch, &entry("a")).await.unwrap();
    assert_eq!(patched, f.store.groups().get(&group("g")).await.unwrap());
    assert_eq!((patched.region.as_deref(), patched.name.as_str()), (None, "name of g"));
    let dev = GroupFilter { labels: LabelSelector::parse("env=dev"), ..GroupFilter::default() };
    assert!(ids(&f, dev).await.is_empty());
    let missing = f.store.groups().update(&group("h"), &patch, &entry("a")).await.unwrap_err();
    assert!(matches!(missing, StoreError::NotFound { .. }));
}

pub(crate) async fn deleted_with_all_they_have(f: Fixture) {
    let gone = create_group(&f.store, "gone").await;
    let stays = create_group(&f.store, "stays").await;
    for id in [&gone, &stays] {
        let changes = vec![put(Kind::Route, "r", r#"{"name":"r","labels":{"a":"b"}}"#)];
        commit(&f.store, id, 0, changes).await.unwrap();
    }
    f.store.groups().delete(&gone, &entry("DeleteGatewayGroup")).await.unwrap();
    assert!(matches!(f.store.config().load(&gone).await.unwrap_err(), StoreError::NotFound { .. }));
    assert!(matches!(f.store.config().revisions_after(&gone, 0, 9).await.unwrap_err(), StoreError::NotFound { .. }));
    assert!(matches!(f.store.groups().delete(&gone, &entry("a")).await.unwrap_err(), StoreError::NotFound { .. }));
    assert_eq!(assert_log_is_whole(&f.store, &stays).await, 1);
    // A group of the same id begins from nothing.
    create_group(&f.store, "gone").await;
    assert_eq!(assert_log_is_whole(&f.store, &gone).await, 0);
    let mut heads = f.store.subscribe();
    commit(&f.store, &gone, 0, vec![put(Kind::Route, "r", "{}")]).await.unwrap();
    assert_eq!(heads.recv().await.unwrap().revision, 1);
}
