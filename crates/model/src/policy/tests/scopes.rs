use proptest::prelude::*;
use regex::Regex;
use serde_json::{Value, json};

use super::{access, attached, labels, policy};
use crate::label::Labels;
use crate::policy::{Access, Cap, ConditionKey, LabelValue, ListTarget, Predicate, RowArn, Scope, Target, arn};

const GET: &[&str] = &["x:Get", "x:GetOld"];
const IDS: [&str; 7] = ["a", "b", "ab", "ba", "abc", "x-1", "a.b"];

/// A row as a store has it.
#[derive(Debug, Clone)]
struct Row {
    id: String,
    arns: Vec<String>,
    group: Labels,
    own: Labels,
    boundaries: Vec<String>,
}

/// A list: what is known of all rows, and how a row is addressed when it is met alone.
#[derive(Debug, Clone, Copy)]
enum List {
    Groups,
    ServicesOfGroup,
    ServicesOfAll,
    Consumers,
    Users,
}

const LISTS: [List; 5] = [List::Groups, List::ServicesOfGroup, List::ServicesOfAll, List::Consumers, List::Users];

impl List {
    fn target(self, of_group: &Labels) -> ListTarget<'_> {
        let list = ListTarget::new();
        match self {
            List::Groups => {
                list.rows(RowArn::new(arn::GATEWAY_GROUPS)).labelled_by_row(ConditionKey::GatewayGroupLabel)
            }
            List::ServicesOfGroup => list
                .rows(RowArn::new(arn::published_services("a")))
                .labelled(ConditionKey::GatewayGroupLabel, of_group)
                .labelled_by_row(ConditionKey::ServiceLabel),
            List::ServicesOfAll => list
                .rows(RowArn::nested(arn::GATEWAY_GROUPS, arn::PUBLISHED_SERVICES))
                .labelled_by_row(ConditionKey::GatewayGroupLabel)
                .labelled_by_row(ConditionKey::ServiceLabel),
            List::Consumers => list
                .known(arn::gateway_group("a"))
                .rows(RowArn::new(arn::consumers("a")))
                .labelled(ConditionKey::GatewayGroupLabel, of_group)
                .labelled_by_row(ConditionKey::ConsumerLabel),
            List::Users => list
                .rows(RowArn::new(arn::USERS))
                .rows(RowArn::new(arn::ROLES))
                .labelled_by_row(ConditionKey::UserLabel)
                .labelled_by_row(ConditionKey::PermissionBoundaries),
        }
    }

    fn row_arns(self, group: &str, id: &str) -> Vec<String> {
        match self {
            List::Groups => vec![arn::gateway_group(id)],
            List::ServicesOfGroup => vec![arn::published_service("a", id)],
            List::ServicesOfAll => vec![arn::published_service(group, id)],
            List::Consumers => vec![arn::consumer("a", id)],
            List::Users => vec![arn::user(id), arn::role(id)],
        }
    }

    fn single<'a>(self, row: &'a Row, of_group: &'a Labels) -> Target<'a> {
        let target = row.arns[1..].iter().fold(Target::new(&*row.arns[0]), |target, arn| target.also(&**arn));
        match self {
            List::Groups => target.labelled(ConditionKey::GatewayGroupLabel, &row.own),
            List::ServicesOfGroup => target
                .labelled(ConditionKey::GatewayGroupLabel, of_group)
                .labelled(ConditionKey::ServiceLabel, &row.own),
            List::ServicesOfAll => target
                .labelled(ConditionKey::GatewayGroupLabel, &row.group)
                .labelled(ConditionKey::ServiceLabel, &row.own),
            List::Consumers => target
                .also(arn::gateway_group("a"))
                .labelled(ConditionKey::GatewayGroupLabel, of_group)
                .labelled(ConditionKey::ConsumerLabel, &row.own),
            List::Users => target.labelled(ConditionKey::UserLabel, &row.own).bounded_by(&row.boundaries),
        }
    }
}

/// What a store does with a scope.
fn selects(scope: &Scope, list: List, row: &Row) -> bool {
    match scope {
        Scope::Everything => true,
        Scope::Nothing => false,
        Scope::Where(predicate) => holds(predicate, list, row),
    }
}

