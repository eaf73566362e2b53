//! Every file of `examples/policies` does what it says it does.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use super::{attached, labels};
use crate::label::Labels;
use crate::policy::{Access, ConditionKey, Policy, PolicyDocument, Target, arn};

/// All actions that the examples could mean.
const ACTIONS: &[&str] = &[
    "gateway:GetGatewayGroup",
    "gateway:CreateGatewayGroup",
    "gateway:UpdateGatewayGroup",
    "gateway:DeleteGatewayGroup",
    "gateway:GetPublishedService",
    "gateway:CreatePublishedService",
    "gateway:UpdatePublishedService",
    "gateway:DeletePublishedService",
    "gateway:PublishServices",
    "gateway:GetServiceTemplate",
    "gateway:UpdateServiceTemplate",
    "gateway:DeleteServiceTemplate",
    "gateway:GetConsumer",
    "gateway:GetCustomPlugin",
    "gateway:CreateCustomPlugin",
    "iam:GetRole",
    "iam:CreateRole",
    "iam:GetUser",
    "iam:InviteUser",
    "iam:UpdateUserRole",
    "iam:GetPermissionPolicy",
    "iam:UpdateLicense",
    "iam:GetAudit",
];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/policies")
}

fn example(name: &str) -> Arc<Policy> {
    let text = std::fs::read_to_string(folder().join(format!("{name}.json"))).expect(name);
    let value: Value = serde_json::from_str(&text).expect(name);
    let document = PolicyDocument::parse(&value["policy_document"]).expect(name);
    assert_eq!(document.to_value(), value["policy_document"], "{name} is not in canonical spelling");
    assert_eq!(document.warnings(ACTIONS, &ConditionKey::all().collect::<Vec<_>>()), [""; 0], "{name}");
    assert!(value["desc"].as_str().is_some_and(|text| !text.is_empty()), "{name} tells nothing");
    Arc::new(Policy { id: name.into(), name: value["name"].as_str().expect("a name").into(), document })
}

fn group(id: &str) -> Target<'static> {
    Target::new(arn::gateway_group(id))
}

fn service(group: &str, id: &str) -> Target<'static> {
    Target::new(arn::published_service(group, id))
}

fn template(id: &str) -> Target<'static> {
    Target::new(arn::service_template(id))
}

fn organization() -> Target<'static> {
    Target::new(arn::organization())
}

fn user(id: &str) -> Target<'static> {
    Target::new(arn::user(id))
}

fn role(id: &str) -> Target<'static> {
    Target::new(arn::role(id))
}

fn settings() -> Target<'static> {
    Target::new(arn::gateway_setting())
}

fn payment() -> Labels {
    labels(&[("team", "payment")])
}

