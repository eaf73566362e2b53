//! Changes as the RFC, Okta and Entra ID write them, by table.

use serde_json::json;

use super::*;
use crate::schema::{GROUP, USER};

fn user() -> Value {
    json!({
        "userName": "ann", "title": "Chef", "active": true, "name": { "givenName": "Ann", "familyName": "Example" },
        "emails": [{ "value": "w@x", "type": "work", "primary": true }, { "value": "h@x", "type": "home" }],
    })
}

fn group() -> Value {
    json!({ "displayName": "g", "members": [{ "value": "1", "type": "User" }, { "value": "2", "type": "User" }] })
}

fn changed(definition: &Definition, resource: Value, operations: Value) -> Result<Value, Error> {
    let Value::Object(resource) = resource else { panic!("no object") };
    let patch = Patch::parse(&json!({ "Operations": operations }))?;
    Ok(Value::Object(patch.apply(definition, &resource)?))
}

/// What becomes of the user, at a JSON pointer.
fn user_at(operation: Value, pointer: &str) -> Value {
    let changed = changed(&USER, user(), json!([operation])).unwrap();
    changed.pointer(pointer).cloned().unwrap_or_default()
}

#[test]
fn users_change() {
    let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let department = format!("{enterprise}:department");
    let at_enterprise = format!("/{enterprise}");
    let cases = [
        (json!({ "op": "replace", "path": "title", "value": "Boss" }), "/title", json!("Boss")),
        (json!({ "op": "Replace", "path": "TITLE", "value": "Boss" }), "/title", json!("Boss")),
        (json!({ "op": "add", "path": "nickName", "value": "A" }), "/nickName", json!("A")),
        (json!({ "op": "remove", "path": "title" }), "/title", json!(null)),
        (json!({ "op": "replace", "path": "title", "value": null }), "/title", json!(null)),
        (json!({ "op": "Replace", "path": "active", "value": "False" }), "/active", json!(false)),
        (json!({ "op": "replace", "value": { "active": false } }), "/active", json!(false)),
        (json!({ "op": "replace", "value": { "id": "7", "x": 1, "title": "T" } }), "/title", json!("T")),
        (json!({ "op": "replace", "path": "name.givenName", "value": "An" }), "/name/givenName", json!("An")),
        (
            json!({ "op": "replace", "path": "name", "value": { "givenName": "An" } }),
            "/name/familyName",
            json!("Example"),
        ),
        (
            json!({ "op": "replace", "value": { "name.familyName": "E" } }),
            "/name",
            json!({ "givenName": "Ann", "familyName": "E" }),
        ),
        (json!({ "op": "remove", "path": "name.givenName" }), "/name", json!({ "familyName": "Example" })),
        (json!({ "op": "remove", "path": "emails" }), "/emails", json!(null)),
        (
            json!({ "op": "remove", "path": "emails[type eq \"work\"]" }),
            "/emails",
            json!([{ "value": "h@x", "type": "home" }]),
        ),
        (
            json!({ "op": "replace", "path": "emails[type eq \"work\"].value", "value": "n@x" }),
            "/emails/0/value",
            json!("n@x"),
        ),
        (
            json!({ "op": "replace", "value": { "emails[type eq \"work\"].value": "n@x" } }),
            "/emails/0/value",
            json!("n@x"),
        ),
        (
            json!({ "op": "add", "path": "phoneNumbers[type eq \"mobile\"].value", "value": "1" }),
            "/phoneNumbers",
            json!([{ "type": "mobile", "value": "1" }]),
        ),
        (
            json!({ "op": "add", "path": "emails", "value": [{ "value": "h@x", "type": "home", "primary": true }] }),
            "/emails",
            json!([{ "value": "w@x", "type": "work", "primary": false }, { "value": "h@x", "type": "home", "primary": true }]),
        ),
        (json!({ "op": "add", "path": "emails", "value": { "value": "o@x" } }), "/emails/2/value", json!("o@x")),
        (
            json!({ "op": "replace", "path": "emails", "value": [{ "value": "o@x" }] }),
            "/emails",
            json!([{ "value": "o@x" }]),
        ),
        (json!({ "op": "add", "path": department, "value": "d" }), &at_enterprise, json!({ "department": "d" })),
        (json!({ "op": "add", "value": { department: "d" } }), &at_enterprise, json!({ "department": "d" })),
        (
            json!({ "op": "add", "value": { enterprise: { "department": "d" } } }),
            &at_enterprise,
            json!({ "department": "d" }),
        ),
        (
            json!({ "op": "add", "path": enterprise, "value": { "manager": "7" } }),
            &at_enterprise,
            json!({ "manager": { "value": "7" } }),
        ),
    ];
    for (operation, pointer, expected) in cases {
        assert_eq!(user_at(operation.clone(), pointer), expected, "{operation}");
    }
}

