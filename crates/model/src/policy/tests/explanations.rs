use serde_json::{Value, json};

use super::{access, attached, cap, labels, policy};
use crate::label::Labels;
use crate::policy::{Access, ConditionKey, Explanation, Target, arn};

const UPDATE: &[&str] = &["gateway:UpdateGatewayGroup"];

fn allow(resource: &str, action: &str) -> Value {
    json!({ "effect": "allow", "resources": [resource], "actions": [action] })
}

fn explain(access: &Access, target: &Target<'_>) -> Explanation {
    let explanation = access.explain(UPDATE, target);
    assert_eq!(explanation.allowed, access.allows(UPDATE, target));
    assert_eq!(explanation.allowed, explanation.missing.is_empty());
    explanation
}

#[test]
fn an_allowed_action_names_the_statement_of_the_role_and_of_each_cap() {
    let roles = vec![
        attached(policy("reader", json!([allow("<.*>", "<.*>Get<.*>")]))),
        attached(policy("writer", json!([allow("<.*>", "iam:<.*>"), allow("<.*>", "gateway:<.*>")]))),
    ];
    let access = Access::new(roles, vec![cap("permission boundary", json!([allow("<.*>", "<.*>")]))]);
    insta::assert_json_snapshot!(explain(&access, &Target::new(arn::gateway_group("g"))));
}

#[test]
fn a_denied_action_names_the_statement_that_denies() {
    let deny = json!({ "effect": "deny", "resources": ["<.*>/g"], "actions": ["<.*>Update<.*>"] });
    let roles = vec![attached(policy("all", json!([allow("<.*>", "<.*>"), deny])))];
    insta::assert_json_snapshot!(explain(&Access::new(roles, Vec::new()), &Target::new(arn::gateway_group("g"))));
}

#[test]
fn a_missing_permission_names_what_nearly_gives_it() {
    let mut labelled = allow("<.*>", "<.*>");
    labelled["conditions"] = json!({
        "gateway_group_label": {
            "type": "MatchLabel",
            "options": [
                { "key": "env", "operator": "exact_match", "value": "dev" },
                { "key": "line", "operator": "present" },
            ],
        },
        "permission_boundaries": { "type": "AllOfStrings", "options": ["b"] },
    });
    let own = json!([
        allow("arn:api7:gateway:gatewaygroup/g", "<.*>Get<.*>"),
        allow("arn:api7:gateway:gatewaygroup/h", "<.*>"),
        allow("arn:api7:gateway:gatewaygroup/h", "<.*>Get<.*>"),
        labelled,
    ]);
    let roles = vec![attached(policy("own", own))];
    let access = Access::new(roles, vec![cap("token", json!([allow("<.*>/h", "<.*>")]))]);
    let of_group = labels(&[("env", "prod")]);
    let target = Target::new(arn::gateway_group("g")).labelled(ConditionKey::GatewayGroupLabel, &of_group);
    insta::assert_json_snapshot!(explain(&access, &target));
}

/// The decision is the same, and what it found is told neither in words nor by what is left out.
#[test]
fn what_is_hidden_is_not_told() {
    let mut labelled = allow("<.*>", "<.*>");
    labelled["conditions"] = json!({ "gateway_group_label": { "type": "MatchLabel", "options": [
        { "key": "env", "operator": "exact_match", "value": "dev" }, { "key": "line", "operator": "present" }] } });
    let access = access(json!([labelled]));
    let told = |of_group: &Labels, is_hidden: bool| {
        let target = Target::new(arn::gateway_group("g")).labelled(ConditionKey::GatewayGroupLabel, of_group);
        let target = if is_hidden { target.hiding(ConditionKey::GatewayGroupLabel) } else { target };
        serde_json::to_value(explain(&access, &target)).expect("JSON")
    };
    let (one, both) = (labels(&[("line", "x")]), labels(&[("env", "confidential")]));
    assert_ne!(told(&one, false), told(&both, false));
    assert_eq!(told(&one, true), told(&both, true));
    let failed = told(&one, true)["missing"][0]["near_misses"][0]["shortfall"]["failed"].clone();
    let facts = |at: usize| (failed[at]["label"].clone(), failed[at]["found"].clone(), failed[at]["hidden"].clone());
    assert_eq!([facts(0), facts(1)], ["env", "line"].map(|label| (json!(label), json!(null), json!(true))));
    assert_eq!(told(&labels(&[("env", "dev"), ("line", "x")]), true)["allowed"], true);
}

#[test]
fn who_may_do_everything_needs_no_statement() {
    let target = Target::new(arn::gateway_group("g"));
    let explanation = explain(&Access::everything(), &target);
    assert!(explanation.allowed && explanation.decided_by.is_empty());
    let super_admin = explain(&access(json!([allow("<.*>", "<.*>")])), &target);
    assert_eq!(super_admin.decided_by.len(), 1);
    assert!(!explain(&Access::nothing(), &target).allowed);
}
