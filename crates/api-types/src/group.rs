//! Gateway groups, their keys, join tokens and history.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Body that creates or replaces a gateway group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GatewayGroupSpec {
    /// Unique; 1 to 1,024 characters.
    pub name: String,
    /// What it is for; at most 65,536 characters.
    #[serde(default, alias = "description")]
    pub desc: String,
    /// Labels to select by.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// `api7_gateway` (configured by this API) or `api7_ingress_controller`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub group_type: Option<String>,
    /// Home region of its instances.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Values for `$group://NAME`.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// Services enter by publishing only.
    #[serde(default)]
    pub enforce_service_publishing: bool,
}

/// A gateway group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GatewayGroup {
    /// `default`, or a UUID.
    pub id: String,
    /// Short and unique.
    pub short_id: String,
    /// Unique.
    pub name: String,
    /// What it is for.
    pub desc: String,
    /// Labels to select by.
    pub labels: BTreeMap<String, String>,
    /// Where its configuration comes from.
    #[serde(rename = "type")]
    pub group_type: String,
    /// Home region of its instances.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Values for `$group://NAME`.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// Services enter by publishing only.
    pub enforce_service_publishing: bool,
    /// The head of its configuration.
    pub config_version: u64,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
}

/// What is counted per group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CountOf {
    /// Certificates.
    Ssl,
    /// Consumers.
    Consumer,
    /// Services.
    Service,
    /// Routes.
    Route,
    /// Gateway instances.
    GatewayInstance,
}

/// A count of one group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GroupCount {
    /// Id of the group.
    pub key: String,
    /// How many it has.
    pub count: u64,
}

/// Where a group stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GroupStatus {
    /// Id of the group.
    pub gateway_group_id: String,
    /// Name of the group.
    pub name: String,
    /// The head of its configuration.
    pub revision: u64,
    /// Digest of the head, hexadecimal.
    pub digest: String,
    /// Live instances that serve their target.
    pub in_sync: u64,
    /// Live instances that serve something older, or refused what they were given.
    pub behind: u64,
    /// Instances that have not been heard of lately.
    pub lost: u64,
}

/// One revision of a group's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Revision {
    /// Its number: 1, 2, 3 without gaps.
    pub revision: u64,
    /// Digest of the configuration it led to, hexadecimal.
    pub digest: String,
    /// Who made it.
    pub author: String,
    /// Unix seconds.
    pub created_at: i64,
    /// How many resources it changed.
    pub changes: u64,
}

/// The admin key of a group: good for this group alone, and for no other.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AdminKey {
    /// The key as `a7adm-...`; there only in the answer that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Unix seconds of its making; none when the group has no key.
    pub created_at: Option<i64>,
}

/// Body that asks for a join token; an empty body asks for the defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JoinTokenSpec {
    /// Seconds it is good for; none means the default of the control plane, 0 for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<u64>,
    /// How many instances may join with it; none or 0 for any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_uses: Option<u32>,
}

/// A join token with its secret, shown this once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IssuedJoinToken {
    /// Id to address it by.
    pub id: String,
    /// What a new instance is started with: the secret and the fingerprint of the control plane's CA.
    pub token_plain_text: String,
    /// Unix seconds after which no instance can join with it; 0 for never.
    pub expires_at: i64,
    /// How many instances may join with it; 0 for any number.
    pub max_uses: u32,
}

/// A join token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JoinToken {
    /// Id to address it by.
    pub id: String,
    /// Unix seconds after which no instance can join with it; 0 for never.
    pub expires_at: i64,
    /// How many instances may join with it; 0 for any number.
    pub max_uses: u64,
    /// How many have.
    pub uses: u64,
    /// Whether it was revoked.
    pub revoked: bool,
    /// Unix seconds of its making.
    pub created_at: i64,
}
