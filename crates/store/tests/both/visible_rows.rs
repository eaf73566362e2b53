//! Each list that goes by policies shows by SQL what policies say of its rows one by one.

use std::collections::BTreeMap;

use model::policy::{
    Access, Attached, Cap, ConditionKey, ListTarget, Policy, PolicyDocument, Role, RowArn, Scope, Target, arn,
};
use model::{Change, GroupId, Kind, Labels, ResourceKey};
use serde_json::{Value, json};
use store::config::{ParentFilter, ResourceFilter};
use store::iam::policies::PolicySpec;
use store::iam::roles::{NamedFilter, RoleSpec};
use store::iam::users::{NewUser, UserFilter};
use store::instances::{InstanceFilter, Joining, Liveness};

use crate::support::*;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn policy(statements: &[Value]) -> Policy {
    let document = PolicyDocument::parse(&json!({ "statement": statements })).unwrap();
    Policy { id: "p".into(), name: "p".into(), document }
}

fn access(statements: &[Value]) -> Access {
    let role = Role { id: "r".into(), name: "r".into() };
    Access::new(vec![Attached { policy: policy(statements).into(), role: role.into() }], Vec::new())
}

/// A list, and how policies see its rows when they are looked at one by one.
struct Looked<'a> {
    action: &'static str,
    target: ListTarget<'a>,
    rows: Vec<(String, Target<'a>)>,
    /// About these rows, in every sort of predicate.
    statements: Vec<Value>,
}

impl Looked<'_> {
    /// Every statement alone, every two, and all together: given by a role, and as a boundary of one that gives
    /// everything.
    async fn is_the_same_in(&self, list: &List, f: &Fixture) {
        let mut sets = vec![self.statements.clone()];
        for (n, one) in self.statements.iter().enumerate() {
            sets.push(vec![one.clone()]);
            sets.extend(self.statements.iter().skip(n + 1).map(|other| vec![one.clone(), other.clone()]));
        }
        let everything = [json!({ "effect": "allow", "actions": ["<.*>"], "resources": ["<.*>"] })];
        let mut some_of_them = 0;
        for set in sets {
            let cap = Cap { name: "permission boundary".into(), policies: vec![policy(&set).into()] };
            for access in [access(&set), access(&everything).capped(cap)] {
                let allowed = self.rows.iter().filter(|(_, row)| access.allows(&[self.action], row));
                let mut expected: Vec<&str> = allowed.map(|(id, _)| id.as_str()).collect();
                let scope = access.scope(&[self.action], &self.target);
                let mut found = list.seen(f, &scope).await;
                expected.sort_unstable();
                found.sort_unstable();
                assert_eq!(found, expected, "{set:?} as {scope:?}");
                some_of_them += usize::from(!found.is_empty() && found.len() < self.rows.len());
            }
        }
        assert!(some_of_them > 20, "hardly a statement tells the rows apart: {some_of_them}");
    }
}

