//! Users, roles, permission policies, and what they decide.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// Body that invites a user.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct Invitation {
    /// Unique, also among names that look alike; 1 to 100 characters.
    pub username: String,
    /// Good for one login, at which another must be chosen.
    pub password: String,
    /// Where the user can be written to; the user may log in with it, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Labels to select by.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Ids of the permission policies that bound it.
    #[serde(default)]
    pub permission_boundaries: Vec<String>,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct User {
    /// Its id.
    pub id: String,
    /// The name it logs in with.
    pub username: String,
    /// Where it can be written to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Labels to select by.
    pub labels: BTreeMap<String, String>,
    /// Its roles.
    pub roles: Vec<RoleName>,
    /// `built_in`, or the id of the login option it comes by.
    pub login_option: String,
    /// Whether it may come in.
    pub active: bool,
    /// Whether it must choose a password before anything else.
    pub must_change_password: bool,
    /// Whether its logins take a one-time code.
    pub has_second_factor: bool,
    /// Unix seconds until which too many wrong passwords lock it; 0 for not locked.
    #[serde(default)]
    pub locked_until: i64,
    /// Unix seconds; 0 for never.
    pub last_login_at: i64,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
}

/// A role by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoleName {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// Body that changes a user; what is left out stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UserChange {
    /// Empty removes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Labels to select by; all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// A user that is made inactive is out at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// `false` ends a lock for wrong passwords.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked: Option<bool>,
}

/// Body that replaces a user's roles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AssignedRoles {
    /// Ids of roles.
    pub roles: Vec<String>,
}

/// Body that replaces a user's permission boundaries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Boundaries {
    /// Ids of permission policies; none lifts the boundary.
    #[serde(alias = "boundaries", alias = "permission_policies")]
    pub permission_boundaries: Vec<String>,
}

/// Body that gives a user a new one-time password.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct PasswordReset {
    /// Good for one login, at which another must be chosen.
    #[serde(alias = "new_password")]
    pub password: String,
}

/// A session of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Session {
    /// Its id.
    pub id: String,
    /// The address it was begun from.
    pub address: String,
    /// What the client calls itself.
    pub user_agent: String,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds, to the minute.
    pub last_used_at: i64,
    /// Unix seconds.
    pub expires_at: i64,
}

/// Body that creates or replaces a role.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoleSpec {
    /// Unique; 1 to 100 characters.
    pub name: String,
    /// What it is for; at most 64 KiB.
    #[serde(default, alias = "description")]
    pub desc: String,
    /// Labels to select by.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Ids of its permission policies; counts when the role is created.
    #[serde(default)]
    pub permission_policies: Vec<String>,
}

/// A role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Role {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub desc: String,
    /// Labels to select by.
    pub labels: BTreeMap<String, String>,
    /// `built_in` or `custom`.
    #[serde(rename = "type")]
    pub role_type: String,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
}

/// Body that attaches permission policies to a role or detaches them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyIds {
    /// Ids of permission policies.
    #[serde(alias = "permission_policy_ids", alias = "policies")]
    pub permission_policies: Vec<String>,
}

/// Body that creates or replaces a permission policy.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PermissionPolicySpec {
    /// Unique; 1 to 100 characters.
    pub name: String,
    /// What it is for; at most 64 KiB.
    #[serde(default, alias = "description")]
    pub desc: String,
    /// Labels to select by.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// `{"statement": [{"effect", "resources", "actions", "conditions"}]}`; see docs/PERMISSIONS.md.
    pub policy_document: Value,
}

/// A permission policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PermissionPolicy {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub desc: String,
    /// Labels to select by.
    pub labels: BTreeMap<String, String>,
    /// `built_in` or `custom`.
    #[serde(rename = "type")]
    pub policy_type: String,
    /// What it allows and denies.
    pub policy_document: Value,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
}

/// A permission policy that was saved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SavedPolicy {
    /// The policy.
    pub value: PermissionPolicy,
    /// What is odd about it, such as a pattern that no resource there could ever be matches; left out when nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning_msg: Option<String>,
}

/// May somebody do this to that?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Question {
    /// The action: `gateway:UpdatePublishedService`.
    pub action: String,
    /// ARN of the resource: `arn:api7:gateway:gatewaygroup/default/publishedservice/orders`.
    pub resource: String,
}

/// Body that asks why a decision comes out as it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CanI {
    /// The action: `gateway:UpdatePublishedService`.
    pub action: String,
    /// ARN of the resource.
    pub resource: String,
    /// Id of the user asked about; the caller itself when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

/// Body that asks which decisions a policy would change, were it saved.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SimulationSpec {
    /// Id of the policy to be changed; left out for a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission_policy_id: Option<String>,
    /// Its document then; left out: the policy is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_document: Option<Value>,
    /// Ids of the roles that would get a new policy.
    #[serde(default)]
    pub roles: Vec<String>,
    /// What is asked for every user.
    pub questions: Vec<Question>,
}

/// What a policy would change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Simulation {
    /// The decisions that would come out differently.
    pub differences: Vec<Difference>,
    /// How many users were looked at.
    pub users: u64,
    /// Whether there are more users than are looked at.
    pub is_partial: bool,
}

/// One decision that would come out differently.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Difference {
    /// Id of the user.
    pub user_id: String,
    /// Its name.
    pub username: String,
    /// The action.
    pub action: String,
    /// The resource in words.
    pub resource: String,
    /// Whether it is allowed now.
    pub now: bool,
    /// Whether it would be.
    pub then: bool,
    /// Why it is as it is.
    pub why_now: Value,
    /// Why it would be otherwise.
    pub why_then: Value,
}

/// Body that makes a further admin key of a group.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AdminKeySpec {
    /// Unique in the group.
    pub name: String,
    /// What it is narrowed to; everything a key may when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_document: Option<Value>,
    /// Unix seconds after which it is refused; 0 for never.
    #[serde(default)]
    pub expires_at: i64,
}

/// An admin key of a group, without its secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NamedAdminKey {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is narrowed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_document: Option<Value>,
    /// Unix seconds after which it is refused; 0 for never.
    pub expires_at: i64,
    /// Unix seconds of its last use, to the minute; 0 for not yet.
    pub last_used_at: i64,
    /// Unix seconds of its making.
    pub created_at: i64,
}

/// An admin key with its secret, shown this once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IssuedAdminKey {
    /// Its id.
    pub id: String,
    /// The secret: the value of the header `X-API-KEY`.
    pub key: String,
}
