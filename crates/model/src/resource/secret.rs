//! Secret managers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where secrets are kept that `$secret://<manager>/<id>/...` refers to: HashiCorp Vault, AWS or Google Cloud. Which
/// fields are needed depends on the manager, which is the first part of the id.
///
/// Source: <https://apisix.apache.org/docs/apisix/admin-api/#secret>
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// Vault: its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub uri: Option<String>,
    /// Vault: below which path the secrets lie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub prefix: Option<String>,
    /// Vault: the token. Never in answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub token: Option<String>,
    /// Vault: the namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// AWS: the key's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<String>,
    /// AWS: the key. Never in answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_access_key: Option<String>,
    /// AWS: a session's token. Never in answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_token: Option<String>,
    /// AWS: the region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// AWS: another address than the region's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_url: Option<String>,
    /// Google Cloud: the service account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_config: Option<serde_json::Map<String, serde_json::Value>>,
    /// Google Cloud: a file with the service account, on the instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_file: Option<String>,
    /// Google Cloud: whether the manager's certificate is checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssl_verify: Option<bool>,
}
