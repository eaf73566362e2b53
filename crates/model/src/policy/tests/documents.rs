use serde_json::{Value, json};

use crate::policy::{ConditionKey, MAX_STATEMENTS, PolicyDocument, Test};

fn faults(value: Value) -> Vec<String> {
    let faults = PolicyDocument::parse(&value).expect_err("faults").0;
    faults.into_iter().map(|fault| format!("{}: {}", fault.pointer, fault.message)).collect()
}

fn with(conditions: Value) -> Value {
    json!({ "statement": [
        { "effect": "allow", "resources": ["<.*>"], "actions": ["<.*>"], "conditions": conditions }
    ] })
}

#[test]
fn every_fault_is_told_with_its_place() {
    let found = faults(json!({
        "statement": [
            { "effect": "permit", "resources": [], "actions": ["a", 7, "<(>"], "principal": "bob" },
            { "resources": "arn", "actions": [""] },
            "allow",
            {
                "effect": "deny", "resources": ["<a"], "actions": ["a"],
                "conditions": {
                    "colour": {},
                    "role_label": { "type": "AllOfStrings", "options": { "key": "a", "operator": "like", "value": "b" } },
                    "permission_boundaries": { "type": "AllOfStrings", "options": [] },
                    "service_label": { "type": "MatchLabel", "options": [{ "operator": "exact_match", "mode": 1 }] },
                },
            },
        ],
        "version": 1,
    }));
    insta::assert_snapshot!(found.join("\n"));
}

#[test]
fn a_document_needs_statements_and_has_a_limit() {
    assert_eq!(faults(json!([])), [": value must be an object"]);
    assert_eq!(faults(json!({})), ["/statement: property \"statement\" is missing"]);
    let bound = "/statement: value must be an array of 1 to 10000 statements";
    assert_eq!(faults(json!({ "statement": [] })), [bound]);
    assert_eq!(faults(json!({ "statement": {} })), [bound]);
    let statement = json!({ "effect": "allow", "resources": ["a"], "actions": ["b"] });
    assert_eq!(faults(json!({ "statement": vec![statement.clone(); MAX_STATEMENTS + 1] })), [bound]);
    let most = json!({ "statement": vec![statement; MAX_STATEMENTS] });
    assert_eq!(PolicyDocument::parse(&most).expect("as many as may be").statements().len(), MAX_STATEMENTS);

    let long = json!({ "effect": "allow", "resources": vec!["a".repeat(1000); 5000], "actions": ["b"] });
    assert_eq!(faults(json!({ "statement": [long] })), [": a policy document must be at most 4194304 bytes long"]);
}

#[test]
fn regular_expressions_are_limited_together_too() {
    let heavy: Vec<_> = (0..60).map(|n| format!("{n}<([a-z]|[0-9]x){{1,255}}>")).collect();
    let statement = json!({ "effect": "allow", "resources": heavy, "actions": ["b"] });
    let found = faults(json!({ "statement": vec![statement; 10] }));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].ends_with("the regular expressions up to here are too large together"), "{found:?}");
}

#[test]
fn what_was_sent_comes_back_in_canonical_spelling() {
    let canonical = with(json!({
        "permission_policy_label": {
            "type": "MatchLabel", "options": { "key": "team", "operator": "contains_string", "value": "pay" },
        },
        "service_label": {
            "type": "MatchLabel",
            "options": [
                { "key": "team", "operator": "present" },
                { "key": "env", "operator": "exact_match", "value": "prod" },
            ],
        },
        "permission_boundaries": { "type": "AllOfStrings", "options": ["b1", "b2"] },
    }));
    let read = PolicyDocument::parse(&canonical).expect("a document");
    assert_eq!(read.to_value(), canonical);

    let in_the_field = with(json!({
        "permissionpolicy_label": {
            "type": "MatchLabel", "options": [{ "key": "team", "operation": "contains_string", "value": "pay" }],
        },
        "service_label": {
            "type": "MatchLabel",
            "options": [
                { "key": "team", "operator": "present", "value": "" },
                { "key": "env", "operator": "exact_match", "value": "prod" },
            ],
        },
        "user_permission_boundaries": { "type": "AllOfStrings", "options": ["b1", "b2"] },
    }));
    assert_eq!(PolicyDocument::parse(&in_the_field).expect("a document").to_value(), canonical);
    let keys: Vec<_> = read.statements()[0].conditions.iter().map(|condition| condition.key).collect();
    assert!(keys.contains(&ConditionKey::PermissionBoundaries));
    let boundaries = read.statements()[0].conditions.iter().find(|one| one.key == ConditionKey::PermissionBoundaries);
    assert_eq!(boundaries.expect("the condition").test, Test::Boundaries(vec!["b1".into(), "b2".into()]));
}

#[test]
fn two_spellings_of_one_thing_are_refused() {
    let match_team = json!({ "type": "MatchLabel", "options": { "key": "team", "operator": "present" } });
    let found = faults(with(json!({ "permissionpolicy_label": match_team, "permission_policy_label": match_team })));
    assert_eq!(
        found,
        ["/statement/0/conditions/permissionpolicy_label: \
                        condition \"permission_policy_label\" stands here twice, in two spellings"]
    );
    let options = json!({ "key": "team", "operator": "present", "operation": "present" });
    let found = faults(with(json!({ "role_label": { "type": "MatchLabel", "options": options } })));
    assert_eq!(found, ["/statement/0/conditions/role_label/options/operation: write operator or operation, not both"]);
}

#[test]
fn every_key_has_a_spelling_of_its_own() {
    let mut words: Vec<_> = ConditionKey::all().map(ConditionKey::as_str).collect();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), 15);
    assert!(!words.contains(&""));
}
