//! Gateway instances: what they last told of themselves, and which of them are well.

mod nodes;
mod table;

use std::sync::Arc;

use model::{Digest, GroupId, InstanceId, Revision};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use nodes::{NodeState, NodeStatus, NodesOf, NodesSeen, NodesTold};

use crate::page::{Direction, Page};
use crate::store::Store;

/// An instance that joins, or joins again with the id it kept.
#[derive(Debug, Clone)]
pub struct Joining {
    /// Kept by the instance across restarts.
    pub id: InstanceId,
    /// The group of its certificate.
    pub group: GroupId,
    /// Of its machine.
    pub hostname: String,
    /// Of its software.
    pub version: String,
    /// Where it was seen.
    pub address: String,
    /// End of its certificate, in unix seconds.
    pub certificate_expires_at: i64,
    /// When, in unix seconds: it counts as a heartbeat.
    pub at: i64,
}

/// An instance that was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    /// Its id.
    pub id: InstanceId,
    /// The group it was of.
    pub group: GroupId,
    /// Its machine.
    pub hostname: String,
}

/// Why an instance did not take a revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nack {
    /// The revision it refused.
    pub revision: Revision,
    /// The resource at fault: `route/r1`.
    pub resource: String,
    /// JSON pointer to the field at fault.
    pub pointer: String,
    /// What is wrong with it.
    pub message: String,
}

/// What an instance says of itself now and then.
#[derive(Debug, Clone)]
pub struct Heartbeat {
    /// Which instance.
    pub id: InstanceId,
    /// The group of its certificate.
    pub group: GroupId,
    /// When, in unix seconds.
    pub at: i64,
    /// The host it runs on; it may have moved since it joined.
    pub hostname: String,
    /// Its version; it may have been upgraded.
    pub version: String,
    /// What it serves from; `None` when it has nothing yet.
    pub applied: Option<(Revision, Digest)>,
    /// The refusal that still stands.
    pub nack: Option<Nack>,
    /// Its counters, as it sent them.
    pub counters: Value,
    /// How its nodes are; `None` when it said nothing new of them.
    pub nodes: Option<Arc<NodesTold>>,
}

/// From when on a silent instance counts as lost and as offline.
#[derive(Debug, Clone, Copy)]
pub struct Liveness {
    /// The present, in unix seconds.
    pub now: i64,
    /// Seconds of silence after which it is lost.
    pub lost_after: i64,
    /// Seconds of silence after which it is offline.
    pub offline_after: i64,
}

/// How an instance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceStatus {
    /// Heard of lately, and it serves from the head.
    Healthy,
    /// Heard of lately, but it serves from something else than the head.
    OutOfSync,
    /// Silent for a while.
    LostConnection,
    /// Silent for long.
    Offline,
}

impl InstanceStatus {
    /// Every status.
    pub const ALL: [InstanceStatus; 4] =
        [InstanceStatus::Healthy, InstanceStatus::OutOfSync, InstanceStatus::LostConnection, InstanceStatus::Offline];

    /// As in the API: `lost_connection`.
    pub fn name(self) -> &'static str {
        match self {
            InstanceStatus::Healthy => "healthy",
            InstanceStatus::OutOfSync => "out_of_sync",
            InstanceStatus::LostConnection => "lost_connection",
            InstanceStatus::Offline => "offline",
        }
    }
}

impl std::str::FromStr for InstanceStatus {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|status| status.name() == text);
        found.ok_or_else(|| format!("{text:?} is not an instance status"))
    }
}

/// An instance as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    /// Its id.
    pub id: InstanceId,
    /// Its group.
    pub group: GroupId,
    /// Of its machine.
    pub hostname: String,
    /// Of its software.
    pub version: String,
    /// Where it was last seen.
    pub address: String,
    /// How it is.
    pub status: InstanceStatus,
    /// End of its certificate, in unix seconds.
    pub certificate_expires_at: i64,
    /// The revision it serves from.
    pub applied_revision: Option<Revision>,
    /// The digest of what it serves from.
    pub applied_digest: Option<Digest>,
    /// The head of its group.
    pub head_revision: Revision,
    /// The refusal that still stands.
    pub nack: Option<Nack>,
    /// Its counters, as it sent them last.
    pub counters: Value,
    /// Unix seconds.
    pub last_heartbeat: i64,
    /// Since when it is revoked, in unix seconds.
    pub revoked_at: Option<i64>,
    /// First join, in unix seconds.
    pub created_at: i64,
}

/// What a list of instances is ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InstanceOrder {
    /// First join.
    #[default]
    CreatedAt,
    /// Last heartbeat.
    LastHeartbeat,
}

/// Which instances are wanted.
#[derive(Debug, Clone, Default)]
pub struct InstanceFilter {
    /// Of this group.
    pub group: Option<GroupId>,
    /// In this state.
    pub status: Option<InstanceStatus>,
    /// Whose hostname, id or address contains this, in any case.
    pub search: Option<String>,
    /// By what.
    pub order_by: InstanceOrder,
    /// Which way.
    pub direction: Direction,
    /// `None`: all of them.
    pub page: Option<Page>,
}

/// The gateway instances.
pub struct Instances<'a> {
    pub(crate) store: &'a Store,
}
