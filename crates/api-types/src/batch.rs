//! Many changes as one revision, and faults told item by item.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// Changes that are accepted together as one revision, or not at all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Batch {
    /// The changes, applied in this order; at least one.
    pub changes: Vec<BatchChange>,
    /// The revision they were made against; another head gives 412. None asks for no check. The header `If-Match` says the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
}

/// One change of a batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BatchChange {
    /// What to do.
    pub op: BatchOperation,
    /// Kind of the resource: `service`, `route`, `stream_route`, `upstream`, `consumer`, `credential`, `ssl`, `global_rule`,
    /// `plugin_metadata` or `plugin_config`; the plural of API paths is understood too.
    pub kind: String,
    /// The service of a further upstream, the consumer of a credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Id of the resource.
    pub id: String,
    /// The resource as in a PUT; only with `put`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

/// What a change of a batch does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BatchOperation {
    /// Create or replace.
    Put,
    /// Remove, with all that stands below it.
    Delete,
}

/// What a batch led to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BatchResult {
    /// The head of the group's configuration now.
    pub revision: u64,
    /// How many changes the request held.
    pub changes: u64,
}

/// What is wrong with one item of a request that carried many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ItemError {
    /// Plural name of the kind: `routes`.
    pub resource_type: String,
    /// Id of the item; empty when it has none.
    pub resource_id: String,
    /// Place within the array it came in, from 0.
    pub index: u64,
    /// What is wrong, with the JSON pointer within the item.
    pub error: String,
}

/// A whole configuration to be checked; nothing is stored. Items have the shapes of a PUT.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ValidationBody {
    /// Services with their inline upstreams.
    #[serde(default)]
    pub services: Vec<Value>,
    /// Routes.
    #[serde(default)]
    pub routes: Vec<Value>,
    /// Stream routes.
    #[serde(default)]
    pub stream_routes: Vec<Value>,
    /// Upstreams by reference (APISIX).
    #[serde(default)]
    pub upstreams: Vec<Value>,
    /// Consumers.
    #[serde(default)]
    pub consumers: Vec<Value>,
    /// Certificates.
    #[serde(default)]
    pub ssls: Vec<Value>,
    /// Global rules: `{"plugins": {...}}`.
    #[serde(default)]
    pub global_rules: Vec<Value>,
    /// Plugin metadata: `{"id": "<plugin>", ...}`.
    #[serde(default)]
    pub plugin_metadata: Vec<Value>,
    /// Shared plugin sets (APISIX).
    #[serde(default)]
    pub plugin_configs: Vec<Value>,
}
