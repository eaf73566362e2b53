//! Who calls, and how they prove it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Plugins;
use crate::id::ResourceId;
use crate::label::Labels;

/// A consumer; its id is its username.
///
/// Source: <https://apisix.apache.org/docs/apisix/admin-api/#consumer>
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Consumer {
    /// Unique in the group.
    #[schemars(length(min = 1, max = 100), regex(pattern = r"^[a-zA-Z0-9_\-.]+$"))]
    pub username: String,
    /// The consumer group whose plugins it takes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_id: Option<ResourceId>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65536))]
    pub desc: Option<String>,
    /// Labels to select by.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// Plugins for its requests, and authentication settings in the older style (`key-auth: {key}`).
    #[serde(default, skip_serializing_if = "Plugins::is_empty")]
    pub plugins: Plugins,
}

/// One way for a consumer to prove itself: exactly one authentication plugin.
///
/// Source: <https://apisix.apache.org/docs/apisix/admin-api/#credential>
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// Name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 65536))]
    pub name: Option<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65536))]
    pub desc: Option<String>,
    /// Labels to select by.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// `key-auth`, `basic-auth`, `jwt-auth` or `hmac-auth` with its secret.
    pub plugins: Plugins,
}
