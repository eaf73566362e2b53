//! What of a list may be seen: the predicates of `model::policy` in both databases' SQL.

use model::policy::{
    Access, Attached, ConditionKey, ListTarget, Policy, PolicyDocument, Role, RowArn, Scope, Target, arn,
};
use model::{Kind, Labels, ResourceKey};
use serde_json::{Value, json};
use store::config::ResourceFilter;
use store::groups::GroupFilter;
use store::iam::policies::PolicySpec;
use store::iam::roles::{NamedFilter, RoleSpec};
use store::iam::users::NewUser;
use store::{Page, StoreError};

use crate::support::*;

/// Statements that cover every sort of predicate. `%` and `_` are wildcards of LIKE and of nothing else.
fn statements() -> Vec<Value> {
    let allow = |resource: &str| json!({ "effect": "allow", "actions": ["gateway:Get<.*>"], "resources": [resource] });
    let where_label = |options: Value| {
        let mut statement = allow("arn:api7:gateway:gatewaygroup/<.*>");
        statement["conditions"] = json!({ "gateway_group_label": { "type": "MatchLabel", "options": options } });
        statement
    };
    let group = |pattern: &str| allow(&format!("arn:api7:gateway:gatewaygroup/{pattern}"));
    vec![
        group("<.*>"),
        group("a-1"),
        group("a-<.*>"),
        group("<[a-b]-[0-9]{1,2}>"),
        group("<(a|B)-.*>"),
        group("<(?i)A-.*>"),
        group("a%"),
        group("a_1"),
        group("<.>-1"),
        group("<[\\x00a]>-1"),
        group("a\0"),
        group("a\0<.*>"),
        group("a<[\0-]>1"),
        group("a\0<[0-9]>"),
        where_label(json!({ "key": "env", "operator": "exact_match", "value": "prod\0" })),
        where_label(json!({ "key": "env", "operator": "contains_string", "value": "\0" })),
        where_label(json!({ "key": "\0", "operator": "present" })),
        where_label(json!({ "key": "env", "operator": "exact_match", "value": "prod" })),
        where_label(json!({ "key": "env", "operator": "contains_string", "value": "ro" })),
        where_label(json!({ "key": "env", "operator": "contains_string", "value": "RO" })),
        where_label(json!({ "key": "env", "operator": "contains_string", "value": "%" })),
        where_label(json!({ "key": "line", "operator": "present" })),
        json!({ "effect": "deny", "actions": ["<.*>"], "resources": ["arn:api7:gateway:gatewaygroup/<.*>-2"] }),
    ]
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn access(statements: &[Value]) -> Access {
    let document = PolicyDocument::parse(&json!({ "statement": statements })).unwrap();
    let policy = Policy { id: "p".into(), name: "p".into(), document };
    Access::new(
        vec![Attached { policy: policy.into(), role: Role { id: "r".into(), name: "r".into() }.into() }],
        Vec::new(),
    )
}

/// Every statement alone, every pair of two, and all together give the same by SQL as one by one.
pub(crate) async fn groups_as_policies_say(f: Fixture) {
    let rows = [
        ("a-1", labels(&[("env", "prod")])),
        ("a-2", labels(&[("env", "prod"), ("line", "x")])),
        ("a-33", labels(&[("env", "test")])),
        ("B-1", labels(&[("env", "%")])),
        ("b-1", labels(&[("line", "")])),
        ("a_1", labels(&[])),
    ];
    for (id, labels) in &rows {
        let pairs: Vec<_> = labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        f.store.groups().create(&new_group(id, &pairs), &entry("CreateGatewayGroup")).await.unwrap();
    }
    let all = statements();
    let mut sets: Vec<Vec<Value>> = vec![all.clone()];
    for (n, one) in all.iter().enumerate() {
        sets.push(vec![one.clone()]);
        sets.extend(all.iter().skip(n + 1).map(|other| vec![one.clone(), other.clone()]));
    }
    let target =
        ListTarget::new().rows(RowArn::new(arn::GATEWAY_GROUPS)).labelled_by_row(ConditionKey::GatewayGroupLabel);
    for set in sets {
        let access = access(&set);
        let action = ["gateway:GetGatewayGroup"];
        let allowed = |(id, labels): &&(&str, Labels)| {
            let target = Target::new(arn::gateway_group(id)).labelled(ConditionKey::GatewayGroupLabel, labels);
            access.allows(&action, &target)
        };
        let mut expected: Vec<&str> = rows.iter().filter(allowed).map(|(id, _)| *id).collect();
        let scope = access.scope(&action, &target);
        let listed = f.store.groups().list(&GroupFilter::default(), &scope).await.unwrap();
        let mut found: Vec<&str> = listed.list.iter().map(|group| group.id.as_str()).collect();
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, expected, "{set:?} as {scope:?}");
        let page = GroupFilter { page: Some(Page::new(1, 1)), ..GroupFilter::default() };
        assert_eq!(
            f.store.groups().list(&page, &scope).await.unwrap().total,
            expected.len() as u64,
            "the total of a page"
        );
    }
    let none = f.store.groups().list(&GroupFilter::default(), &Scope::Nothing).await.unwrap();
    assert_eq!((none.total, none.list.len()), (0, 0));
}

