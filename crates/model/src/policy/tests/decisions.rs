use serde_json::{Value, json};

use super::{access, attached, cap, labels, policy};
use crate::policy::{Access, Cap, ConditionKey, Target, arn};

const GET: &[&str] = &["gateway:GetGatewayGroup"];

fn allow(resource: &str, action: &str) -> Value {
    json!({ "effect": "allow", "resources": [resource], "actions": [action] })
}

fn deny(resource: &str, action: &str) -> Value {
    json!({ "effect": "deny", "resources": [resource], "actions": [action] })
}

fn group(id: &str) -> Target<'static> {
    Target::new(arn::gateway_group(id))
}

#[test]
fn what_nothing_allows_is_denied() {
    assert!(!Access::nothing().allows(GET, &group("g")));
    assert!(!Access::new(Vec::new(), vec![cap("boundary", json!([allow("<.*>", "<.*>")]))]).allows(GET, &group("g")));
    let one = access(json!([allow("arn:api7:gateway:gatewaygroup/g", "gateway:GetGatewayGroup")]));
    assert!(one.allows(GET, &group("g")));
    assert!(!one.allows(GET, &group("g2")));
    assert!(!one.allows(GET, &group("")));
    assert!(!one.allows(&["gateway:GetGatewayGroups"], &group("g")));
    assert!(!one.allows(&[], &group("g")));
}

#[test]
fn everything_is_everything() {
    assert!(Access::everything().allows(GET, &group("g")));
    assert!(Access::everything().is_unlimited());
    let super_admin = access(json!([allow("<.*>", "<.*>")]));
    assert!(super_admin.is_unlimited());
    assert!(super_admin.allows(GET, &group("*")));
    let capped = Access::everything().capped(cap("token", json!([allow("arn:api7:gateway:gatewaygroup/g", "<.*>")])));
    assert!(!capped.is_unlimited());
    assert!(capped.allows(GET, &group("g")));
    assert!(!capped.allows(GET, &group("g2")));
}

/// What is allowed says nothing of the role it comes by.
#[test]
fn a_role_is_held_by_its_id_and_whole() {
    let all = || attached(policy("all", json!([allow("<.*>", "<.*>")])));
    let own = all().role.id.clone();
    let access = Access::new(vec![all()], Vec::new());
    assert!(access.holds_whole(&own) && !access.holds_whole("another"));
    assert!(!access.capped(cap("token", json!([allow("<.*>", "<.*>")]))).holds_whole(&own));
    assert!(!Access::everything().holds_whole(&own) && !Access::nothing().holds_whole(&own));
    let denied = vec![all(), attached(policy("not-g", json!([deny("<.*>/g", "<.*>")])))];
    assert!(Access::new(denied, Vec::new()).holds_whole(&own));
}

#[test]
fn a_deny_wins_wherever_it_stands() {
    let all = || policy("all", json!([allow("<.*>", "<.*>")]));
    let not_g = || policy("not-g", json!([deny("<.*>/g", "<.*>")]));
    let by_role = Access::new(vec![attached(all()), attached(not_g())], Vec::new());
    let before = Access::new(vec![attached(not_g()), attached(all())], Vec::new());
    let boundary = Cap { name: "boundary".into(), policies: vec![all(), not_g()] };
    let by_boundary = Access::new(vec![attached(all())], vec![boundary]);
    let in_one = access(json!([deny("<.*>/g", "<.*>"), allow("<.*>", "<.*>")]));
    for access in [by_role, before, by_boundary, in_one] {
        assert!(!access.is_unlimited());
        assert!(!access.allows(GET, &group("g")));
        assert!(access.allows(GET, &group("h")));
    }
}

#[test]
fn every_cap_must_allow_and_one_of_its_policies_is_enough() {
    let own = || vec![attached(policy("own", json!([allow("<.*>", "<.*>")])))];
    let boundary = Cap {
        name: "boundary".into(),
        policies: vec![policy("g", json!([allow("<.*>/g", "<.*>")])), policy("h", json!([allow("<.*>/h", "<.*>")]))],
    };
    let bounded = Access::new(own(), vec![boundary]);
    let answers = |access: &Access| ["g", "h", "i"].map(|id| access.allows(GET, &group(id)));
    assert_eq!(answers(&bounded), [true, true, false]);
    let token = bounded.capped(cap("token", json!([allow("<.*>/<[hi]>", "<.*>")])));
    assert_eq!(answers(&token), [false, true, false]);
    assert_eq!(answers(&token.capped(Cap { name: "empty".into(), policies: Vec::new() })), [false; 3]);
    // A boundary gives nothing by itself.
    let weak = Access::new(
        vec![attached(policy("own", json!([allow("<.*>/i", "<.*>")])))],
        vec![cap("boundary", json!([allow("<.*>", "<.*>")]))],
    );
    assert_eq!(answers(&weak), [false, false, true]);
}

#[test]
fn an_action_is_allowed_by_any_of_its_names() {
    let old = access(json!([allow("<.*>", "gateway:GetSecret")]));
    let names: &[&str] = &["gateway:GetSecretProvider", "gateway:GetSecret"];
    assert!(old.allows(names, &group("g")));
    let denied = access(json!([allow("<.*>", "<.*>"), deny("<.*>", "gateway:GetSecret")]));
    assert!(!denied.allows(names, &group("g")));
}

