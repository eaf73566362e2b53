//! How nodes of upstreams are, as instances told it last.

use std::collections::BTreeMap;

use model::{InstanceId, ResourceId, ResourceKey};
use serde::{Deserialize, Serialize};

use super::table::select;
use super::{InstanceStatus, Instances, Liveness};
use crate::access::GroupAccess;
use crate::config::{path, read_key};
use crate::db::{Query, Row, Tx, args, insert};
use crate::error::StoreError;

/// A node's standing, in APISIX's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeStatus {
    /// Serves.
    Healthy,
    /// Serves; there were failures of late.
    MostlyHealthy,
    /// Does not serve; there were successes of late.
    MostlyUnhealthy,
    /// Does not serve.
    Unhealthy,
}

impl NodeStatus {
    /// As in the API: `mostly_healthy`.
    pub fn name(self) -> &'static str {
        match self {
            NodeStatus::Healthy => "healthy",
            NodeStatus::MostlyHealthy => "mostly_healthy",
            NodeStatus::MostlyUnhealthy => "mostly_unhealthy",
            NodeStatus::Unhealthy => "unhealthy",
        }
    }
}

/// A node as an instance sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeState {
    /// In the configuration.
    pub host: String,
    /// In the configuration.
    pub port: u16,
    /// In the configuration.
    pub priority: i32,
    /// Whether requests are judged besides probes.
    pub passive: bool,
    /// How it is.
    pub status: NodeStatus,
    /// Successes in a row.
    pub successes: u32,
    /// Bad statuses since the last success.
    pub http_failures: u32,
    /// Failed connections since the last success.
    pub tcp_failures: u32,
    /// Timeouts since the last success.
    pub timeouts: u32,
}

/// What an instance tells of its nodes; it replaces what it told before.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodesTold {
    /// By the service or route they stand in, or their upstream.
    pub nodes: BTreeMap<ResourceKey, Vec<NodeState>>,
    /// How many it watches besides.
    pub left_out: u32,
}

/// Whose nodes are asked for.
#[derive(Debug, Clone, Copy)]
pub struct NodesOf<'a> {
    /// The service: its own upstream, the further ones below it, and those of its routes.
    pub service: &'a ResourceId,
    /// The upstream that it names, which may be one beside it.
    pub named: Option<&'a ResourceId>,
    /// Of all these the nodes of this upstream alone.
    pub upstream: Option<&'a ResourceId>,
}

/// How the nodes of one service, route or upstream are to one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodesSeen {
    /// Where they stand.
    pub owner: ResourceKey,
    /// The nodes.
    pub nodes: Vec<NodeState>,
    /// Who told it.
    pub instance: InstanceId,
    /// Its machine.
    pub hostname: String,
    /// How it is itself.
    pub instance_status: InstanceStatus,
    /// Whether it was shut out.
    pub is_revoked: bool,
    /// When it told, in unix seconds.
    pub told_at: i64,
}

impl Instances<'_> {
    /// How the nodes of a service are to each instance of the group that told of them, in no order.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn nodes_of(
        &self,
        group: &GroupAccess,
        of: NodesOf<'_>,
        liveness: Liveness,
    ) -> Result<Vec<NodesSeen>, StoreError> {
        let joined = " JOIN node_health AS h ON h.instance_id = t.id \
             JOIN resources AS r ON r.group_id = t.group_id AND r.path = h.path";
        let columns = "t.id AS instance_id, t.hostname, t.status, t.revoked_at, t.nodes_told_at, h.nodes, r.kind, \
             r.parent, r.id";
        let mut select = select(columns, joined, liveness);
        let beside = of.named.map_or("", ResourceId::as_str);
        let belongs = "r.kind = 'service' AND r.id = ? OR r.kind = 'route' AND r.service_id = ? \
             OR r.kind = 'upstream' AND (r.parent = ? OR r.parent = '' AND r.id = ?)";
        select
            .and("t.group_id = ?", args![&**group])
            .and(belongs, args![of.service, of.service, of.service, beside])
            .and_if("r.kind = 'upstream' AND r.id = ?", of.upstream)
            .order_by("t.id, h.path");
        select.run(self.store.db(), None).await?.0.iter().map(read).collect()
    }

    /// Whether an instance of the group watches more nodes than it tells of.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn leaves_nodes_out(&self, group: &GroupAccess) -> Result<bool, StoreError> {
        let text = "SELECT id FROM instances WHERE group_id = $1 AND nodes_left_out > 0 LIMIT 1";
        Ok(self.store.db().fetch_optional(Query::new(text, args![group])).await?.is_some())
    }
}

/// Puts what an instance tells in the place of what it told.
pub(super) async fn replace(tx: &mut Tx, id: &InstanceId, told: &NodesTold, at: i64) -> Result<(), StoreError> {
    let noted = "UPDATE instances SET nodes_told_at = $2, nodes_left_out = $3 WHERE id = $1";
    tx.execute(Query::new(noted, args![id, at, i64::from(told.left_out)])).await?;
    tx.execute(Query::new("DELETE FROM node_health WHERE instance_id = $1", args![id])).await?;
    let row = |(owner, nodes): (&ResourceKey, &Vec<NodeState>)| {
        let nodes = serde_json::to_string(nodes).map_err(|error| StoreError::corrupt("health of nodes", error))?;
        Ok(args![id, path(owner), nodes])
    };
    let rows = told.nodes.iter().map(row).collect::<Result<_, StoreError>>()?;
    for query in insert("node_health", &["instance_id", "path", "nodes"], rows, "") {
        tx.execute(query).await?;
    }
    Ok(())
}

fn read(row: &Row) -> Result<NodesSeen, StoreError> {
    let told_at: Option<i64> = row.get("nodes_told_at")?;
    let revoked_at: Option<i64> = row.get("revoked_at")?;
    Ok(NodesSeen {
        owner: read_key(row)?,
        nodes: row.json("nodes")?,
        instance: row.parse("instance_id")?,
        hostname: row.get("hostname")?,
        instance_status: row.parse("status")?,
        is_revoked: revoked_at.is_some(),
        told_at: told_at.unwrap_or_default(),
    })
}