/// Policies of as many statements as there may be, by what their statements say. They speak of the groups `g14-x`, `g21-x`, ...
fn largest_policies() -> Vec<(&'static str, Vec<Value>)> {
    let statement = |resource: String, options: Value| {
        let mut statement = json!({ "effect": "allow", "actions": ["gateway:Get<.*>"],
            "resources": [format!("arn:api7:gateway:gatewaygroup/{resource}")] });
        if !options.is_null() {
            statement["conditions"] = json!({ "gateway_group_label": { "type": "MatchLabel", "options": options } });
        }
        statement
    };
    let label = |key: &str, operator: &str, value: String| json!({ "key": key, "operator": operator, "value": value });
    let all = || "<.*>".to_owned();
    let numbers = || (2..model::policy::MAX_STATEMENTS + 2).map(|n| n * 7);
    // As many conditions as control lets through.
    let some = |questions: usize| numbers().take(1_000 / questions);
    let env = |n: usize| label("env", "exact_match", format!("v{n}"));
    let line = || label("line", "exact_match", "l0".into());
    let presence = |n: usize| json!({ "key": format!("k{n}"), "operator": "present" });
    vec![
        ("ids", numbers().map(|n| statement(format!("g{n}-x"), Value::Null)).collect()),
        ("beginnings", some(1).map(|n| statement(format!("g{n}-<.*>"), Value::Null)).collect()),
        ("a value", numbers().map(|n| statement(all(), env(n))).collect()),
        (
            "a value's part",
            some(1).map(|n| statement(all(), label("env", "contains_string", format!("v{n}")))).collect(),
        ),
        ("presence", some(1).map(|n| statement(all(), presence(n))).collect()),
        ("two labels", numbers().map(|n| statement(all(), json!([env(n), line()]))).collect()),
        ("id and label", some(2).map(|n| statement(format!("g{n}-x"), env(n))).collect()),
    ]
}

/// No database's limit on arguments or the depth of an expression is met, and what is listed is right.
pub(crate) async fn groups_as_the_largest_policies_say(f: Fixture) {
    for n in [7, 70, 700] {
        let own = format!("k{n}");
        let (env, line) = (format!("v{n}"), format!("l{}", n % 70));
        let labels = [("env", env.as_str()), (own.as_str(), "x"), ("line", line.as_str())];
        f.store.groups().create(&new_group(&format!("g{n}-x"), &labels), &entry("CreateGatewayGroup")).await.unwrap();
    }
    let target =
        ListTarget::new().rows(RowArn::new(arn::GATEWAY_GROUPS)).labelled_by_row(ConditionKey::GatewayGroupLabel);
    for (sort, statements) in largest_policies() {
        let scope = access(&statements).scope(&["gateway:GetGatewayGroup"], &target);
        let page = GroupFilter { page: Some(Page::new(1, 10)), ..GroupFilter::default() };
        let listed = f.store.groups().list(&page, &scope).await.map_err(|error| format!("{sort}: {error}")).unwrap();
        let mut found: Vec<&str> = listed.list.iter().map(|group| group.id.as_str()).collect();
        found.sort_unstable();
        assert_eq!((listed.total, found), (2, vec!["g70-x", "g700-x"]), "{sort}");
    }
}