#[test]
fn a_group_grant_needs_two_patterns() {
    let group_only = access(json!([allow("arn:api7:gateway:gatewaygroup/g", "<.*>")]));
    let service = Target::new(arn::published_service("g", "s"));
    let actions: &[&str] = &["gateway:GetPublishedService"];
    assert!(group_only.allows(GET, &group("g")));
    assert!(!group_only.allows(actions, &service));
    let services = access(json!([allow("arn:api7:gateway:gatewaygroup/g/publishedservice/<.*>", "<.*>")]));
    assert!(services.allows(actions, &service));
    assert!(services.allows(actions, &Target::new(arn::published_service("g", arn::ANY))));
    assert!(!services.allows(GET, &group("g")));
}

#[test]
fn a_consumer_is_reached_by_its_own_name_and_by_its_groups() {
    let consumer = Target::new(arn::consumer("g", "jack")).also(arn::gateway_group("g"));
    let actions: &[&str] = &["gateway:GetConsumer"];
    for resource in ["arn:api7:gateway:gatewaygroup/g", "arn:api7:gateway:gatewaygroup/g/consumer/<j.*>"] {
        assert!(access(json!([allow(resource, "<.*>")])).allows(actions, &consumer), "{resource}");
    }
    assert!(
        !access(json!([allow("arn:api7:gateway:gatewaygroup/g/consumer/jil<.*>", "<.*>")])).allows(actions, &consumer)
    );
    let denied = json!([allow("<.*>", "<.*>"), deny("arn:api7:gateway:gatewaygroup/g/consumer/jack", "<.*>")]);
    assert!(!access(denied).allows(actions, &consumer));
}

#[test]
fn wildcards_match_the_literal_star_and_a_bare_star_only_itself() {
    let any = access(json!([allow("arn:api7:gateway:gatewaygroup/<.*>", "<.*>")]));
    assert!(any.allows(&["gateway:CreateGatewayGroup"], &group(arn::ANY)));
    let star = access(json!([allow("arn:api7:gateway:gatewaygroup/*", "<.*>")]));
    assert!(star.allows(&["gateway:CreateGatewayGroup"], &group(arn::ANY)));
    assert!(!star.allows(GET, &group("g")));
    let read = access(json!([allow("<.*>", "<.*>Get<.*>")]));
    assert!(read.allows(&["iam:GetUser"], &group("g")));
    assert!(!read.allows(&["iam:UpdateUserRole"], &group("g")));
}

/// A statement with a condition on labels, and whether it holds for `labels`.
fn holds(conditions: Value, target: Target<'_>) -> bool {
    let statement = json!({ "effect": "allow", "resources": ["<.*>"], "actions": ["<.*>"], "conditions": conditions });
    let allows = access(json!([statement])).allows(GET, &target);
    // A deny under the same conditions must hold for the same objects.
    let mut denying = statement;
    denying["effect"] = "deny".into();
    assert_eq!(access(json!([allow("<.*>", "<.*>"), denying])).allows(GET, &target), !allows);
    allows
}

#[test]
fn label_conditions_look_at_the_labels_that_the_target_brings() {
    let has = labels(&[("env", "prod-eu"), ("empty", "")]);
    let target = || group("g").labelled(ConditionKey::GatewayGroupLabel, &has);
    let one = |key: &str, operator: &str, value: &str| {
        json!({ "gateway_group_label": {
            "type": "MatchLabel", "options": { "key": key, "operator": operator, "value": value } } })
    };
    for (condition, expected) in [
        (one("env", "exact_match", "prod-eu"), true),
        (one("env", "exact_match", "prod"), false),
        (one("env", "exact_match", "PROD-EU"), false),
        (one("env", "contains_string", "prod"), true),
        (one("env", "contains_string", "d-e"), true),
        (one("env", "contains_string", "us"), false),
        (one("env", "contains_string", ""), true),
        (one("env", "present", ""), true),
        (one("empty", "exact_match", ""), true),
        (one("line", "present", ""), false),
        (one("line", "exact_match", ""), false),
        (one("line", "contains_string", ""), false),
    ] {
        assert_eq!(holds(condition.clone(), target()), expected, "{condition}");
        assert!(!holds(condition, group("g")), "labels nobody has brought are no labels");
    }
}

#[test]
fn all_conditions_and_all_options_must_hold() {
    let (of_group, of_service) = (labels(&[("env", "dev"), ("line", "pay")]), labels(&[("team", "a")]));
    let both = || {
        group("g")
            .labelled(ConditionKey::GatewayGroupLabel, &of_group)
            .with_labels(ConditionKey::ServiceLabel, of_service.clone())
    };
    let present = |label: &str| json!({ "key": label, "operator": "present" });
    let on = |options: Value| json!({ "type": "MatchLabel", "options": options });
    let two = json!({ "gateway_group_label": on(present("env")), "service_label": on(present("team")) });
    assert!(holds(two.clone(), both()));
    assert!(!holds(two, group("g").labelled(ConditionKey::GatewayGroupLabel, &of_group)));
    assert!(holds(json!({ "gateway_group_label": on(json!([present("env"), present("line")])) }), both()));
    assert!(!holds(json!({ "gateway_group_label": on(json!([present("env"), present("team")])) }), both()));
}

#[test]
fn boundaries_of_the_user_acted_upon() {
    let condition = json!({ "permission_boundaries": { "type": "AllOfStrings", "options": ["b1", "b2"] } });
    let user = |boundaries: &'static [&'static str]| {
        let ids: Vec<String> = boundaries.iter().map(|id| id.to_string()).collect();
        holds(condition.clone(), Target::new(arn::user("u")).bounded_by(&ids))
    };
    assert!(user(&["b2", "b1"]));
    assert!(user(&["b1", "b2", "b3"]));
    assert!(!user(&["b1"]));
    assert!(!user(&[]));
    assert!(!holds(condition.clone(), Target::new(arn::user("u"))));
}
