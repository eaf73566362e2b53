//! Protocol buffer definitions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::label::Labels;

/// A definition that plugins name by its id.
///
/// Source: <https://apisix.apache.org/docs/apisix/admin-api/#proto>
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Proto {
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
    /// A `.proto` text, or a descriptor set in base64.
    #[schemars(length(min = 1, max = 1048576))]
    pub content: String,
}