pub(crate) async fn resources_by_their_service(f: Fixture) {
    let g = create_group(&f.store, "g").await;
    let put = |key: ResourceKey, body: Value| model::Change::Put(key, body.to_string().into_bytes().into());
    commit(
        &f.store,
        &g,
        0,
        vec![
            put(ResourceKey::new(Kind::Service, id("s1")), json!({ "name": "s1", "labels": { "team": "a" } })),
            put(ResourceKey::new(Kind::Service, id("s2")), json!({ "name": "s2" })),
            put(ResourceKey::new(Kind::Route, id("r1")), json!({ "service_id": "s1" })),
            put(ResourceKey::new(Kind::Route, id("r2")), json!({ "service_id": "s2" })),
            put(ResourceKey::new(Kind::Route, id("r3")), json!({})),
            put(ResourceKey::below(id("s1"), Kind::Upstream, id("u1")), json!({})),
        ],
    )
    .await
    .unwrap();
    let rows = || {
        ListTarget::new().rows(RowArn::new(arn::published_services("g"))).labelled_by_row(ConditionKey::ServiceLabel)
    };
    let seen = async |kind: Kind, statement: Value| {
        let scope = access(&[statement]).scope(&["gateway:GetPublishedService"], &rows());
        let mut filter = ResourceFilter::new(kind);
        filter.parent = store::config::ParentFilter::Any;
        let listed = f.store.config().list(&g, &filter, &scope).await.unwrap();
        let mut ids: Vec<String> = listed.list.iter().map(|one| one.key.id.to_string()).collect();
        ids.sort();
        ids.join(" ")
    };
    let on = |resource: &str| json!({ "effect": "allow", "actions": ["<.*>"], "resources": [resource] });
    let s1 = on("arn:api7:gateway:gatewaygroup/g/publishedservice/s1");
    assert_eq!(seen(Kind::Service, s1.clone()).await, "s1");
    assert_eq!(seen(Kind::Route, s1.clone()).await, "r1");
    assert_eq!(seen(Kind::Upstream, s1).await, "u1");
    assert_eq!(seen(Kind::Route, on("arn:api7:gateway:gatewaygroup/g/publishedservice/<s.>")).await, "r1 r2");
    assert_eq!(seen(Kind::Route, on("arn:api7:gateway:gatewaygroup/<.*>/publishedservice/<.*>")).await, "r1 r2 r3");
    assert_eq!(seen(Kind::Route, on("arn:api7:gateway:gatewaygroup/h/publishedservice/<.*>")).await, "");
    let mut by_label = on("arn:api7:gateway:gatewaygroup/g/publishedservice/<.*>");
    by_label["conditions"] = json!({ "service_label": { "type": "MatchLabel",
        "options": { "key": "team", "operator": "exact_match", "value": "a" } } });
    assert_eq!(seen(Kind::Service, by_label.clone()).await, "s1");
    assert_eq!(seen(Kind::Route, by_label).await, "r1");
}

pub(crate) async fn what_is_attached_stays(f: Fixture) {
    let (policies, roles, users) = (f.store.policies(), f.store.roles(), f.store.users());
    let spec =
        PolicySpec { name: "p".into(), document: "{}".into(), labels: labels(&[("team", "a")]), ..Default::default() };
    let before = f.store.grants().version().await.unwrap();
    policies.create("p1", &spec, &entry("a")).await.unwrap();
    let role = RoleSpec { name: "r".into(), labels: labels(&[("team", "a")]), ..RoleSpec::default() };
    roles.create("r1", &role, &["p1".into()], &entry("a")).await.unwrap();
    let missing =
        roles.create("r2", &RoleSpec { name: "s".into(), ..Default::default() }, &["px".into()], &entry("a")).await;
    assert!(matches!(missing, Err(StoreError::NotFound { .. })), "{missing:?}");
    let new = NewUser { id: "u".into(), username: "u".into(), username_key: "u".into(), ..NewUser::default() };
    users
        .create(&NewUser { roles: vec!["r1".into()], boundaries: vec!["p1".into()], ..new }, &entry("a"))
        .await
        .unwrap();
    let (version, grants) = f.store.grants().of("u").await.unwrap();
    assert!(version > before && grants.len() == 2);
    assert_eq!(grants.iter().filter(|grant| grant.role.is_some()).count(), 1);

    assert!(matches!(policies.delete("p1", &entry("a")).await, Err(StoreError::InUse { .. })));
    assert!(matches!(roles.delete("r1", &entry("a")).await, Err(StoreError::InUse { .. })));
    assert!(matches!(roles.delete("viewer_id", &entry("a")).await, Err(StoreError::NotFound { .. })), "it is built in");
    let unknown = users.set_roles("u", &["none".into()], &entry("a")).await.unwrap_err();
    assert!(matches!(unknown, StoreError::NotFound { .. }), "{unknown:?}");
    assert_eq!(f.store.grants().of("u").await.unwrap().1.len(), 2, "a refused change leaves all as it was");
    users.set_roles("u", &[], &entry("a")).await.unwrap();
    users.set_boundaries("u", &[], &entry("a")).await.unwrap();
    roles.delete("r1", &entry("a")).await.unwrap();
    policies.delete("p1", &entry("a")).await.unwrap();
    let by_label = NamedFilter { labels: model::LabelSelector::parse("team=a"), ..NamedFilter::default() };
    assert_eq!(policies.list(&by_label, &Scope::Everything).await.unwrap().total, 0);
    assert!(f.store.grants().labels("role", "r1").await.unwrap().is_empty());
}

