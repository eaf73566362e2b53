//! The product itself: version, state, plugins.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Which version answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Version {
    /// The version of API7's contract that is spoken; clients switch features by it.
    pub value: String,
    /// Flotilla's own version.
    pub flotilla: String,
}

/// Whether the control plane can do its work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// `ok` or `unavailable`.
    pub status: String,
    /// `ok` or `unavailable`: whether the database answers.
    pub store: String,
}

/// A licence; accepted and ignored, for Flotilla needs none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct License {
    /// The text of the licence.
    #[serde(default)]
    pub data: String,
}

/// A plugin of this build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Plugin {
    /// Name as in configurations.
    pub name: String,
    /// Higher runs earlier within a phase.
    pub priority: i64,
    /// `auth` for plugins that find the consumer.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub plugin_type: Option<String>,
}
