use serde_json::json;

use crate::policy::{ConditionKey, PolicyDocument};

const ACTIONS: [&str; 3] = ["gateway:GetGatewayGroup", "gateway:CreateGatewayGroup", "iam:GetUser"];

fn warnings(resource: &str, action: &str) -> Vec<String> {
    let statement = json!({ "effect": "allow", "resources": [resource], "actions": [action] });
    PolicyDocument::parse(&json!({ "statement": [statement] }))
        .expect("a document")
        .warnings(&ACTIONS, &[ConditionKey::GatewayGroupLabel])
}

#[test]
fn patterns_that_can_match_something_are_fine() {
    for resource in [
        "<.*>",
        "arn:api7:gateway:gatewaygroup/g1",
        "arn:api7:gateway:gatewaygroup/*",
        "arn:api7:gateway:gatewaygroup/<[^:]*>",
        "arn:api7:gateway:gatewaygroup/<[0-9a-f-]{36}>/publishedservice/<.*>",
        "arn:api7:gateway:gatewaygroup/<a|b>/consumer/jack",
        "arn:api7:<(gateway|iam)>:<.*>",
        "arn:api7:iam:<(user|role)/.+>",
        "arn:api7:iam:organization/*",
        "arn:api7:portal:developer/d",
        "<(?i)ARN:API7:>iam:user/u",
    ] {
        assert_eq!(warnings(resource, "<.*>Get<.*>"), [""; 0], "{resource}");
    }
}

#[test]
fn resources_of_no_known_shape_are_told() {
    for resource in [
        "arn:gatewaygroup:<[^:]*>",
        "arn:api7:gateway:gatewaygroups/<.*>",
        "arn:api7:gateway:gatewaygroup/",
        "arn:api7:gateway:gatewaygroup/g/service/<.*>",
        "arn:api7:gateway:user/<.*>",
        "arn:api7:iam:organization/acme",
        "gatewaygroup/g",
        "*",
    ] {
        let found = warnings(resource, "iam:GetUser");
        assert_eq!(found.len(), 1, "{resource}: {found:?}");
        assert!(
            found[0].starts_with(&format!("/statement/0/resources/0: \"{resource}\" matches no resource")),
            "{found:?}"
        );
    }
    assert!(warnings("arn:gatewaygroup:<.*>", "<.*>")[0].ends_with("ARNs begin with arn:api7:"));
}

#[test]
fn actions_that_do_not_exist_are_told() {
    for action in ["GatewayGroup:DeleteGatewayGroup", "gateway:getgatewaygroup", "*", "gateway:<Get>"] {
        let found = warnings("<.*>", action);
        assert_eq!(found, [format!("/statement/0/actions/0: \"{action}\" matches no action")]);
    }
}