pub(crate) async fn many_users_have_what_each_of_them_has(f: Fixture) {
    let (policies, roles, users) = (f.store.policies(), f.store.roles(), f.store.users());
    for policy in ["p1", "p2"] {
        let spec = PolicySpec { name: policy.into(), document: "{}".into(), ..PolicySpec::default() };
        policies.create(policy, &spec, &entry("a")).await.unwrap();
        let role = RoleSpec { name: format!("role of {policy}"), ..RoleSpec::default() };
        roles.create(&format!("role-{policy}"), &role, &[policy.into()], &entry("a")).await.unwrap();
    }
    let given: [(&str, &[&str], &[&str]); 4] = [
        ("both", &["role-p1", "role-p2"], &[]),
        ("bounded", &["role-p1"], &["p2"]),
        ("none", &[], &[]),
        ("not asked for", &["role-p1"], &["p1"]),
    ];
    let owned = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    for (id, roles, boundaries) in given {
        let (roles, boundaries) = (owned(roles), owned(boundaries));
        let (username, username_key) = (id.into(), id.into());
        let new = NewUser { id: id.into(), username, username_key, roles, boundaries, ..NewUser::default() };
        users.create(&new, &entry("a")).await.unwrap();
    }
    let mut found = f.store.grants().of_all(&owned(&["none", "both", "bounded", "gone"])).await.unwrap();
    for (id, count) in [("both", 2), ("bounded", 2), ("none", 0)] {
        let (mut all, mut one) = (found.remove(id).unwrap_or_default(), f.store.grants().of(id).await.unwrap().1);
        let by_policy = |grant: &store::iam::access::Grant| (grant.policy.clone(), grant.role.is_some());
        all.sort_by_key(by_policy);
        one.sort_by_key(by_policy);
        assert_eq!((all.len(), &all), (count, &one), "{id}");
    }
    assert!(found.is_empty(), "{found:?}");
    assert!(f.store.grants().of_all(&[]).await.unwrap().is_empty());
}

pub(crate) async fn roles_are_replaced_as_they_were_read(f: Fixture) {
    use std::collections::BTreeSet;
    let users = f.store.users();
    let new = NewUser { id: "u".into(), username: "u".into(), username_key: "u".into(), ..NewUser::default() };
    users.create(&NewUser { roles: vec!["viewer_id".into()], ..new }, &entry("a")).await.unwrap();
    assert_eq!(users.first_admin().await.unwrap(), None);
    let set = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<BTreeSet<String>>();
    let replace = async |before: BTreeSet<String>, after: BTreeSet<String>| {
        users.replace_roles("u", &before, &after, &entry("UpdateUserRole")).await
    };
    let both = ["super_admin_id", "viewer_id"];
    for stale in [set(&[]), set(&["super_admin_id"]), set(&both)] {
        let refused = replace(stale, set(&[])).await;
        assert!(matches!(refused, Err(StoreError::Changed { .. })), "{refused:?}");
    }
    let has = async || {
        let roles = f.store.roles().of_users(&["u".to_owned()]).await.unwrap().remove("u").unwrap_or_default();
        roles.into_iter().map(|role| role.id).collect::<Vec<_>>()
    };
    assert_eq!(has().await, ["viewer_id"]);
    replace(set(&["viewer_id"]), set(&both)).await.unwrap();
    assert_eq!(has().await, both);
    assert!(matches!(replace(set(&both), set(&["none"])).await, Err(StoreError::NotFound { .. })));
    assert_eq!(has().await, both, "a refused change leaves all as it was");
    let nobody = users.replace_roles("nobody", &set(&[]), &set(&["viewer_id"]), &entry("a")).await;
    assert!(matches!(nobody, Err(StoreError::NotFound { .. })), "{nobody:?}");
}
