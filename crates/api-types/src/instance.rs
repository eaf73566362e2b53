//! Gateway instances as the control plane knows them.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A gateway instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Instance {
    /// Kept by the instance across restarts.
    pub id: String,
    /// The one group it belongs to.
    pub gateway_group_id: String,
    /// Name of its host.
    pub hostname: String,
    /// Where it was last seen.
    pub ip: String,
    /// Its version.
    pub version: String,
    /// `healthy`, `out_of_sync`, `lost_connection` or `offline`.
    pub status: String,
    /// The revision it serves; none yet before its first configuration.
    pub applied_revision: Option<u64>,
    /// The revision it should serve.
    pub target_revision: u64,
    /// Digest of what it serves, hexadecimal.
    pub applied_digest: Option<String>,
    /// The revision it would not take, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
    /// Counters of its last heartbeat, as it sent them.
    #[serde(default)]
    pub counters: Value,
    /// Whether it was shut out for good.
    pub revoked: bool,
    /// Unix seconds.
    pub last_heartbeat_time: i64,
    /// Unix seconds after which its certificate is refused.
    pub certificate_expires_at: i64,
    /// Unix seconds of its first joining.
    pub created_at: i64,
}

/// Why an instance would not take a revision; it goes on with what it had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Refusal {
    /// The revision refused.
    pub revision: u64,
    /// The object that was wrong: `route/r1`.
    pub object: String,
    /// JSON pointer of the field within the object.
    pub field: String,
    /// What was wrong with it.
    pub reason: String,
}

/// How many instances have a status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatusCount {
    /// The status.
    pub key: String,
    /// How many have it.
    pub count: u64,
}