#[test]
fn members_come_and_go() {
    let cases = [
        (json!({ "op": "add", "path": "members", "value": [{ "value": "3" }, { "value": "1" }] }), vec!["1", "2", "3"]),
        (json!({ "op": "Add", "path": "members", "value": [{ "$ref": null, "value": "3" }] }), vec!["1", "2", "3"]),
        (json!({ "op": "remove", "path": "members[value eq \"1\"]" }), vec!["2"]),
        (json!({ "op": "remove", "path": "members[value eq \"9\"]" }), vec!["1", "2"]),
        (json!({ "op": "Remove", "path": "members", "value": [{ "value": "2" }] }), vec!["1"]),
        (json!({ "op": "remove", "path": "members" }), vec![]),
        (json!({ "op": "replace", "path": "members", "value": [{ "value": "5" }] }), vec!["5"]),
        (json!({ "op": "replace", "value": { "members": [] } }), vec![]),
    ];
    for (operation, expected) in cases {
        let changed = changed(&GROUP, group(), json!([operation])).unwrap();
        let members = changed["members"].as_array().cloned().unwrap_or_default();
        let members: Vec<_> = members.iter().filter_map(|member| member["value"].as_str()).collect();
        assert_eq!(members, expected, "{operation}");
    }
}

#[test]
fn what_cannot_be_is_refused() {
    use ErrorType::*;
    let cases = [
        (json!([]), InvalidSyntax),
        (json!(["x"]), InvalidSyntax),
        (json!([{ "op": "move", "path": "title" }]), InvalidSyntax),
        (json!([{ "op": "add", "value": "x" }]), InvalidSyntax),
        (json!([{ "op": "remove" }]), NoTarget),
        (json!([{ "op": "add", "path": 7, "value": "x" }]), InvalidPath),
        (json!([{ "op": "add", "path": "nothing", "value": "x" }]), InvalidPath),
        (json!([{ "op": "add", "path": "title.x", "value": "x" }]), InvalidPath),
        (json!([{ "op": "add", "path": "title[value eq \"x\"]", "value": "x" }]), InvalidPath),
        (json!([{ "op": "add", "path": "emails[type eq \"x\"].y", "value": "x" }]), InvalidPath),
        (json!([{ "op": "add", "path": "emails[type eq", "value": "x" }]), InvalidFilter),
        (json!([{ "op": "add", "path": "emails[y pr].value", "value": "x" }]), InvalidFilter),
        (json!([{ "op": "replace", "path": "id", "value": "x" }]), Mutability),
        (json!([{ "op": "remove", "path": "meta.created" }]), Mutability),
        (json!([{ "op": "add", "path": "groups", "value": [{ "value": "x" }] }]), Mutability),
        (json!([{ "op": "replace", "path": "emails[type sw \"x\"].value", "value": "x" }]), NoTarget),
        (json!([{ "op": "replace", "path": "active", "value": "perhaps" }]), InvalidValue),
        (json!([{ "op": "replace", "path": "title", "value": { "a": 1 } }]), InvalidValue),
    ];
    for (operations, expected) in cases {
        let error = changed(&USER, user(), operations.clone()).unwrap_err();
        assert_eq!(error.scim_type, Some(expected), "{operations}: {error}");
    }
    let many = vec![json!({ "op": "remove", "path": "title" }); MAX_OPERATIONS + 1];
    assert!(changed(&USER, user(), json!(many)).is_err());
    let unknown_member = json!([{ "op": "replace", "path": "members[value eq \"9\"].display", "value": "x" }]);
    assert_eq!(changed(&GROUP, group(), unknown_member).unwrap_err().scim_type, Some(NoTarget));
}

#[test]
fn a_failing_operation_leaves_nothing_of_those_before() {
    let Value::Object(before) = user() else { panic!("no object") };
    let operations = json!([{ "op": "remove", "path": "title" }, { "op": "remove", "path": "id" }]);
    let patch = Patch::parse(&json!({ "operations": operations })).unwrap();
    assert!(patch.apply(&USER, &before).is_err());
    assert_eq!(before["title"], "Chef");
}