/// A list of the store.
enum List {
    Users,
    Roles,
    Policies,
    /// Of a kind in a group; what is below another has the other's id before its own.
    Resources(&'static str, Kind),
    /// Of all groups, by their groups.
    Instances,
    /// The groups that have any.
    CountsOfInstances,
    /// The groups that have any.
    CountsOfCertificates,
}

impl List {
    /// What it shows in this scope.
    async fn seen(&self, f: &Fixture, scope: &Scope) -> Vec<String> {
        let (by_name, instances) = (NamedFilter::default(), f.store.instances());
        match self {
            List::Users => {
                let listed = f.store.users().list(&UserFilter::default(), scope).await.unwrap().list;
                listed.into_iter().map(|user| user.id).collect()
            }
            List::Roles => {
                let listed = f.store.roles().list(&by_name, scope).await.unwrap().list;
                listed.into_iter().map(|role| role.id).collect()
            }
            List::Policies => {
                let listed = f.store.policies().list(&by_name, scope).await.unwrap().list;
                listed.into_iter().map(|policy| policy.id).collect()
            }
            List::Resources(of, kind) => {
                let filter = ResourceFilter { parent: ParentFilter::Any, ..ResourceFilter::new(*kind) };
                let listed = f.store.config().list(&group(of), &filter, scope).await.unwrap().list;
                let named = |key: ResourceKey| match key.parent {
                    Some(parent) => format!("{parent}/{}", key.id),
                    None => key.id.to_string(),
                };
                listed.into_iter().map(|one| named(one.key)).collect()
            }
            List::Instances => {
                let listed = instances.list(&InstanceFilter::default(), scope, LIVE).await.unwrap().list;
                let by_status = instances.count_by_status(None, scope, LIVE).await.unwrap();
                assert_eq!(by_status.values().sum::<u64>(), listed.len() as u64, "counted by status");
                listed.into_iter().map(|instance| instance.group.to_string()).collect()
            }
            List::CountsOfInstances => counted(instances.count_by_group(scope).await.unwrap()),
            List::CountsOfCertificates => counted(f.store.config().count_by_group(Kind::Ssl, scope).await.unwrap()),
        }
    }
}

/// The groups; each has as many as its place in [`IDS`] says.
fn counted(counts: BTreeMap<GroupId, u64>) -> Vec<String> {
    for (at, id) in IDS.into_iter().enumerate() {
        assert!(counts.get(&group_id(id)).is_none_or(|count| *count == at as u64 + 1), "{counts:?}");
    }
    counts.into_keys().map(|id| id.to_string()).collect()
}

const LIVE: Liveness = Liveness { now: 1_000, lost_after: 30, offline_after: 100 };
const IDS: [&str; 6] = ["a-1", "a-2", "a-33", "B-1", "b-1", "a_1"];

/// Of the row at this place in a list of this sort: rows of two sorts have the same ids and other labels.
fn labels_of(sort: usize, at: usize) -> Labels {
    let all: [&[(&str, &str)]; 6] =
        [&[("team", "a")], &[("team", "b")], &[("team", "a"), ("line", "x")], &[], &[("line", "")], &[("team", "ab%")]];
    labels(all[(at + sort) % all.len()])
}

fn statement(effect: &str, action: &str, resource: &str) -> Value {
    json!({ "effect": effect, "actions": [action], "resources": [resource] })
}

fn under(mut statement: Value, key: &str, options: Value) -> Value {
    statement["conditions"][key] = json!({ "type": "MatchLabel", "options": options });
    statement
}

fn exactly(label: &str, value: &str) -> Value {
    json!({ "key": label, "operator": "exact_match", "value": value })
}

/// About rows whose ARNs begin with this and whose labels conditions of `key` look at.
fn about(prefix: &str, key: &str, action: &str) -> Vec<Value> {
    let allow = |pattern: &str| statement("allow", action, &format!("{prefix}{pattern}"));
    let deny = |pattern: &str| statement("deny", action, &format!("{prefix}{pattern}"));
    let part = |value: &str| json!({ "key": "team", "operator": "contains_string", "value": value });
    vec![
        allow("<.*>"),
        allow("a-1"),
        allow("a-<.*>"),
        allow("<[a-b]-[0-9]{1,2}>"),
        allow("<(?i)A.*>"),
        under(allow("<.*>"), key, exactly("team", "a")),
        under(allow("<.*>"), key, part("b")),
        under(allow("<.*>"), key, part("%")),
        under(allow("a<.*>"), key, json!({ "key": "line", "operator": "present" })),
        under(allow("<.*>"), key, json!([exactly("team", "a"), exactly("line", "x")])),
        deny("<.*-(1|2)>"),
        under(deny("<.*>"), key, exactly("team", "b")),
    ]
}

async fn people(f: &Fixture) -> Vec<Vec<String>> {
    let mut boundaries = Vec::new();
    for (at, id) in IDS.into_iter().enumerate() {
        let name = format!("name of {id}");
        let document = json!({ "statement": [] }).to_string();
        let spec = PolicySpec { name: name.clone(), labels: labels_of(2, at), document, ..Default::default() };
        f.store.policies().create(id, &spec, &entry("a")).await.unwrap();
        let spec = RoleSpec { name, labels: labels_of(1, at), ..RoleSpec::default() };
        f.store.roles().create(id, &spec, &[], &entry("a")).await.unwrap();
    }
    for (at, id) in IDS.into_iter().enumerate() {
        let all: [&[&str]; 4] = [&[], &["a-1"], &["a-1", "b-1"], &["b-1"]];
        let of_this: Vec<String> = all[at % 4].iter().map(|id| (*id).to_owned()).collect();
        let (id, username, username_key) = (id.into(), id.into(), id.into());
        let boundaries_of_this = of_this.clone();
        let labels = labels_of(0, at);
        let new = NewUser { id, username, username_key, labels, boundaries: boundaries_of_this, ..NewUser::default() };
        f.store.users().create(&new, &entry("a")).await.unwrap();
        boundaries.push(of_this);
    }
    boundaries
}

/// The labels that are looked at when one object is decided on.
async fn own_labels(f: &Fixture, kind: &'static str, id: &str) -> Labels {
    f.store.grants().labels(kind, id).await.unwrap()
}

pub(crate) async fn users_as_policies_say(f: Fixture) {
    let boundaries = people(&f).await;
    let mut rows = Vec::new();
    for ((at, id), boundaries) in IDS.into_iter().enumerate().zip(&boundaries) {
        let labels = own_labels(&f, "user", id).await;
        assert_eq!(labels, labels_of(0, at), "a role of the same id has others");
        let row = Target::new(arn::user(id)).with_labels(ConditionKey::UserLabel, labels).bounded_by(boundaries);
        rows.push((id.to_owned(), row));
    }
    let action = "iam:GetUser";
    let bounded = |effect: &str, by: Value| {
        let mut statement = statement(effect, action, "arn:api7:iam:user/<.*>");
        statement["conditions"]["permission_boundaries"] = json!({ "type": "AllOfStrings", "options": by });
        statement
    };
    let mut statements = about(arn::USERS, "user_label", action);
    statements.extend([
        bounded("allow", json!(["a-1"])),
        bounded("allow", json!(["a-1", "b-1"])),
        bounded("allow", json!(["none"])),
        bounded("allow", json!(["a-1", "\0"])),
        bounded("deny", json!(["\0"])),
        bounded("deny", json!(["b-1"])),
        under(bounded("allow", json!(["a-1"])), "user_label", exactly("team", "a")),
        under(bounded("deny", json!(["a-1"])), "user_label", exactly("team", "b")),
    ]);
    let target = ListTarget::new()
        .rows(RowArn::new(arn::USERS))
        .labelled_by_row(ConditionKey::UserLabel)
        .labelled_by_row(ConditionKey::PermissionBoundaries);
    Looked { action, target, rows, statements }.is_the_same_in(&List::Users, &f).await;
}

pub(crate) async fn roles_and_policies_as_policies_say(f: Fixture) {
    people(&f).await;
    let of_roles = ("role", "iam:GetRole", ConditionKey::RoleLabel, arn::ROLES);
    let of_policies =
        ("permission_policy", "iam:GetPermissionPolicy", ConditionKey::PermissionPolicyLabel, arn::PERMISSION_POLICIES);
    for (sort, list, (kind, action, key, prefix)) in [(1, List::Roles, of_roles), (2, List::Policies, of_policies)] {
        // With those that came with the product.
        let all = list.seen(&f, &Scope::Everything).await;
        assert!(all.len() > IDS.len());
        let mut rows = Vec::new();
        for id in all {
            let labels = own_labels(&f, kind, &id).await;
            let given = IDS.iter().position(|own| *own == id).map(|at| labels_of(sort, at)).unwrap_or_default();
            assert_eq!(labels, given, "a user of the same id has others");
            rows.push((id.clone(), Target::new(format!("{prefix}{id}")).with_labels(key, labels)));
        }
        let target = ListTarget::new().rows(RowArn::new(prefix)).labelled_by_row(key);
        let statements = about(prefix, key.as_str(), action);
        Looked { action, target, rows, statements }.is_the_same_in(&list, &f).await;
    }
}

/// Resources of this kind with these ids in a group, each with labels of its own.
fn labelled_resources(kind: Kind, sort: usize) -> Vec<Change> {
    let body = |at| json!({ "labels": labels_of(sort, at) }).to_string();
    IDS.into_iter().enumerate().map(|(at, id)| put(kind, id, &body(at))).collect()
}

/// Two groups, labelled unlike, with the same ids and other labels in each.
async fn two_groups(f: &Fixture, kind: Kind, more: Vec<Change>) -> [(&'static str, Labels); 2] {
    let groups = [("g", labels(&[("env", "prod")])), ("h", labels(&[("env", "test")]))];
    for (sort, (id, of_group)) in groups.iter().enumerate() {
        let pairs: Vec<_> = of_group.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        f.store.groups().create(&new_group(id, &pairs), &entry("CreateGatewayGroup")).await.unwrap();
        let changes = labelled_resources(kind, sort).into_iter().chain(more.clone()).collect();
        commit(&f.store, &group(id), 0, changes).await.unwrap();
    }
    groups
}

async fn labels_of_resource(f: &Fixture, group: &str, kind: Kind, of: &str) -> Labels {
    f.store.config().labels(&group_id(group), &key(kind, of)).await.unwrap().unwrap()
}

/// Statements about the two groups as such, for what policies know by them.
fn about_groups(action: &str) -> Vec<Value> {
    let on = |effect: &str, pattern: &str| statement(effect, action, &format!("{}{pattern}", arn::GATEWAY_GROUPS));
    vec![
        on("allow", "g"),
        on("allow", "<[^/]*>"),
        under(on("allow", "<.*>"), "gateway_group_label", exactly("env", "prod")),
        under(on("deny", "<[^/]*>"), "gateway_group_label", exactly("env", "test")),
    ]
}

pub(crate) async fn certificates_as_policies_say(f: Fixture) {
    let action = "gateway:GetCertificate";
    for (sort, (id, of_group)) in two_groups(&f, Kind::Ssl, Vec::new()).await.iter().enumerate() {
        let known = arn::gateway_group(id);
        let mut rows = Vec::new();
        for (at, certificate) in IDS.into_iter().enumerate() {
            let labels = labels_of_resource(&f, id, Kind::Ssl, certificate).await;
            assert_eq!(labels, labels_of(sort, at));
            let row = Target::new(known.clone()).labelled(ConditionKey::GatewayGroupLabel, of_group);
            rows.push((certificate.to_owned(), row.with_labels(ConditionKey::CertificateLabel, labels)));
        }
        let target = ListTarget::new()
            .known(known)
            .labelled_by_row(ConditionKey::CertificateLabel)
            .labelled(ConditionKey::GatewayGroupLabel, of_group);
        let mut statements = about_groups(action);
        // A certificate has no ARN of its own: by its id nobody reaches it.
        statements.extend(about(arn::GATEWAY_GROUPS, "certificate_label", action));
        Looked { action, target, rows, statements }.is_the_same_in(&List::Resources(id, Kind::Ssl), &f).await;
    }
}

pub(crate) async fn consumers_and_credentials_as_policies_say(f: Fixture) {
    let below =
        |parent: &str, name: &str| Change::Put(ResourceKey::below(id(parent), Kind::Credential, id(name)), body("{}"));
    // Consumer groups belong to no consumer; one has the name of one.
    let more = vec![
        below("a-1", "k1"),
        below("a-1", "k2"),
        below("a-2", "k1"),
        below("b-1", "k1"),
        put(Kind::ConsumerGroup, "a-1", r#"{"labels":{"team":"a"}}"#),
    ];
    for (sort, (group, of_group)) in two_groups(&f, Kind::Consumer, more).await.iter().enumerate() {
        let row = |consumer: &str, labels: Labels| {
            let row = Target::new(arn::consumer(group, consumer)).also(arn::gateway_group(group));
            let row = row.labelled(ConditionKey::GatewayGroupLabel, of_group);
            row.with_labels(ConditionKey::ConsumerLabel, labels)
        };
        let mut consumers = Vec::new();
        for (at, consumer) in IDS.into_iter().enumerate() {
            let labels = labels_of_resource(&f, group, Kind::Consumer, consumer).await;
            assert_eq!(labels, labels_of(sort, at));
            consumers.push((consumer.to_owned(), row(consumer, labels)));
        }
        let mut credentials = Vec::new();
        for (consumer, name) in [("a-1", "k1"), ("a-1", "k2"), ("a-2", "k1"), ("b-1", "k1")] {
            let labels = labels_of_resource(&f, group, Kind::Consumer, consumer).await;
            credentials.push((format!("{consumer}/{name}"), row(consumer, labels)));
        }
        let group_of_consumers = row(arn::ANY, Labels::new());
        let lists = [
            (Kind::Consumer, "gateway:GetConsumer", consumers),
            (Kind::Credential, "gateway:GetConsumerCredential", credentials),
        ];
        let target = || {
            ListTarget::new()
                .rows(RowArn::new(arn::consumers(group)))
                .labelled_by_row(ConditionKey::ConsumerLabel)
                .known(arn::gateway_group(group))
                .labelled(ConditionKey::GatewayGroupLabel, of_group)
        };
        for (kind, action, rows) in lists {
            let mut statements = about(&arn::consumers(group), "consumer_label", action);
            statements.extend(about_groups(action));
            let looked = Looked { action, target: target(), rows, statements };
            looked.is_the_same_in(&List::Resources(group, kind), &f).await;
        }
        for (resource, is_seen) in [("<.*>", true), ("*", true), ("a-1", false), ("a<.*>", false)] {
            let access = access(&[statement("allow", "<.*>", &format!("{}{resource}", arn::consumers(group)))]);
            let one_by_one = access.allows(&["gateway:GetConsumer"], &group_of_consumers);
            let scope = access.scope(&["gateway:GetConsumer"], &target());
            let found = List::Resources(group, Kind::ConsumerGroup).seen(&f, &scope).await;
            assert_eq!((one_by_one, found.len()), (is_seen, usize::from(is_seen)), "{resource}");
        }
    }
}

pub(crate) async fn instances_and_counts_as_policies_say(f: Fixture) {
    let mut groups = Vec::new();
    for (at, id) in IDS.into_iter().enumerate() {
        let of_group = labels_of(0, at);
        let pairs: Vec<_> = of_group.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        f.store.groups().create(&new_group(id, &pairs), &entry("CreateGatewayGroup")).await.unwrap();
        let changes = (0..=at).map(|number| put(Kind::Ssl, &format!("c{number}"), "{}")).collect();
        commit(&f.store, &group(id), 0, changes).await.unwrap();
        for number in 0..=at {
            let joining = Joining {
                id: format!("{}-{number}", id.to_lowercase()).parse().unwrap(),
                group: group_id(id),
                hostname: "h".into(),
                version: "0.1.0".into(),
                address: "10.0.0.1".into(),
                certificate_expires_at: 2_000,
                at: 1_000,
            };
            // Two groups differ in the case of their ids alone.
            let id = if id == "B-1" { format!("capital-{number}").parse().unwrap() } else { joining.id.clone() };
            f.store.instances().join(&Joining { id, ..joining }, &entry("JoinInstance")).await.unwrap();
        }
        groups.push((id, of_group, at as u64 + 1));
    }
    let looked = |action: &'static str, many: bool| {
        let mut rows = Vec::new();
        for (id, of_group, count) in &groups {
            let target = || Target::new(arn::gateway_group(id)).labelled(ConditionKey::GatewayGroupLabel, of_group);
            rows.extend((0..if many { *count } else { 1 }).map(|_| ((*id).to_owned(), target())));
        }
        let target =
            ListTarget::new().rows(RowArn::new(arn::GATEWAY_GROUPS)).labelled_by_row(ConditionKey::GatewayGroupLabel);
        let statements = about(arn::GATEWAY_GROUPS, "gateway_group_label", action);
        Looked { action, target, rows, statements }
    };
    looked("gateway:GetGatewayInstance", true).is_the_same_in(&List::Instances, &f).await;
    looked("gateway:GetGatewayInstance", false).is_the_same_in(&List::CountsOfInstances, &f).await;
    looked("gateway:GetGatewayGroup", false).is_the_same_in(&List::CountsOfCertificates, &f).await;
}
