use model::policy::Scope;
use model::{Change, Kind, LabelSelector, ResourceKey};
use store::config::{ParentFilter, ResourceFilter};
use store::{Direction, Order, OrderBy, Page};

use crate::support::*;

fn routes() -> ResourceFilter {
    ResourceFilter {
        order: Order { by: OrderBy::Id, direction: Direction::Ascending },
        ..ResourceFilter::new(Kind::Route)
    }
}

async fn ids(f: &Fixture, filter: ResourceFilter) -> Vec<String> {
    let listed = f.store.config().list(&group("g"), &filter, &Scope::Everything).await.unwrap();
    assert_eq!(listed.total, listed.list.len() as u64);
    listed.list.into_iter().map(|resource| resource.key.id.into()).collect()
}

fn labelled(text: &str) -> ResourceFilter {
    ResourceFilter { labels: LabelSelector::parse(text), ..routes() }
}

pub(crate) async fn filtered_by_what_users_ask_for(f: Fixture) {
    let g = create_group(&f.store, "g").await;
    let changes = vec![
        put(Kind::Service, "s1", r#"{"name":"Pay"}"#),
        put(Kind::Route, "r1", r#"{"name":"Pay in","service_id":"s1","labels":{"env":"prod","line":"pay"}}"#),
        put(Kind::Route, "r2", r#"{"name":"pay out","service_id":"s1","labels":{"env":"dev"}}"#),
        put(Kind::Route, "r3", r#"{"name":"100%"}"#),
        put(Kind::Consumer, "jack", r#"{"username":"jack"}"#),
        put(Kind::Ssl, "c1", r#"{"snis":["a.example","b.example"]}"#),
    ];
    commit(&f.store, &g, 0, changes).await.unwrap();
    assert_eq!(ids(&f, routes()).await, ["r1", "r2", "r3"]);
    assert_eq!(ids(&f, ResourceFilter { service_id: Some(id("s1")), ..routes() }).await, ["r1", "r2"]);
    assert_eq!(ids(&f, labelled("env=prod")).await, ["r1"]);
    assert_eq!(ids(&f, labelled("env")).await, ["r1", "r2"]);
    assert!(ids(&f, labelled("env=prod,line=x")).await.is_empty());
    let search = |kind, text: &str| ResourceFilter { search: Some(text.into()), kind, ..routes() };
    assert_eq!(ids(&f, search(Kind::Route, "PAY")).await, ["r1", "r2"]);
    assert_eq!(ids(&f, search(Kind::Route, "r3")).await, ["r3"]);
    assert_eq!(ids(&f, search(Kind::Route, "0%")).await, ["r3"]);
    assert_eq!(ids(&f, search(Kind::Consumer, "jac")).await, ["jack"]);
    assert_eq!(ids(&f, search(Kind::Ssl, "b.example")).await, ["c1"]);
    assert_eq!(ids(&f, ResourceFilter { name: Some("pay out".into()), ..routes() }).await, ["r2"]);
}

/// PostgreSQL compresses values before it measures them: this one has nothing to compress.
pub(crate) async fn a_long_value_of_a_label_is_kept_and_found(f: Fixture) {
    let long: String = std::iter::repeat_with(|| uuid::Uuid::new_v4().simple().to_string()).take(1500).collect();
    let g = create_group(&f.store, "g").await;
    let body = format!(r#"{{"labels":{{"long":"{long}"}}}}"#);
    commit(&f.store, &g, 0, vec![put(Kind::Route, "r1", &body), put(Kind::Route, "r2", "{}")]).await.unwrap();
    assert_eq!(ids(&f, labelled(&format!("long={long}"))).await, ["r1"]);
    assert_eq!(ids(&f, labelled("long")).await, ["r1"]);
}

pub(crate) async fn labels_follow_the_resource(f: Fixture) {
    let g = create_group(&f.store, "g").await;
    commit(&f.store, &g, 0, vec![put(Kind::Route, "r", r#"{"labels":{"a":"1","b":"1"}}"#)]).await.unwrap();
    commit(&f.store, &g, 1, vec![put(Kind::Route, "r", r#"{"labels":{"a":"2"}}"#)]).await.unwrap();
    assert!(ids(&f, labelled("a=1")).await.is_empty());
    assert!(ids(&f, labelled("b")).await.is_empty());
    assert_eq!(ids(&f, labelled("a=2")).await, ["r"]);
    commit(&f.store, &g, 2, vec![Change::Delete(key(Kind::Route, "r"))]).await.unwrap();
    commit(&f.store, &g, 3, vec![put(Kind::Route, "r", "{}")]).await.unwrap();
    assert!(ids(&f, labelled("a")).await.is_empty());
}

pub(crate) async fn children_belong_to_their_parent(f: Fixture) {
    let g = create_group(&f.store, "g").await;
    let below = |parent: &str, name: &str| ResourceKey::below(id(parent), Kind::Upstream, id(name));
    let changes = vec![
        put(Kind::Upstream, "u", r#"{"name":"top"}"#),
        Change::Put(below("s1", "u"), body(r#"{"name":"of s1"}"#)),
        Change::Put(below("s2", "u"), body(r#"{"name":"of s2"}"#)),
    ];
    commit(&f.store, &g, 0, changes).await.unwrap();
    let names = async |parent| {
        let filter = ResourceFilter { parent, ..ResourceFilter::new(Kind::Upstream) };
        let listed = f.store.config().list(&g, &filter, &Scope::Everything).await.unwrap();
        listed.list.into_iter().map(|resource| resource.name).collect::<Vec<_>>()
    };
    assert_eq!(names(ParentFilter::TopLevel).await, ["top"]);
    assert_eq!(names(ParentFilter::Of(id("s1"))).await, ["of s1"]);
    assert_eq!(names(ParentFilter::Any).await.len(), 3);
    commit(&f.store, &g, 1, vec![Change::Delete(below("s1", "u"))]).await.unwrap();
    assert_eq!(f.store.config().get(&g, &below("s2", "u")).await.unwrap().unwrap().name, "of s2");
    assert_eq!(assert_log_is_whole(&f.store, &g).await, 2);
}

pub(crate) async fn paged_without_gap_or_overlap(f: Fixture) {
    let g = create_group(&f.store, "g").await;
    let changes = (0..25).map(|n| put(Kind::Route, &format!("r{n:02}"), r#"{"name":"same"}"#)).collect();
    commit(&f.store, &g, 0, changes).await.unwrap();
    for by in [OrderBy::CreatedAt, OrderBy::UpdatedAt, OrderBy::Name, OrderBy::Id] {
        let mut seen = std::collections::BTreeSet::new();
        for number in 1..=4 {
            let order = Order { by, direction: Direction::Descending };
            let filter = ResourceFilter { page: Some(Page::new(number, 10)), order, ..routes() };
            let listed = f.store.config().list(&g, &filter, &Scope::Everything).await.unwrap();
            assert_eq!(listed.total, 25);
            assert_eq!(listed.list.len(), [10, 10, 5, 0][number as usize - 1]);
            seen.extend(listed.list.into_iter().map(|resource| resource.key));
        }
        assert_eq!(seen.len(), 25, "{by:?}");
    }
}

pub(crate) async fn counted_by_group(f: Fixture) {
    let (a, b) = (create_group(&f.store, "a").await, create_group(&f.store, "b").await);
    commit(&f.store, &a, 0, vec![put(Kind::Ssl, "1", "{}"), put(Kind::Ssl, "2", "{}")]).await.unwrap();
    commit(&f.store, &b, 0, vec![put(Kind::Route, "1", "{}")]).await.unwrap();
    assert_eq!(
        f.store.config().count_by_group(Kind::Ssl, &Scope::Everything).await.unwrap(),
        [(group_id("a"), 2)].into()
    );
}
