use serde_json::json;

use super::*;

fn fault(schema: Value, value: Value) -> (String, String) {
    let fault = Schema::compile(&schema).check(&value).expect_err("a fault");
    (fault.pointer, fault.message)
}

#[test]
fn faults_are_worded_as_apisix_words_them() {
    let one = |schema: Value, value: Value| fault(json!({"properties": {"x": schema}}), json!({"x": value})).1;
    let x = |reason: &str| format!("property \"x\" validation failed: {reason}");
    let cases = [
        (json!({"type": "string"}), json!(1), "wrong type: expected string, got number"),
        (json!({"type": "string"}), json!({}), "wrong type: expected string, got table"),
        (json!({"type": "integer"}), json!(null), "wrong type: expected integer, got userdata"),
        (json!({"minimum": 200}), json!(199), "expected 199 to be at least 200"),
        (json!({"maximum": 599}), json!(600), "expected 600 to be at most 599"),
        (json!({"exclusiveMinimum": 0}), json!(0), "expected 0 to be greater than 0"),
        (json!({"enum": ["a", "b"]}), json!("c"), "matches none of the enum values"),
        (json!({"minLength": 2}), json!("é"), "string too short, expected at least 2, got 1"),
        (json!({"maxLength": 1}), json!("ab"), "string too long, expected at most 1, got 2"),
        (json!({"pattern": "^/"}), json!("a"), "failed to match pattern \"^/\" with \"a\""),
        (json!({"minItems": 1}), json!([]), "expect array to have at least 1 items"),
        (
            json!({"uniqueItems": true}),
            json!(["b", "a", "c", "a"]),
            "expected unique items but items 2 and 4 are equal",
        ),
        (json!({"uniqueItems": true}), json!([1, 2, 1.0]), "expected unique items but items 1 and 3 are equal"),
        (json!({"minProperties": 1}), json!({}), "expect object to have at least 1 properties"),
        (
            json!({"items": {"type": "string"}}),
            json!(["a", 2]),
            "failed to validate item 2: wrong type: expected string, got number",
        ),
        (
            json!({"oneOf": [{"type": "string"}, {"type": "integer"}]}),
            json!(true),
            "value should match only one schema, but matches none",
        ),
        (json!({"anyOf": [{"type": "string"}]}), json!(true), "object matches none of the required"),
        (
            json!({"anyOf": [{"required": ["a", "b"]}, {"type": "string"}, {"required": ["c"]}]}),
            json!({}),
            "object matches none of the required: [\"a\",\"b\"] or [\"c\"]",
        ),
        (json!({"not": {"type": "string"}}), json!("a"), "value wasn't supposed to match schema"),
    ];
    for (schema, value, reason) in cases {
        assert_eq!(one(schema, value), x(reason));
    }
}

#[test]
fn pointers_name_the_field() {
    assert_eq!(
        fault(json!({"required": ["count"]}), json!({})),
        ("/count".into(), "property \"count\" is required".into())
    );
    let closed = json!({"properties": {"a": {}}, "additionalProperties": false});
    assert_eq!(fault(closed, json!({"b/c": 1})), ("/b~1c".into(), "additional properties forbidden, found b/c".into()));
    let nested = json!({"properties": {"headers": {"patternProperties": {"^[^:]+$": {"type": "string"}}}}});
    let expected = "property \"headers\" validation failed: failed to validate a (matching \"^[^:]+$\"): wrong type: expected string, got number";
    assert_eq!(fault(nested, json!({"headers": {"a": 1}})), ("/headers/a".into(), expected.into()));
}

#[test]
fn of_several_schemas_exactly_one_may_match() {
    let schema = json!({"oneOf": [{"required": ["count"]}, {"required": ["rules"]}]});
    let both = "value should match only one schema, but matches both schemas 1 and 2";
    assert_eq!(fault(schema.clone(), json!({"count": 1, "rules": []})).1, both);
    let none = "value should match only one schema, but matches none";
    assert_eq!(fault(schema, json!({})), ("/count".into(), none.into()));
}

#[test]
fn a_dependency_is_named() {
    let schema = json!({"properties": {"body": {}}, "dependencies": {"body": {"not": {"required": ["filters"]}}}});
    let message = "failed to validate dependent schema for \"body\": value wasn't supposed to match schema";
    assert_eq!(fault(schema, json!({"body": "", "filters": []})).1, message);
}

#[test]
fn a_wrong_schema_refuses_and_says_so() {
    let (_, message) = fault(json!({"type": "nothing"}), json!(1));
    assert!(message.starts_with("the schema is wrong: "), "{message}");
}

#[test]
fn meta_is_part_of_every_schema() {
    let schema = with_meta(json!({"type": "object", "properties": {}, "additionalProperties": false}));
    let wrong = json!({"_meta": {"disable": "yes"}});
    let message = "property \"_meta\" validation failed: property \"disable\" validation failed: wrong type: expected boolean, got string";
    assert_eq!(fault(schema, wrong), ("/_meta/disable".into(), message.into()));
}

#[test]
fn fields_come_before_what_combines_schemas() {
    let schema = json!({
        "properties": { "uri": { "type": "string" } }, "additionalProperties": false,
        "allOf": [{ "oneOf": [{ "required": ["uri"] }, { "required": ["uris"] }] }],
        "if": { "properties": { "type": { "enum": ["server"] } } }, "then": { "required": ["uri"] },
    });
    let text = |value: Value| fault(schema.clone(), value).1;
    assert_eq!(text(json!({})), "allOf 1 failed: value should match only one schema, but matches none");
    assert_eq!(text(json!({ "nope": 1 })), "additional properties forbidden, found nope");
    let both = json!({ "nope": 1, "uri": 5 });
    assert_eq!(text(both), "property \"uri\" validation failed: wrong type: expected string, got number");
}

#[test]
fn a_clause_is_named_and_no_more() {
    let clause = json!({ "oneOf": [{ "required": ["sni"] }, { "required": ["snis"] }] });
    let schema = json!({ "if": { "required": ["server"] }, "then": clause, "else": { "required": ["key"] } });
    assert_eq!(fault(schema.clone(), json!({ "server": 1 })).1, "then clause did not match");
    assert_eq!(fault(schema, json!({})).1, "else clause did not match");
}