fn holds(predicate: &Predicate, list: List, row: &Row) -> bool {
    match predicate {
        Predicate::All(parts) => parts.len() > 1 && parts.iter().all(|part| holds(part, list, row)),
        Predicate::Any(parts) => parts.len() > 1 && parts.iter().any(|part| holds(part, list, row)),
        Predicate::Not(part) => !holds(part, list, row),
        Predicate::IdIn(ids) => ids.contains(&row.id),
        Predicate::IdStartsWith(prefix) => row.id.starts_with(prefix),
        Predicate::IdMatches(regex) => Regex::new(regex).expect("a regex").is_match(&row.id),
        Predicate::ArnIn { arn, values } => values.contains(&row.arns[*arn]),
        Predicate::ArnStartsWith { arn, prefix } => row.arns[*arn].starts_with(prefix),
        Predicate::ArnMatches { arn, regex } => Regex::new(regex).expect("a regex").is_match(&row.arns[*arn]),
        Predicate::Label { key, label, value } => {
            let is_of_group = *key == ConditionKey::GatewayGroupLabel && !matches!(list, List::Groups);
            let has = if is_of_group { &row.group } else { &row.own };
            has.iter().any(|(name, has)| name == label && is_wanted(value, has))
        }
        Predicate::BoundedBy(policies) => policies.iter().all(|policy| row.boundaries.contains(policy)),
    }
}

fn is_wanted(value: &LabelValue, has: &String) -> bool {
    match value {
        LabelValue::OneOf(values) => values.contains(has),
        LabelValue::Contains(part) => has.contains(part),
        LabelValue::Any => true,
    }
}

fn rows(list: List) -> impl Strategy<Value = Vec<Row>> {
    let id = || proptest::sample::select(&IDS[..]);
    let row = (id(), id(), some_labels(), some_labels(), proptest::sample::subsequence(vec!["b1", "b2"], 0..=2));
    let row = row.prop_map(move |(group, id, of_group, own, boundaries)| Row {
        id: id.into(),
        arns: list.row_arns(group, id),
        group: of_group,
        own,
        boundaries: boundaries.into_iter().map(str::to_owned).collect(),
    });
    proptest::collection::vec(row, 12)
}

fn some_labels() -> impl Strategy<Value = Labels> {
    let pair = (proptest::sample::select(&["env", "team"][..]), proptest::sample::select(&["a", "ab", ""][..]));
    proptest::collection::vec(pair, 0..3).prop_map(|pairs| labels(&pairs))
}

fn resource() -> impl Strategy<Value = String> {
    let beginning = proptest::sample::select(
        &[
            "arn:api7:gateway:gatewaygroup/",
            "arn:api7:gateway:gatewaygroup/a",
            "arn:api7:gateway:gatewaygroup/a/publishedservice/",
            "arn:api7:gateway:gatewaygroup/<.*>/publishedservice/",
            "arn:api7:gateway:gatewaygroup/<[^/]*>/publishedservice/",
            "arn:api7:gateway:gatewaygroup/a/consumer/",
            "arn:api7:<.*>",
            "arn:api7:iam:<(user|role)>/",
            "arn:api7:iam:user/",
            "<.*>/",
            "<.*>",
            "",
        ][..],
    );
    let more = proptest::sample::select(
        &[
            "a",
            "b",
            "ab",
            "-",
            "/",
            "*",
            "/publishedservice/",
            "/consumer/",
            "<.*>",
            "<.*>",
            "<.+>",
            "<[^/]*>",
            "<[^:]+>",
            "<a|b>",
            "<[ab]{2}>",
            "<a?b>",
            "<.*b>",
            "<(?i)AB>",
            "<.>",
            "service/",
            "group/",
        ][..],
    );
    let pattern = (beginning, proptest::collection::vec(more, 0..7));
    pattern
        .prop_map(|(beginning, more)| beginning.to_owned() + &more.concat())
        .prop_filter("empty", |text| !text.is_empty())
}

fn conditions() -> impl Strategy<Value = Value> {
    let names = &["gateway_group_label", "service_label", "consumer_label", "user_label", "role_label"][..];
    let label = (
        proptest::sample::select(names),
        proptest::sample::select(&["env", "team"][..]),
        proptest::sample::select(&["exact_match", "contains_string", "present"][..]),
        proptest::sample::select(&["a", "b", ""][..]),
    );
    let label = label.prop_map(|(name, key, operator, value)| {
        json!({ name: { "type": "MatchLabel", "options": { "key": key, "operator": operator, "value": value } } })
    });
    let boundaries = Just(json!({ "permission_boundaries": { "type": "AllOfStrings", "options": ["b1"] } }));
    prop_oneof![4 => Just(json!({})), 3 => label, 1 => boundaries]
}

fn statement() -> impl Strategy<Value = Value> {
    let actions = proptest::sample::select(&["<.*>", "x:Get", "x:GetOld", "x:<G.*>", "y:Get"][..]);
    let effect = prop_oneof![3 => Just("allow"), 1 => Just("deny")];
    let parts = (effect, proptest::collection::vec(resource(), 1..4), actions, conditions());
    parts.prop_map(|(effect, resources, action, conditions)| {
        json!({ "effect": effect, "resources": resources, "actions": [action], "conditions": conditions })
    })
}

