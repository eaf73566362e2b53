//! The gateway group itself: what a control plane keeps about it, apart from its configuration.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{GroupId, Revision};
use crate::label::Labels;

/// A set of gateway instances that share one configuration and behave alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayGroup {
    /// `default`, or a UUID.
    pub id: GroupId,
    /// Short and unique; part of key prefixes in other products' stores.
    pub short_id: String,
    /// Unique; 1 to 1,024 characters.
    pub name: String,
    /// What it is for; at most 64 KiB.
    #[serde(default, rename = "desc")]
    pub description: String,
    /// Labels to select by.
    #[serde(default)]
    pub labels: Labels,
    /// Where its configuration comes from.
    #[serde(default, rename = "type")]
    pub group_type: GroupType,
    /// Home region of its instances.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Values for `$group://NAME`.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// Services enter by publishing only.
    #[serde(default)]
    pub enforce_service_publishing: bool,
    /// The head of its configuration.
    #[serde(default, rename = "config_version")]
    pub revision: Revision,
    /// Unix seconds.
    #[serde(default)]
    pub created_at: i64,
    /// Unix seconds.
    #[serde(default)]
    pub updated_at: i64,
}

/// Where a group's configuration comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupType {
    /// The API.
    #[default]
    Api7Gateway,
    /// Kubernetes, through an ingress controller.
    Api7IngressController,
}
