//! Settings of the whole organization: provisioning by SCIM.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Body that switches provisioning on or off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScimSwitch {
    /// Whether the endpoints below `/scim/v2` answer to the token.
    pub enabled: bool,
}

/// Whether and how provisioning is on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScimSettings {
    /// Whether the endpoints below `/scim/v2` answer to the token.
    pub enabled: bool,
    /// Path of the endpoints, which identity providers call tenant URL or base URL with the address in front.
    pub path: String,
    /// The token, without its secret; left out until one was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<ScimToken>,
}

/// The SCIM token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScimToken {
    /// Unix seconds of its making.
    pub created_at: i64,
    /// Unix seconds after which it is refused; 0 for never.
    pub expires_at: i64,
    /// Unix seconds of its last use; 0 for not yet.
    pub last_used_at: i64,
}

/// Body that asks for a SCIM token.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScimTokenSpec {
    /// Unix seconds after which it is refused; 0 for never.
    #[serde(default)]
    pub expires_at: i64,
}

/// The SCIM token with its secret, shown this once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IssuedScimToken {
    /// The secret: `Authorization: Bearer` takes it, below `/scim/v2` alone.
    pub token: String,
    /// Unix seconds after which it is refused; 0 for never.
    pub expires_at: i64,
}
