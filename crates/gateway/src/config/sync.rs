//! One stream to one control plane, from Hello to its end.

use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};
use wire::frame;
use wire::limits::{HEARTBEAT_INTERVAL, NODE_HEALTH_INTERVAL, NODE_HEALTH_SOON, SILENT_INTERVALS};
use wire::v1::{self, to_instance::Frame};

use super::apply::Applier;
use super::connect::Client;
use super::identity::Identity;
use super::join::renew;
use super::{NodeChanges, Observed, PlanSink};

/// Answers on their way; the control plane that takes none of them is as good as gone.
const ANSWERS: usize = 64;
/// A quiet moment: nothing came for this long.
const QUIET: Duration = Duration::from_secs(1);
/// How long a call may take.
const CALL_DEADLINE: Duration = Duration::from_secs(10);
/// After a renewal that failed.
const RENEW_AGAIN: Duration = Duration::from_secs(60);
/// A certificate so long-lived that its renewal is not worth a timer.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// How a stream ended.
pub(super) enum End {
    /// The instance stops.
    Stopped,
    /// The certificate was renewed: connect again with the new one.
    Renewed(Box<Identity>),
    /// The control plane said why.
    Goodbye(v1::Goodbye),
    /// The control plane refused the stream.
    Refused(Status),
    /// The connection is gone or says nothing any more.
    Lost(String),
}

/// What a stream needs beside the configuration.
pub(super) struct Link<'a> {
    pub(super) identity: &'a Identity,
    pub(super) facts: v1::InstanceFacts,
    pub(super) observed: &'a dyn Observed,
    pub(super) stop: &'a CancellationToken,
}

/// Follows the group's configuration until the stream ends. `on_open` is called when it stands.
pub(super) async fn follow<S: PlanSink>(
    client: &mut Client,
    applier: &mut Applier<S>,
    link: &Link<'_>,
    on_open: impl FnOnce(&Applier<S>),
) -> End {
    applier.reconnected();
    let (answers, outgoing) = mpsc::channel(ANSWERS);
    let hello = frame::hello(link.facts.clone(), applier.applied());
    if answers.try_send(hello).is_err() {
        return End::Lost("no room for Hello".to_owned());
    }
    let frames = match timeout(CALL_DEADLINE, client.sync(ReceiverStream::new(outgoing))).await {
        Ok(Ok(response)) => response.into_inner(),
        Ok(Err(status)) => return End::Refused(status),
        Err(_) => return End::Lost("the control plane did not answer Hello".to_owned()),
    };
    on_open(applier);
    Stream::new(frames, answers, link).run(client, applier, link).await
}

/// The open stream's clocks.
struct Stream {
    frames: Streaming<v1::ToInstance>,
    answers: mpsc::Sender<v1::FromInstance>,
    heartbeat: Duration,
    heartbeat_at: Instant,
    renew_at: Instant,
    heard_at: Instant,
    nodes_looked_at: Instant,
    /// What was told last of the nodes on this stream, and when.
    nodes_told: Option<(NodeChanges, Instant)>,
}

impl Stream {
    fn new(frames: Streaming<v1::ToInstance>, answers: mpsc::Sender<v1::FromInstance>, link: &Link<'_>) -> Self {
        let now = Instant::now();
        let until_renewal = link.identity.renew_at().duration_since(SystemTime::now()).unwrap_or_default();
        Self {
            frames,
            answers,
            heartbeat: HEARTBEAT_INTERVAL,
            heartbeat_at: now + HEARTBEAT_INTERVAL,
            renew_at: now + until_renewal.min(FAR),
            heard_at: now,
            nodes_looked_at: now,
            nodes_told: None,
        }
    }

