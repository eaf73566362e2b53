//! What instances say, written down in batches: a thousand acks of one revision are one write.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use model::InstanceId;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::plane::{ControlPlane, FleetError, Notice, Report};
use crate::sessions::Sessions;

/// How long reports are gathered: far below the second within which a refusal must be visible.
const GATHER: Duration = Duration::from_millis(100);
/// Pause after a failed write.
const RETRY: Duration = Duration::from_secs(1);

/// Reports that wait to be written: at most one per instance, since the newest says it all.
#[derive(Default)]
pub(crate) struct Reports {
    waiting: Mutex<HashMap<InstanceId, Report>>,
    arrived: Notify,
}

impl Reports {
    /// Replaces what waits of the same instance; how its nodes are is told in a few reports only, and waits on.
    pub(crate) fn put(&self, mut report: Report) {
        let mut waiting = self.waiting();
        let earlier = waiting.remove(&report.identity.instance);
        report.nodes = report.nodes.or_else(|| earlier?.nodes);
        waiting.insert(report.identity.instance.clone(), report);
        drop(waiting);
        self.arrived.notify_one();
    }

    /// Writes until `stop`, then what is left.
    pub(crate) async fn run<C: ControlPlane>(&self, plane: &C, sessions: &Sessions, stop: CancellationToken) {
        while stop.run_until_cancelled(self.arrived.notified()).await.is_some() {
            let _ = stop.run_until_cancelled(tokio::time::sleep(GATHER)).await;
            if !self.write(plane, sessions).await {
                let _ = stop.run_until_cancelled(tokio::time::sleep(RETRY)).await;
            }
        }
        self.write(plane, sessions).await;
    }

    async fn write<C: ControlPlane>(&self, plane: &C, sessions: &Sessions) -> bool {
        let batch: Vec<Report> = self.waiting().drain().map(|(_, report)| report).collect();
        if batch.is_empty() {
            return true;
        }
        match plane.report(batch.clone()).await {
            Ok(strangers) => {
                strangers.iter().for_each(|stranger| sessions.expel(stranger));
                true
            }
            Err(error) => {
                tracing::warn!(%error, reports = batch.len(), "config channel: instance reports wait to be written");
                self.put_back(batch);
                false
            }
        }
    }

    /// What came meanwhile is newer.
    fn put_back(&self, batch: Vec<Report>) {
        let mut waiting = self.waiting();
        for report in batch {
            match waiting.entry(report.identity.instance.clone()) {
                Entry::Occupied(mut newer) => {
                    let newer = newer.get_mut();
                    newer.nodes = newer.nodes.take().or(report.nodes);
                }
                Entry::Vacant(place) => {
                    place.insert(report);
                }
            }
        }
        self.arrived.notify_one();
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<InstanceId, Report>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the streams of instances that are revoked.
pub(crate) async fn expel_revoked<C: ControlPlane>(plane: Arc<C>, sessions: Arc<Sessions>) {
    let mut revocations = plane.revocations();
    while let Some(notice) = revocations.next().await {
        match notice {
            Notice::Of(instance) => sessions.expel(&instance),
            Notice::Missed => expel_strangers(&*plane, &sessions).await,
        }
    }
}

/// Notices were lost: asks about everyone.
async fn expel_strangers<C: ControlPlane>(plane: &C, sessions: &Sessions) {
    for session in sessions.snapshot() {
        if plane.admit(session.identity()).await == Err(FleetError::NotAdmitted) {
            sessions.expel(&session.identity().instance);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use wire::v1;

    use super::*;

    fn report(requests: u64, left_out: Option<u32>) -> Report {
        let health = |left_out| v1::NodeHealth { left_out, ..Default::default() };
        Report {
            identity: "spiffe://d/gateway-group/g/instance/i".parse().unwrap(),
            facts: Arc::default(),
            applied: None,
            counters: Some(v1::Counters { requests, ..Default::default() }),
            nodes: left_out.map(health).map(Arc::new),
            refused: None,
            connected: true,
            heard_at: SystemTime::UNIX_EPOCH,
        }
    }

    fn waiting(reports: &Reports) -> (u64, Option<u32>) {
        let waiting = reports.waiting();
        let report = waiting.values().next().unwrap();
        (report.counters.unwrap().requests, report.nodes.as_ref().map(|nodes| nodes.left_out))
    }

    #[test]
    fn what_was_told_of_nodes_outlasts_reports_without_it() {
        let reports = Reports::default();
        reports.put(report(1, Some(7)));
        reports.put(report(2, None));
        assert_eq!(waiting(&reports), (2, Some(7)));
        reports.put(report(3, Some(8)));
        assert_eq!(waiting(&reports), (3, Some(8)));
        // A write failed; meanwhile others came.
        let batch = reports.waiting().drain().map(|(_, report)| report).collect();
        reports.put(report(4, None));
        reports.put_back(batch);
        assert_eq!(waiting(&reports), (4, Some(8)));
        let batch = reports.waiting().drain().map(|(_, report)| report).collect();
        reports.put(report(5, Some(9)));
        reports.put_back(batch);
        assert_eq!(waiting(&reports), (5, Some(9)));
    }
}
