//! The names of the objects that policies speak of, in one place.
//!
//! Names are those of API7 Enterprise, so that policies written for it hold here. An action that has no object yet (create)
//! or concerns all of them is done to the literal id [`ANY`], which `<.*>` matches like any other id.

/// The literal id of actions without an object of their own: `arn:api7:gateway:gatewaygroup/*`.
pub const ANY: &str = "*";

/// What the ARN of every gateway group begins with.
pub const GATEWAY_GROUPS: &str = "arn:api7:gateway:gatewaygroup/";
/// What stands between a group's id and a service's.
pub const PUBLISHED_SERVICES: &str = "/publishedservice/";
/// What stands between a group's id and a consumer's name.
pub const CONSUMERS: &str = "/consumer/";
/// What the ARN of every service template begins with.
pub const SERVICE_TEMPLATES: &str = "arn:api7:gateway:servicetemplate/";
/// What the ARN of every user begins with.
pub const USERS: &str = "arn:api7:iam:user/";
/// What the ARN of every role begins with.
pub const ROLES: &str = "arn:api7:iam:role/";
/// What the ARN of every permission policy begins with.
pub const PERMISSION_POLICIES: &str = "arn:api7:iam:permissionpolicy/";
/// What the ARN of every contact point begins with.
pub const CONTACT_POINTS: &str = "arn:api7:iam:contactpoint/";

/// All shapes of ARNs, with [`HOLE`] where an id stands.
pub(super) const SHAPES: [&str; 13] = [
    "arn:api7:gateway:gatewaygroup/\u{0}",
    "arn:api7:gateway:gatewaygroup/\u{0}/publishedservice/\u{0}",
    "arn:api7:gateway:gatewaygroup/\u{0}/consumer/\u{0}",
    "arn:api7:gateway:servicetemplate/\u{0}",
    "arn:api7:gateway:gatewaysetting/*",
    "arn:api7:gateway:alert/*",
    "arn:api7:iam:user/\u{0}",
    "arn:api7:iam:role/\u{0}",
    "arn:api7:iam:permissionpolicy/\u{0}",
    "arn:api7:iam:contactpoint/\u{0}",
    "arn:api7:iam:organization/*",
    "arn:api7:portal:\u{0}/\u{0}",
    "arn:api7:portal:\u{0}/\u{0}/\u{0}/\u{0}",
];

/// Stands for an id in [`SHAPES`]; no ARN has this character.
pub(super) const HOLE: char = '\u{0}';

/// A group, and what has no name of its own in it: instances, certificates, CA certificates, SNIs, global rules,
/// plugin metadata, secret providers, service registries.
pub fn gateway_group(group: &str) -> String {
    format!("{GATEWAY_GROUPS}{group}")
}

/// What the ARNs of a group's services begin with.
pub fn published_services(group: &str) -> String {
    format!("{GATEWAY_GROUPS}{group}{PUBLISHED_SERVICES}")
}

/// A service of a group, with its routes and stream routes.
pub fn published_service(group: &str, service: &str) -> String {
    published_services(group) + service
}

/// What the ARNs of a group's consumers begin with.
pub fn consumers(group: &str) -> String {
    format!("{GATEWAY_GROUPS}{group}{CONSUMERS}")
}

/// A consumer of a group, with its credentials. It is known by its group's ARN, too: see
/// [`Target::also`](super::Target::also).
pub fn consumer(group: &str, name: &str) -> String {
    consumers(group) + name
}

/// A service template, with its routes.
pub fn service_template(id: &str) -> String {
    format!("{SERVICE_TEMPLATES}{id}")
}

/// Settings of the deployment, custom plugins.
pub fn gateway_setting() -> String {
    "arn:api7:gateway:gatewaysetting/*".into()
}

/// Alert policies.
pub fn alert() -> String {
    "arn:api7:gateway:alert/*".into()
}

/// A user.
pub fn user(id: &str) -> String {
    format!("{USERS}{id}")
}

/// A role.
pub fn role(id: &str) -> String {
    format!("{ROLES}{id}")
}

/// A permission policy.
pub fn permission_policy(id: &str) -> String {
    format!("{PERMISSION_POLICIES}{id}")
}

/// A contact point.
pub fn contact_point(id: &str) -> String {
    format!("{CONTACT_POINTS}{id}")
}

/// Licence, audit log, SCIM, login options.
pub fn organization() -> String {
    "arn:api7:iam:organization/*".into()
}

/// An object of the developer portal: `arn:api7:portal:developer/{id}`.
pub fn portal(kind: &str, id: &str) -> String {
    format!("arn:api7:portal:{kind}/{id}")
}
