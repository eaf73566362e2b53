//! Who calls the API: login, password, personal tokens.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Body of a login.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct Login {
    /// Name or mail address of the user.
    #[serde(alias = "email")]
    pub username: String,
    /// Password of the user.
    pub password: String,
    /// One-time code of the user's second factor, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub totp_code: Option<String>,
}

/// Body that shows a one-time code.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct OneTimeCode {
    /// Six digits.
    pub code: String,
}

/// Body that puts a second factor in force.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct SecondFactorProof {
    /// Six digits of the new key.
    pub code: String,
    /// Six digits of the key in force, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_code: Option<String>,
}

/// A key for an authenticator app, shown this once.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct NewSecondFactor {
    /// In base32.
    pub secret: String,
    /// `otpauth://totp/...`, to be shown as a QR code.
    pub uri: String,
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
    /// Whether a password must be chosen, at `PUT /api/password`, before anything else.
    #[serde(default)]
    pub must_change_password: bool,
    /// The one group an admin key is good for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway_group_id: Option<String>,
}

/// Body that asks for a personal token.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenSpec {
    /// Name to know it by.
    pub name: String,
    /// Unix seconds after which it is refused; 0 for never.
    #[serde(default)]
    pub expires_at: i64,
    /// What it is narrowed to, as a permission policy's document; all rights of its user when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_document: Option<serde_json::Value>,
}

/// A personal token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Token {
    /// Id to address it by.
    pub id: String,
    /// Name to know it by.
    pub name: String,
    /// What it is narrowed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_document: Option<serde_json::Value>,
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
