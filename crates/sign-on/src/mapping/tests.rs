use serde_json::json;

use super::*;

fn attributes() -> Map<String, Value> {
    let claims = json!({
        "sub": "42",
        "department": "payments",
        "level": 3,
        "is_lead": true,
        "empty": "",
        "nothing": null,
        "none": [],
        "blank": [""],
        "groups": ["developers", "gateway-admins"],
        "memberOf": ["cn=ops,ou=groups,dc=example,dc=com"],
        "realm_access": { "roles": ["offline_access", "gateway"] },
        "resource_access": { "flotilla.prod": { "roles": ["admin"] } },
        "https://example.com/groups": ["named"],
        "a/b": { "c~d": "deep" },
        "addresses": [{ "country": "NL" }],
    });
    claims.as_object().expect("an object").clone()
}

fn condition(attribute: &str, operator: Operator, value: Option<&str>) -> Condition {
    Condition { attribute: attribute.into(), operator, value: value.map(Into::into) }
}

#[test]
fn conditions_look_at_attributes() {
    use Operator::{ContainsString, ExactMatch, Present};
    let cases = [
        ("department", ExactMatch, Some("payments"), true),
        ("department", ExactMatch, Some("payment"), false),
        ("department", ExactMatch, Some("Payments"), false),
        ("department", ContainsString, Some("pay"), true),
        ("department", ContainsString, Some("ship"), false),
        ("department", Present, None, true),
        ("level", ExactMatch, Some("3"), true),
        ("level", ContainsString, Some("3"), false),
        ("is_lead", ExactMatch, Some("true"), true),
        ("is_lead", Present, None, true),
        // Any element of a list.
        ("groups", ExactMatch, Some("gateway-admins"), true),
        ("groups", ExactMatch, Some("gateway"), false),
        ("groups", ContainsString, Some("gateway"), true),
        ("groups", Present, None, true),
        ("memberOf", ExactMatch, Some("cn=ops,ou=groups,dc=example,dc=com"), true),
        ("memberOf", ContainsString, Some("cn=ops,"), true),
        // What is there and says nothing.
        ("empty", Present, None, false),
        ("nothing", Present, None, false),
        ("none", Present, None, false),
        ("blank", Present, None, false),
        ("absent", Present, None, false),
        ("absent", ExactMatch, Some("x"), false),
        ("nothing", ExactMatch, Some("null"), false),
        ("realm_access", ExactMatch, Some("roles"), false),
        // Without a value nothing fits, rather than everything.
        ("department", ExactMatch, None, false),
        ("department", ContainsString, None, false),
        ("department", ContainsString, Some(""), false),
        // Paths.
        ("realm_access.roles", ExactMatch, Some("gateway"), true),
        ("/realm_access/roles", ExactMatch, Some("gateway"), true),
        ("/realm_access/roles/1", ExactMatch, Some("gateway"), true),
        ("/realm_access/roles/0", ExactMatch, Some("gateway"), false),
        ("resource_access.flotilla.prod.roles", ExactMatch, Some("admin"), true),
        ("/resource_access/flotilla.prod/roles", ExactMatch, Some("admin"), true),
        ("https://example.com/groups", ExactMatch, Some("named"), true),
        ("/https:~1~1example.com~1groups", ExactMatch, Some("named"), true),
        ("/a~1b/c~0d", ExactMatch, Some("deep"), true),
        ("/addresses/0/country", ExactMatch, Some("NL"), true),
        ("realm_access.", Present, None, false),
        (".roles", Present, None, false),
        ("/", Present, None, false),
        ("", Present, None, false),
    ];
    let attributes = attributes();
    for (attribute, operator, value, expected) in cases {
        let found = condition(attribute, operator, value).fits(&attributes);
        assert_eq!(found, expected, "{attribute} {operator:?} {value:?}");
    }
}

#[test]
fn all_fitting_rules_give() {
    let mapping = Mapping::parse(&json!({
        "role_mapping": [
            { "attribute": "groups", "operator": "exact_match", "value": "developers", "roles": ["dev", "reader"] },
            { "attribute": "groups", "operator": "contains_string", "value": "admin", "roles": ["admin", "reader"] },
            { "attribute": "groups", "operator": "exact_match", "value": "auditors", "roles": ["audit"] },
        ],
        "boundary_mapping": [
            { "attribute": "department", "operator": "present", "permission_policies": ["no-prod"] },
            { "attribute": "region", "operator": "present", "permission_policies": ["eu-only"] },
        ],
    }))
    .expect("right rules");
    assert_eq!(mapping.roles(&attributes()), ["admin", "dev", "reader"].map(str::to_owned).into());
    assert_eq!(mapping.boundaries(&attributes()), ["no-prod".to_owned()].into());
    assert!(mapping.roles(&Map::new()).is_empty() && mapping.boundaries(&Map::new()).is_empty());
    let again = serde_json::to_value(&mapping).expect("JSON");
    assert_eq!(Mapping::parse(&again).expect("the same"), mapping);
}

#[test]
fn faults_name_their_field() {
    let cases = [
        (json!({"attribute": "", "operator": "present", "roles": ["1"]}), "/role_mapping/1/attribute"),
        (json!({"attribute": "a", "operator": "present", "value": "b", "roles": ["1"]}), "/role_mapping/1/value"),
        (
            json!({"attribute": "a", "operator": "contains_string", "value": "", "roles": ["1"]}),
            "/role_mapping/1/value",
        ),
        (json!({"attribute": "a", "operator": "exact_match", "roles": ["1"]}), "/role_mapping/1/value"),
        (json!({"attribute": "a", "operator": "present", "roles": []}), "/role_mapping/1/roles"),
        (json!({"attribute": "a", "operator": "present", "roles": [""]}), "/role_mapping/1/roles"),
        (json!({"attribute": "a", "operator": "matches", "roles": ["1"]}), "/role_mapping/1"),
        (json!({"attribute": "a", "operator": "present"}), "/role_mapping/1"),
    ];
    let right = json!({"attribute": "a", "operator": "present", "roles": ["1"]});
    for (rule, pointer) in cases {
        let faults = Mapping::parse(&json!({"role_mapping": [right, rule]})).expect_err("a fault");
        assert_eq!(faults.0.len(), 1, "{faults}");
        assert_eq!(faults.0[0].pointer, pointer, "{rule}: {faults}");
    }
    let rule = json!({"attribute": "a", "operator": "present", "permission_policies": []});
    let faults = Mapping::parse(&json!({"boundary_mapping": [rule]})).expect_err("a fault");
    assert_eq!(faults.0[0].pointer, "/boundary_mapping/0/permission_policies");
    let many = Mapping::parse(&json!({"role_mapping": vec![right; 1001]})).expect_err("a fault");
    assert_eq!(many.0[0].pointer, "/role_mapping");
    assert!(Mapping::parse(&json!({"rolemapping": []})).is_err());
}

#[test]
fn the_documents_example_is_right() {
    let document = include_str!("../../../../docs/SIGN-ON.md");
    let section = document.split("## Roles and boundaries\n").nth(1).expect("the section");
    let example = section.split("```json").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let mapping = Mapping::parse(&serde_json::from_str(example).expect("JSON")).expect("right rules");
    let claims = json!({"groups": ["gateway-admins"], "realm_access": {"roles": ["flotilla-dev"]}, "contractor": true});
    let claims = claims.as_object().expect("an object");
    assert_eq!(mapping.roles(claims), ["1", "2", "3"].map(str::to_owned).into());
    assert_eq!(mapping.boundaries(claims), ["7".to_owned()].into());
}