fn any_access() -> impl Strategy<Value = Access> {
    let statements = || proptest::collection::vec(statement(), 1..4);
    let roles = proptest::collection::vec(statements(), 1..3);
    let caps = proptest::collection::vec(proptest::collection::vec(statements(), 0..3), 0..2);
    (roles, caps).prop_map(|(roles, caps)| {
        let roles = roles.into_iter().map(|statements| attached(policy("role", statements.into()))).collect();
        let caps = caps.into_iter().map(|policies| Cap {
            name: "cap".into(),
            policies: policies.into_iter().map(|statements| policy("cap", statements.into())).collect(),
        });
        Access::new(roles, caps.collect())
    })
}

fn case() -> impl Strategy<Value = (List, Access, Vec<Row>, Labels)> {
    proptest::sample::select(&LISTS[..]).prop_flat_map(|list| (Just(list), any_access(), rows(list), some_labels()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn a_list_shows_what_may_be_seen_one_by_one((list, access, rows, of_group) in case()) {
        let scope = access.scope(GET, &list.target(&of_group));
        for row in &rows {
            let single = access.allows(GET, &list.single(row, &of_group));
            prop_assert_eq!(selects(&scope, list, row), single, "{:?} in {:?}", row, scope);
        }
    }
}

fn scope(list: List, statements: Value) -> Scope {
    access(statements).scope(GET, &list.target(&labels(&[("env", "dev")])))
}

fn allow(resources: &[&str]) -> Value {
    json!({ "effect": "allow", "resources": resources, "actions": ["x:<.*>"] })
}

#[test]
fn what_can_be_decided_beforehand_is() {
    for (list, resources, expected) in [
        (List::Groups, &["<.*>"][..], Scope::Everything),
        (List::Groups, &["arn:api7:gateway:gatewaygroup/<.*>"], Scope::Everything),
        (List::Groups, &["arn:api7:<.*>/<.*>"], Scope::Everything),
        (List::Groups, &["arn:api7:gateway:gatewaygroup/<[^/]+>"], Scope::Everything),
        (List::Groups, &["arn:api7:gateway:gatewaygroup/<[^:]*>"], Scope::Everything),
        (List::Groups, &["arn:api7:iam:<.*>"], Scope::Nothing),
        (List::Groups, &["arn:api7:gateway:gatewaygroup/<.*>/publishedservice/<.*>"], Scope::Nothing),
        (List::Groups, &["arn:api7:gateway:gatewaygroup/<[a-z]+>/publishedservice/s"], Scope::Nothing),
        (List::ServicesOfGroup, &["arn:api7:gateway:gatewaygroup/b/publishedservice/<.*>"], Scope::Nothing),
        (List::ServicesOfGroup, &["arn:api7:gateway:gatewaygroup/<.*>/publishedservice/<.*>"], Scope::Everything),
        (List::ServicesOfAll, &["arn:api7:gateway:gatewaygroup/<.*>/publishedservice/<.*>"], Scope::Everything),
        (List::ServicesOfAll, &["arn:api7:gateway:gatewaygroup/<.*>/consumer/<.*>"], Scope::Nothing),
        (List::Consumers, &["arn:api7:gateway:gatewaygroup/a"], Scope::Everything),
        (List::Consumers, &["arn:api7:gateway:gatewaygroup/b"], Scope::Nothing),
        (
            List::ServicesOfAll,
            &["arn:api7:gateway:gatewaygroup/<.*>/publishedservice/s", "<.*>/t"],
            Scope::Where(Predicate::IdIn(vec!["s".into(), "t".into()])),
        ),
        (
            List::ServicesOfAll,
            &["arn:api7:gateway:gatewaygroup/b/publishedservice/<.*>"],
            Scope::Where(Predicate::ArnStartsWith {
                arn: 0,
                prefix: "arn:api7:gateway:gatewaygroup/b/publishedservice/".into(),
            }),
        ),
        (
            List::Groups,
            &["arn:api7:gateway:gatewaygroup/<(a|b|c1)>", "arn:api7:gateway:gatewaygroup/d", "arn:api7:iam:user/x"],
            Scope::Where(Predicate::IdIn(["a", "b", "c1", "d"].map(str::to_owned).into())),
        ),
        (
            List::ServicesOfAll,
            &["<.*>b<.*>/s"],
            Scope::Where(Predicate::ArnMatches {
                arn: 0,
                regex: r"^(?:(?:[\u0000-\U0010FFFF])*b(?:[\u0000-\U0010FFFF])*/s)$".into(),
            }),
        ),
        (
            List::Groups,
            &["arn:api7:gateway:gatewaygroup/dev-<.*>"],
            Scope::Where(Predicate::IdStartsWith("dev-".into())),
        ),
        (
            List::Groups,
            &["arn:api7:gateway:gatewaygroup/<d+>", "arn:api7:gateway:gatewaygroup/<e+>"],
            Scope::Where(Predicate::IdMatches("^(?:(?:(?:d)+|(?:e)+))$".into())),
        ),
        (
            List::Groups,
            &["<[^/]+>/dev-<[a-z]+>", "arn:<.*>:gatewaygroup/<(dev|test)-.*>", "<.*>/<[a-z]+-[0-9]>x"],
            Scope::Where(Predicate::IdMatches(
                r"^(?:(?:(?:[a-z])+-[0-9]x|(?:dev|test)-(?:[\u0000-\U0010FFFF])*|dev-(?:[a-z])+))$".into(),
            )),
        ),
        (List::Users, &["arn:api7:iam:<(group|role)>/<[^/]*>"], Scope::Everything),
        (List::Users, &["arn:api7:iam:<(group|token)>/<[^/]*>"], Scope::Nothing),
    ] {
        assert_eq!(scope(list, json!([allow(resources)])), expected, "{list:?} {resources:?}");
    }
}

#[test]
fn known_labels_are_decided_and_those_of_rows_are_asked_for() {
    let with = |key: &str, value: &str| {
        let mut statement = allow(&["<.*>"]);
        let options = json!({ "key": "env", "operator": "exact_match", "value": value });
        statement["conditions"] = json!({ key: { "type": "MatchLabel", "options": options } });
        json!([statement])
    };
    assert_eq!(scope(List::ServicesOfGroup, with("gateway_group_label", "dev")), Scope::Everything);
    assert_eq!(scope(List::ServicesOfGroup, with("gateway_group_label", "prod")), Scope::Nothing);
    assert_eq!(scope(List::ServicesOfGroup, with("role_label", "dev")), Scope::Nothing);
    assert!(matches!(
        scope(List::ServicesOfGroup, with("service_label", "dev")),
        Scope::Where(Predicate::Label { key: ConditionKey::ServiceLabel, .. })
    ));
}

#[test]
fn everything_and_nothing_need_no_question() {
    let none = Labels::new();
    let list = List::Groups.target(&none);
    assert_eq!(Access::everything().scope(GET, &list), Scope::Everything);
    assert_eq!(Access::nothing().scope(GET, &list), Scope::Nothing);
    let deny = json!({ "effect": "deny", "resources": ["<.*>"], "actions": ["x:Get"] });
    assert_eq!(access(json!([allow(&["<.*>"]), deny])).scope(GET, &list), Scope::Nothing);
}

#[test]
fn many_regular_expressions_become_few() {
    let resources: Vec<_> = (0..1000).map(|n| format!("arn:api7:gateway:gatewaygroup/<[a-z]+>-{n}")).collect();
    let resources: Vec<_> = resources.iter().map(String::as_str).collect();
    let Scope::Where(Predicate::Any(parts)) = scope(List::Groups, json!([allow(&resources)])) else {
        panic!("a choice")
    };
    assert!((2..10).contains(&parts.len()), "{}", parts.len());
}

#[test]
fn statements_that_differ_in_a_label_s_value_become_one() {
    let with = |pairs: &[(&str, &str)]| {
        let mut statement = allow(&["<.*>"]);
        let options: Vec<_> =
            pairs.iter().map(|(key, value)| json!({ "key": key, "operator": "exact_match", "value": value })).collect();
        statement["conditions"] = json!({ "gateway_group_label": { "type": "MatchLabel", "options": options } });
        statement
    };
    let label = |label: &str, values: &[&str]| Predicate::Label {
        key: ConditionKey::GatewayGroupLabel,
        label: label.into(),
        value: LabelValue::OneOf(values.iter().map(|value| (*value).to_owned()).collect()),
    };
    let one = scope(List::Groups, json!([with(&[("env", "b")]), with(&[("env", "a")]), with(&[("env", "a")])]));
    assert_eq!(one, Scope::Where(label("env", &["a", "b"])));
    let lines = ["x", "y"].map(|line| ["dev", "test"].map(|env| with(&[("env", env), ("line", line)]))).concat();
    let every = scope(List::Groups, lines.into());
    assert_eq!(every, Scope::Where(Predicate::All(vec![label("env", &["dev", "test"]), label("line", &["x", "y"])])));
    let apart = scope(List::Groups, json!([with(&[("env", "a"), ("line", "x")]), with(&[("env", "b")])]));
    let both = Predicate::All(vec![label("env", &["a"]), label("line", &["x"])]);
    assert_eq!(apart, Scope::Where(Predicate::Any(vec![both, label("env", &["b"])])));
}
