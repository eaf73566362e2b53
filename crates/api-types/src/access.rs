//! Who calls the API: login, password, personal tokens.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Body of a login.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct Login {
    /// Name of the user.
    pub username: String,
    /// Password of the user.
    pub password: String,
}

/// Body of a change of password.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct PasswordChange {
    /// The password in force.
    pub old_password: String,
    /// The password to come.
    pub new_password: String,
}

/// Who the caller is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Me {
    /// Id of the user, or of the key.
    pub id: String,
    /// Name of the user; empty for a group's admin key.
    pub username: String,
    /// `user` or `group_admin_key`.
    pub kind: String,
    /// The one group an admin key is good for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway_group_id: Option<String>,
}

/// Body that asks for a personal token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenSpec {
    /// Name to know it by.
    pub name: String,
    /// Unix seconds after which it is refused; 0 for never.
    #[serde(default)]
    pub expires_at: i64,
}

/// A personal token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Token {
    /// Id to address it by.
    pub id: String,
    /// Name to know it by.
    pub name: String,
    /// Unix seconds after which it is refused; 0 for never.
    pub expires_at: i64,
    /// Unix seconds of its making.
    pub created_at: i64,
    /// Unix seconds of its last use; 0 for not yet.
    pub last_used_at: i64,
}

/// A personal token with its secret, shown this once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IssuedToken {
    /// Id to address it by.
    pub id: String,
    /// Name to know it by.
    pub name: String,
    /// The secret: the value of the header `X-API-KEY`.
    pub token: String,
    /// Unix seconds after which it is refused; 0 for never.
    pub expires_at: i64,
}