/// Example, action, target, expected.
fn table() -> Vec<(&'static str, &'static str, Target<'static>, bool)> {
    let production = |value: &str| group("g").with_labels(ConditionKey::GatewayGroupLabel, labels(&[("type", value)]));
    let of_team = |target: Target<'static>, key| target.with_labels(key, payment());
    vec![
        ("full-access", "gateway:DeleteGatewayGroup", group("prod"), true),
        ("full-access", "iam:UpdateLicense", organization(), true),
        ("read-only-everywhere", "gateway:GetPublishedService", service("prod", "s"), true),
        ("read-only-everywhere", "iam:GetUser", user("u"), true),
        ("read-only-everywhere", "gateway:UpdatePublishedService", service("prod", "s"), false),
        ("read-only-everywhere", "iam:InviteUser", user("*"), false),
        ("read-only-on-groups", "gateway:GetGatewayGroup", group("dev"), true),
        ("read-only-on-groups", "gateway:GetPublishedService", service("test", "s"), true),
        ("read-only-on-groups", "gateway:UpdateGatewayGroup", group("dev"), false),
        ("read-only-on-groups", "gateway:GetGatewayGroup", group("prod"), false),
        ("read-only-on-groups", "gateway:GetGatewayGroup", group("dev2"), false),
        ("read-only-on-groups", "gateway:GetPublishedService", service("prod", "s"), false),
        ("full-on-groups", "gateway:DeleteGatewayGroup", group("test"), true),
        ("full-on-groups", "gateway:PublishServices", service("dev", "*"), true),
        ("full-on-groups", "gateway:CreateGatewayGroup", group("*"), false),
        ("full-on-groups", "gateway:PublishServices", service("prod", "*"), false),
        ("service-administrator-by-id", "gateway:UpdateServiceTemplate", template("orders"), true),
        ("service-administrator-by-id", "gateway:UpdatePublishedService", service("prod", "orders"), true),
        ("service-administrator-by-id", "gateway:GetGatewayGroup", group("prod"), true),
        ("service-administrator-by-id", "gateway:UpdateGatewayGroup", group("prod"), false),
        ("service-administrator-by-id", "gateway:UpdatePublishedService", service("prod", "orders2"), false),
        ("service-administrator-by-id", "gateway:UpdateServiceTemplate", template("payments"), false),
        (
            "service-administrator-by-label",
            "gateway:UpdatePublishedService",
            of_team(service("prod", "s"), ConditionKey::ServiceLabel),
            true,
        ),
        (
            "service-administrator-by-label",
            "gateway:UpdateServiceTemplate",
            of_team(template("t"), ConditionKey::ServiceLabel),
            true,
        ),
        (
            "service-administrator-by-label",
            "gateway:UpdatePublishedService",
            service("prod", "s").with_labels(ConditionKey::ServiceLabel, labels(&[("team", "orders")])),
            false,
        ),
        (
            "service-administrator-by-label",
            "gateway:UpdatePublishedService",
            of_team(service("prod", "s"), ConditionKey::GatewayGroupLabel),
            false,
        ),
        ("custom-plugin-manager", "gateway:CreateCustomPlugin", settings(), true),
        ("custom-plugin-manager", "gateway:GetGatewayGroup", group("g"), false),
        ("custom-plugin-manager", "gateway:UpdateDeploymentSetting", settings(), false),
        ("role-administrator", "iam:CreateRole", role("*"), true),
        ("role-administrator", "iam:GetPermissionPolicy", Target::new(arn::permission_policy("p")), true),
        ("role-administrator", "iam:UpdatePermissionPolicy", Target::new(arn::permission_policy("p")), false),
        ("role-administrator", "iam:UpdateUserRole", user("u"), false),
        ("production-groups", "gateway:CreateGatewayGroup", group("*"), true),
        ("production-groups", "gateway:DeleteGatewayGroup", production("production"), true),
        ("production-groups", "gateway:DeleteGatewayGroup", production("test"), false),
        ("production-groups", "gateway:DeleteGatewayGroup", group("g"), false),
        ("all-but-licence", "iam:GetAudit", organization(), true),
        ("all-but-licence", "gateway:DeleteGatewayGroup", group("g"), true),
        ("all-but-licence", "iam:UpdateLicense", organization(), false),
        ("team-leader", "iam:UpdateUserRole", user("alice"), true),
        ("team-leader", "iam:UpdateUserRole", user("carol"), false),
        ("team-leader", "iam:UpdateUserRole", of_team(role("r"), ConditionKey::RoleLabel), true),
        ("team-leader", "iam:UpdateUserRole", role("r"), false),
        ("team-leader", "iam:GetRole", of_team(role("r"), ConditionKey::RoleLabel), true),
        ("team-leader", "iam:GetRole", role("r"), false),
        ("bounded-inviter", "iam:InviteUser", user("*"), false),
        ("group-test", "gateway:UpdateGatewayGroup", group("test"), true),
        ("group-test", "gateway:GetConsumer", Target::new(arn::consumer("test", "jack")), true),
        ("group-test", "gateway:UpdateGatewayGroup", group("uat"), false),
        ("group-uat", "gateway:PublishServices", service("uat", "*"), true),
        ("group-uat", "gateway:PublishServices", service("prod", "*"), false),
        ("group-prod", "gateway:PublishServices", service("prod", "*"), true),
        ("group-prod", "gateway:PublishServices", service("test", "*"), false),
    ]
}

fn given(names: &[&str]) -> Access {
    Access::new(names.iter().map(|name| attached(example(name))).collect(), Vec::new())
}

#[test]
fn every_example_allows_what_it_says_and_no_more() {
    for (name, action, target, expected) in table() {
        assert_eq!(given(&[name]).allows(&[action], &target), expected, "{name}: {action} on {target:?}");
    }
}

#[test]
fn every_example_stands_in_the_table() {
    let entries = std::fs::read_dir(folder()).expect("examples/policies").map(|entry| entry.expect("entry").path());
    let files: BTreeSet<_> =
        entries.map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned()).collect();
    let told = table().into_iter().map(|(name, ..)| name.to_owned()).collect();
    assert_eq!(files, told);
}

#[test]
fn an_invitation_needs_the_boundary_that_the_inviter_must_set() {
    let access = given(&["bounded-inviter"]);
    let with = |ids: &[String]| access.allows(&["iam:InviteUser"], &user("*").bounded_by(ids));
    assert!(with(&["team-boundary".to_owned(), "other".to_owned()]));
    assert!(!with(&["other".to_owned()]));
}

/// Three roles of a team, made of one policy for each group.
#[test]
fn member_leader_and_quality_assurance() {
    let roles: [(&str, &[&str], [bool; 3]); 3] = [
        ("member", &["group-test"], [true, false, false]),
        ("leader", &["group-test", "group-uat"], [true, true, false]),
        ("quality assurance", &["group-uat", "group-prod"], [false, true, true]),
    ];
    for (who, policies, expected) in roles {
        let access = given(policies);
        let publishes =
            ["test", "uat", "prod"].map(|id| access.allows(&["gateway:PublishServices"], &service(id, "*")));
        assert_eq!(publishes, expected, "{who}");
        let sees = ["test", "uat", "prod"].map(|id| access.allows(&["gateway:GetGatewayGroup"], &group(id)));
        assert_eq!(sees, expected, "{who}");
    }
}
