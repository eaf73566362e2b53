//! One instance's stream: what is known of it, shared by the task that listens and the one that sends.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use wire::changes::key_from_wire;
use wire::v1::{self, GoodbyeReason};
use wire::{Applied, InstanceIdentity, Offer, Sender, Signed};

use crate::listener::cut_after;
use crate::plane::{Refused, Report};

/// How long a closed stream may take to deliver its `Goodbye` before the connection is cut.
const GOODBYE_DEADLINE: Duration = Duration::from_millis(500);
/// How long what is told of nodes waits for the next report after one that had them: an instance that keeps to the rules
/// tells half as often.
const NODES_PAUSE: Duration = Duration::from_millis(500);

pub(crate) struct Session {
    identity: InstanceIdentity,
    /// Shared with every report: a thousand acks do not copy them a thousand times.
    facts: Arc<v1::InstanceFacts>,
    state: Mutex<State>,
    /// Wakes the sending side: the instance said something, or the stream is to end.
    wake: Notify,
    ending: OnceLock<Ending>,
    cut: CancellationToken,
}

struct State {
    sender: Sender,
    counters: Option<v1::Counters>,
    nodes: Option<Arc<v1::NodeHealth>>,
    nodes_reported_at: Option<Instant>,
    refused: Option<Refused>,
    heard_at: SystemTime,
    connected: bool,
}

/// Why the stream ends.
#[derive(Clone, Copy)]
pub(crate) struct Ending {
    pub(crate) reason: GoodbyeReason,
    pub(crate) message: &'static str,
}

impl Session {
    pub(crate) fn new(identity: InstanceIdentity, hello: v1::Hello, cut: CancellationToken) -> Self {
        let sender = Sender::new(hello.applied.and_then(read_applied));
        let state = State {
            sender,
            counters: None,
            nodes: None,
            nodes_reported_at: None,
            refused: None,
            heard_at: SystemTime::now(),
            connected: true,
        };
        Self {
            identity,
            facts: Arc::new(hello.facts.unwrap_or_default()),
            state: Mutex::new(state),
            wake: Notify::new(),
            ending: OnceLock::new(),
            cut,
        }
    }

    pub(crate) fn identity(&self) -> &InstanceIdentity {
        &self.identity
    }

    /// All that is known of the instance now, with what it told of its nodes since the report before.
    pub(crate) fn report(&self) -> Report {
        let mut state = self.state();
        Report {
            identity: self.identity.clone(),
            facts: self.facts.clone(),
            applied: state.sender.applied(),
            counters: state.counters,
            nodes: state.nodes_to_report(),
            refused: state.refused.clone(),
            connected: state.connected,
            heard_at: state.heard_at,
        }
    }

    /// Takes up what the instance said.
    pub(crate) fn heard(&self, frame: v1::from_instance::Frame) {
        use v1::from_instance::Frame;
        let mut state = self.state();
        state.heard_at = SystemTime::now();
        match frame {
            Frame::Hello(_) => return self.breaks_rules(),
            Frame::Ack(ack) => state.applied(ack.applied),
            Frame::Nack(nack) => state.refuse(nack),
            Frame::Resync(resync) => {
                tracing::info!(instance = %self.identity.instance, reason = resync.message, "instance asks for a snapshot");
                state.sender.resync(resync.applied.and_then(read_applied));
            }
            Frame::Heartbeat(heartbeat) => {
                state.counters = heartbeat.counters;
                state.applied(heartbeat.applied);
            }
            Frame::NodeHealth(health) => state.nodes = Some(health.into()),
        }
        drop(state);
        self.wake.notify_one();
    }

    /// What to send next so that the instance reaches the target.
    pub(crate) fn offer(&self, target: &Signed) -> Option<Offer> {
        self.state().sender.next(target.revision, &target.digest)
    }

    /// All frames up to the revision are on their way.
    pub(crate) fn sent(&self, revision: u64) {
        self.state().sender.sent(revision);
    }

    /// Waits until the instance said something or the stream is to end.
    pub(crate) async fn changed(&self) {
        self.wake.notified().await;
    }

    /// Ends the stream with a `Goodbye`; the first reason counts.
    pub(crate) fn close(&self, reason: GoodbyeReason, message: &'static str) {
        if self.ending.set(Ending { reason, message }).is_ok() {
            self.wake.notify_one();
        }
    }

    /// Ends the stream and, soon after, the connection, even of an instance that does not read.
    pub(crate) fn expel(&self, reason: GoodbyeReason, message: &'static str) {
        self.close(reason, message);
        cut_after(self.cut.clone(), GOODBYE_DEADLINE);
    }

    /// Why the stream is to end, when it is.
    pub(crate) fn ending(&self) -> Option<Ending> {
        self.ending.get().copied()
    }

    /// The stream has ended.
    pub(crate) fn left(&self) {
        self.state().connected = false;
        self.close(GoodbyeReason::Unspecified, "the stream has ended");
    }

    fn breaks_rules(&self) {
        self.close(GoodbyeReason::Protocol, "a second Hello on one stream");
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn nodes_to_report(&mut self) -> Option<Arc<v1::NodeHealth>> {
        if self.nodes_reported_at.is_some_and(|at| at.elapsed() < NODES_PAUSE) {
            return None;
        }
        let nodes = self.nodes.take()?;
        self.nodes_reported_at = Some(Instant::now());
        Some(nodes)
    }

    fn applied(&mut self, applied: Option<v1::Applied>) {
        let Some(applied) = applied.and_then(read_applied) else {
            return;
        };
        self.sender.reported(applied);
        let is_behind = |refused: &Refused| refused.revision > applied.revision;
        self.refused = self.refused.take().filter(is_behind);
    }

    fn refuse(&mut self, nack: v1::Nack) {
        let reason = nack.reason();
        self.sender.refused(nack.revision, nack.applied.and_then(read_applied));
        self.refused = Some(Refused {
            revision: nack.revision,
            reason,
            key: nack.key.and_then(|key| key_from_wire(key).ok()),
            pointer: nack.pointer,
            message: nack.message,
        });
    }
}

/// An unreadable digest counts as nothing applied: a snapshot is the remedy for both.
fn read_applied(applied: v1::Applied) -> Option<Applied> {
    Applied::try_from(applied).ok()
}