    async fn run<S: PlanSink>(mut self, client: &mut Client, applier: &mut Applier<S>, link: &Link<'_>) -> End {
        loop {
            let silent_at = self.heard_at + self.heartbeat * SILENT_INTERVALS;
            let end = tokio::select! {
                // In order: stopping before working, working before reporting.
                biased;
                () = link.stop.cancelled() => Some(End::Stopped),
                message = self.frames.message() => self.take(message, applier),
                () = sleep_until(self.heartbeat_at) => self.beat(applier, link),
                () = sleep_until(self.nodes_looked_at + NODE_HEALTH_SOON) => self.look_at_nodes(link),
                () = sleep_until(self.renew_at) => self.renew(client, applier, link).await,
                () = sleep_until(self.heard_at + QUIET), if applier.is_untidy() => {
                    applier.tidy();
                    None
                }
                () = sleep_until(silent_at) => Some(End::Lost("nothing was heard for three heartbeats".to_owned())),
            };
            if let Some(end) = end {
                return end;
            }
        }
    }

    fn take<S: PlanSink>(
        &mut self,
        message: Result<Option<v1::ToInstance>, Status>,
        applier: &mut Applier<S>,
    ) -> Option<End> {
        let frame = match message {
            Ok(Some(message)) => message.frame,
            Ok(None) => return Some(End::Lost("the control plane ended the stream".to_owned())),
            Err(status) => return Some(End::Lost(status.message().to_owned())),
        };
        self.heard_at = Instant::now();
        match frame {
            Some(Frame::Goodbye(goodbye)) => Some(End::Goodbye(goodbye)),
            Some(Frame::Settings(settings)) => {
                self.set(&settings);
                None
            }
            Some(frame) => {
                let answer = applier.take(frame);
                // Compiling takes its time; that is no silence of the control plane.
                self.heard_at = Instant::now();
                answer.and_then(|answer| self.say(answer))
            }
            None => None,
        }
    }

    fn set(&mut self, settings: &v1::Settings) {
        let heartbeat = Duration::from_millis(settings.heartbeat_interval_ms.max(100).into());
        if heartbeat != self.heartbeat {
            self.heartbeat = heartbeat;
            self.heartbeat_at = Instant::now() + heartbeat;
        }
    }

    fn beat<S: PlanSink>(&mut self, applier: &Applier<S>, link: &Link<'_>) -> Option<End> {
        let now = Instant::now();
        self.heartbeat_at = now + self.heartbeat;
        let end = self.say(frame::heartbeat(applier.applied(), link.observed.counters()));
        let changes = link.observed.node_changes();
        let is_due = |(told, at): (NodeChanges, Instant)| told != changes || now >= at + NODE_HEALTH_INTERVAL;
        if self.nodes_told.is_some_and(is_due) {
            return end.or_else(|| self.tell_nodes(changes, link));
        }
        end
    }

    /// Standings waver and counters count with every request that fails; only what matters for traffic cannot wait for
    /// the heartbeat.
    fn look_at_nodes(&mut self, link: &Link<'_>) -> Option<End> {
        self.nodes_looked_at = Instant::now();
        let changes = link.observed.node_changes();
        let is_known = self.nodes_told.is_some_and(|(told, _)| told.turns == changes.turns);
        if is_known { None } else { self.tell_nodes(changes, link) }
    }

    /// `changes` were read before the health is: what happens in between is told again, not missed.
    fn tell_nodes(&mut self, changes: NodeChanges, link: &Link<'_>) -> Option<End> {
        self.nodes_told = Some((changes, Instant::now()));
        self.say(frame::node_health(link.observed.node_health()))
    }

    fn say(&self, message: v1::FromInstance) -> Option<End> {
        let result = self.answers.try_send(message);
        result.is_err().then(|| End::Lost("the control plane takes no answers".to_owned()))
    }

    async fn renew<S: PlanSink>(
        &mut self,
        client: &mut Client,
        applier: &mut Applier<S>,
        link: &Link<'_>,
    ) -> Option<End> {
        match timeout(CALL_DEADLINE, renew(client, link.identity)).await {
            Ok(Ok(identity)) => {
                applier.set_keys(identity.signing_keys.clone());
                Some(End::Renewed(Box::new(identity)))
            }
            Ok(Err(error)) => self.renew_later(&error.to_string()),
            Err(_) => self.renew_later("no answer"),
        }
    }

    fn renew_later(&mut self, reason: &str) -> Option<End> {
        tracing::warn!(reason, "the certificate could not be renewed yet");
        self.renew_at = Instant::now() + RENEW_AGAIN;
        None
    }
}
