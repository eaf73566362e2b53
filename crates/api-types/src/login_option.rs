//! Login options: ways to log in beside name and password.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// Body that makes or changes a login option. Secrets that are left out, or sent as `***`, stay as they are.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct LoginOptionSpec {
    /// Unique; 1 to 100 characters.
    pub name: String,
    /// `oidc` or `ldap`.
    #[serde(rename = "type")]
    pub option_type: String,
    /// Address of a picture for login pages: `https://`, or `data:image/`.
    #[serde(default)]
    pub logo: String,
    /// Whether anybody can log in by it.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// The provider of OpenID Connect: `client_id`, `client_secret`, `issuer`, `root_url`, and more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc: Option<Value>,
    /// The LDAP directory: `host`, `port`, `base_dn`, `bind_dn`, `bind_password`, and more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ldap: Option<Value>,
    /// Rules that give roles: `attribute`, `operator`, `value`, `roles`. With none, roles are given by hand.
    #[serde(default)]
    pub role_mapping: Vec<Value>,
    /// Rules that bound: `attribute`, `operator`, `value`, `permission_policies`. With none, boundaries are set by hand.
    #[serde(default)]
    pub boundary_mapping: Vec<Value>,
}

fn yes() -> bool {
    true
}

/// A login option; its secrets are shown as `***`.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct LoginOption {
    /// Its id.
    pub id: String,
    /// What it is.
    #[serde(flatten)]
    pub spec: LoginOptionSpec,
    /// Unix seconds of the last login by it; 0 for never.
    pub last_used_at: i64,
    /// Unix seconds of its making.
    pub created_at: i64,
    /// Unix seconds of its last change.
    pub updated_at: i64,
}

/// What a login page shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoginWays {
    /// Whether name and password are taken at `POST /api/login`.
    pub built_in_login: bool,
    /// The login options that are enabled.
    pub login_options: Vec<LoginWay>,
}

/// A login option as a login page shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoginWay {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `oidc` or `ldap`.
    #[serde(rename = "type")]
    pub option_type: String,
    /// Address of a picture; may be empty.
    pub logo: String,
}

/// Name and password of a user of a directory.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct LdapLogin {
    /// As the directory knows the user.
    pub username: String,
    /// The directory's password.
    pub password: String,
}

/// Switches login by name and password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BuiltInLoginSpec {
    /// Whether users may log in so.
    pub enabled: bool,
}

/// Whether users may log in by name and password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BuiltInLogin {
    /// What is set.
    pub enabled: bool,
    /// Whether it works whatever is set, by `FLOTILLA_BUILT_IN_LOGIN=on` of the control plane.
    pub forced: bool,
}
