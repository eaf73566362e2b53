//! How the nodes of upstreams are, as gateway instances tell.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The nodes of a service that health checks watch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServiceHealth {
    /// The nodes, by what they stand in, host and port.
    pub list: Vec<ServiceNode>,
    /// How many there are.
    pub total: u64,
    /// Whether an instance of the group watches more nodes than it tells of: there may be others. Those in trouble are told first.
    pub left_out: bool,
}

/// A node of an upstream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServiceNode {
    /// What it stands in: `service`, `route` or `upstream`.
    pub resource_type: String,
    /// The id of that; of an upstream what `upstream_id` filters by.
    pub resource_id: String,
    /// Name or address.
    pub host: String,
    /// Port of the node; probes may go to another.
    pub port: u16,
    /// Nodes of a lower priority serve when none of a higher one does.
    pub priority: i32,
    /// `healthy`, `mostly_healthy` (both serve), `mostly_unhealthy` or `unhealthy`: the worst that an instance tells at present;
    /// `unknown` when none does.
    pub status: String,
    /// How it is watched: `active`, by probes; `passive`, by what requests see.
    pub checks: Vec<String>,
    /// How it is to each instance that told of it.
    pub instances: Vec<NodeSeen>,
}

/// How a node is to one instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeSeen {
    /// Id of the instance.
    pub id: String,
    /// Name of its host.
    pub hostname: String,
    /// As that of the node, but never `unknown`.
    pub status: String,
    /// What was counted.
    pub counter: NodeCounter,
    /// Unix seconds at which the instance told so.
    pub told_at: i64,
    /// Whether that still counts: false when the instance is not heard of any more.
    pub current: bool,
}

/// Reports in a row, failures since the last success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeCounter {
    /// Successes.
    pub success: u32,
    /// Statuses that count as failures.
    pub http_failure: u32,
    /// Connections that failed.
    pub tcp_failure: u32,
    /// No answer in time.
    pub timeout_failure: u32,
}
