//! The channel's needs met by [`control::Control`].

use std::time::UNIX_EPOCH;

use control::fleet::{self, JoinRefusal};
use control::{Control, ControlError};
use model::{GroupId, InstanceId, Revision};
use serde_json::json;
use store::config::RevisionRow;
use store::instances::{Heartbeat, Nack};
use wire::{InstanceIdentity, Signed, v1};

use crate::node_health;
use crate::plane::{
    Certificate, ControlPlane, FeedError, FleetError, JoinRequest, Joined, LoggedRevision, Notices, Refused, Report,
    Snapshot, notices,
};

impl ControlPlane for Control {
    async fn join(&self, request: JoinRequest) -> Result<Joined, FleetError> {
        let request = fleet::JoinRequest {
            token: request.secret,
            csr: request.csr,
            hostname: request.facts.hostname,
            version: request.facts.version,
            address: request.address,
        };
        let joined = Control::join(self, request).await.map_err(fleet_error)?;
        let certificate = certificate(self, joined.certificate.chain);
        Ok(Joined { instance: joined.instance, group: joined.group, certificate })
    }

    async fn renew(&self, who: &InstanceIdentity, csr: &[u8]) -> Result<Certificate, FleetError> {
        let renewed = Control::renew(self, &who.group, &who.instance, csr).await.map_err(fleet_error)?;
        Ok(certificate(self, renewed.chain))
    }

    async fn admit(&self, who: &InstanceIdentity) -> Result<(), FleetError> {
        Control::admit(self, &who.group, &who.instance).await.map_err(fleet_error)
    }

    async fn report(&self, batch: Vec<Report>) -> Result<Vec<InstanceId>, FleetError> {
        let heartbeats: Vec<Heartbeat> = batch.into_iter().map(heartbeat).collect();
        Control::report(self, &heartbeats).await.map_err(fleet_error)
    }

    fn revocations(&self) -> Notices<InstanceId> {
        notices(Control::revocations(self))
    }

    fn commits(&self) -> Notices<GroupId> {
        notices(Control::commits(self))
    }

    async fn head(&self, group: &GroupId) -> Result<Signed, FeedError> {
        let head = self.feed_head(group).await.map_err(|error| feed_error(group, &error))?;
        Ok(Signed { revision: head.revision, digest: head.digest, signature: head.signature.into() })
    }

    async fn snapshot(&self, group: &GroupId) -> Result<Snapshot, FeedError> {
        let whole = self.feed_snapshot(group).await.map_err(|error| feed_error(group, &error))?;
        let head = whole.head;
        let signed = Signed { revision: head.revision, digest: head.digest, signature: head.signature.into() };
        Ok(Snapshot { signed, resources: whole.resources })
    }

    async fn revisions_after(
        &self,
        group: &GroupId,
        revision: Revision,
        limit: u32,
    ) -> Result<Vec<LoggedRevision>, FeedError> {
        let rows = self.feed_revisions_after(group, revision, limit).await;
        Ok(rows.map_err(|error| feed_error(group, &error))?.into_iter().map(logged).collect())
    }
}

fn certificate(control: &Control, chain: Vec<Vec<u8>>) -> Certificate {
    Certificate { chain, signing_keys: vec![control.signing_public_key()] }
}

fn logged(row: RevisionRow) -> LoggedRevision {
    LoggedRevision {
        signed: Signed { revision: row.revision, digest: row.digest, signature: row.signature.into() },
        changes: row.changes.into_iter().map(|logged| logged.change).collect(),
    }
}

fn heartbeat(report: Report) -> Heartbeat {
    let at = report.heard_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    Heartbeat {
        id: report.identity.instance,
        group: report.identity.group,
        at: i64::try_from(at).unwrap_or(i64::MAX),
        hostname: fleet::cut_fact(&report.facts.hostname),
        version: fleet::cut_fact(&report.facts.version),
        applied: report.applied.map(|applied| (applied.revision, applied.digest)),
        nack: report.refused.map(nack),
        nodes: report.nodes.map(|health| node_health::read(&health).into()),
        counters: report.counters.map_or_else(|| json!({}), |counters| counters_as_json(&counters)),
    }
}

fn nack(refused: Refused) -> Nack {
    Nack {
        revision: refused.revision,
        resource: refused.key.map_or_else(String::new, |key| key.to_string()),
        pointer: refused.pointer,
        message: refused.message,
    }
}

fn counters_as_json(counters: &v1::Counters) -> serde_json::Value {
    json!({
        "requests": counters.requests,
        "responses_5xx": counters.responses_5xx,
        "connections_now": counters.connections_now,
        "requests_now": counters.requests_now,
        "bytes_received": counters.bytes_received,
        "bytes_sent": counters.bytes_sent,
        "cpu_milliseconds": counters.cpu_milliseconds,
        "rss_bytes_now": counters.rss_bytes_now,
        "uptime_seconds": counters.uptime_seconds,
    })
}

fn fleet_error(error: ControlError) -> FleetError {
    match error {
        ControlError::Join(JoinRefusal::TokenUnknown) => FleetError::TokenUnknown,
        ControlError::Join(JoinRefusal::TokenExpired) => FleetError::TokenExpired,
        ControlError::Join(JoinRefusal::TokenUsedUp) => FleetError::TokenUsedUp,
        ControlError::Join(JoinRefusal::BadRequest(reason)) => FleetError::BadRequest(reason),
        ControlError::Join(JoinRefusal::NotAdmitted) | ControlError::NotFound { .. } => FleetError::NotAdmitted,
        ControlError::Unavailable(reason) => FleetError::Unavailable(reason),
        internal => {
            tracing::error!(error = %internal, "config channel: a call of the fleet failed");
            FleetError::Unavailable("a fault of the control plane's own".to_owned())
        }
    }
}

fn feed_error(group: &GroupId, error: &ControlError) -> FeedError {
    match error {
        ControlError::NotFound { .. } => FeedError::NoGroup(group.clone()),
        other => FeedError::Unavailable(other.to_string()),
    }
}
