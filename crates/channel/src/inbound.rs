//! Listens to one instance until its stream ends.

use std::sync::Arc;
use std::time::Duration;

use tonic::Streaming;
use wire::limits::SILENT_INTERVALS;
use wire::v1::{self, GoodbyeReason};

use crate::reports::Reports;
use crate::session::Session;
use crate::sessions::Sessions;

/// Owned by the stream's own task.
pub(crate) struct Inbound {
    pub(crate) session: Arc<Session>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) reports: Arc<Reports>,
    pub(crate) heartbeat: Duration,
}

impl Inbound {
    /// Listens; whatever ends the stream, the instance is reported as gone.
    pub(crate) async fn run(self, mut stream: Streaming<v1::FromInstance>) {
        self.reports.put(self.session.report());
        let silence = self.heartbeat * SILENT_INTERVALS;
        while self.session.ending().is_none() {
            match tokio::time::timeout(silence, stream.message()).await {
                Ok(Ok(Some(message))) => self.hear(message),
                Ok(Ok(None) | Err(_)) => break,
                Err(_) => self.session.expel(GoodbyeReason::Protocol, "nothing was heard for three heartbeats"),
            }
        }
        self.session.left();
        if self.sessions.leave(&self.session) {
            self.reports.put(self.session.report());
        }
    }

    fn hear(&self, message: v1::FromInstance) {
        // A frame of a later version is ignored.
        let Some(frame) = message.frame else { return };
        self.session.heard(frame);
        self.reports.put(self.session.report());
    }
}
