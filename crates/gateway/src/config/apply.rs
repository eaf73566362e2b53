//! Received, verified, compiled, in force, on disk, answered: a frame's way through the instance.

use std::path::Path;

use model::Change;
use tokio::sync::watch;
use wire::v1::{self, from_instance, to_instance};
use wire::{Applied, Receiver, Refusal, Step, VerifyingKeys};

use super::PlanSink;
use super::identity::Identity;
use super::last_good::{LastGood, LastGoodError};
use super::status::{Status, StatusRefusal};

/// Owns the configuration; lives on the config thread.
pub(super) struct Applier<S> {
    receiver: Receiver,
    sink: S,
    last_good: LastGood,
    status: watch::Sender<Status>,
}

impl<S: PlanSink> Applier<S> {
    /// Starts from what lies on disk, if it is good; else from nothing.
    pub(super) fn start(identity: &Identity, data_dir: &Path, sink: S, status: watch::Sender<Status>) -> Self {
        plugin_api::instance::set_gateway_group(identity.name.group.as_str());
        let (receiver, last_good) = (receiver_of(identity), LastGood::new(data_dir));
        let mut applier = Self { receiver, sink, last_good, status };
        applier.is_now(identity);
        if let Err(reason) = applier.restore() {
            tracing::error!(reason, "starting without configuration until a control plane is reached");
            applier.status.send_modify(|status| status.last_good_error = Some(reason));
            applier.receiver = receiver_of(identity);
            applier.last_good = LastGood::new(data_dir);
        }
        applier
    }

    /// Who the instance is, for whoever looks at its status: another of the same group after it joined again.
    pub(super) fn is_now(&self, identity: &Identity) {
        self.status.send_modify(|status| {
            status.group = Some(identity.name.group.clone());
            status.instance = Some(identity.name.instance.clone());
        });
    }

    fn restore(&mut self) -> Result<(), String> {
        let is_there = self.last_good.load(&mut self.receiver).map_err(|error: LastGoodError| error.to_string())?;
        if !is_there {
            return Ok(());
        }
        let put = |(key, body): (&_, &std::sync::Arc<[u8]>)| Change::Put(Clone::clone(key), body.clone());
        let changes: Vec<Change> = self.receiver.state().iter().map(put).collect();
        self.sink
            .apply(&changes)
            .map_err(|refusal| format!("last good configuration refused: {}", describe(&refusal)))?;
        tracing::info!(resources = changes.len(), applied = ?self.applied(), "serving the last good configuration");
        self.publish_applied();
        Ok(())
    }

    /// What is in force.
    pub(super) fn applied(&self) -> Option<Applied> {
        self.receiver.applied()
    }

    /// The keys that are valid from now on.
    pub(super) fn set_keys(&mut self, keys: VerifyingKeys) {
        self.receiver.set_keys(keys);
    }

    /// A new stream begins.
    pub(super) fn reconnected(&mut self) {
        self.receiver.reconnected();
    }

    /// Takes a frame and says what to answer, if anything.
    pub(super) fn take(&mut self, frame: to_instance::Frame) -> Option<v1::FromInstance> {
        let delta = matches!(frame, to_instance::Frame::Delta(_)).then(|| frame.clone());
        let answer = match self.decide(frame) {
            Outcome::Silent => return None,
            Outcome::Applied(ack) => {
                self.persist(delta);
                self.publish_applied();
                from_instance::Frame::Ack(ack)
            }
            Outcome::Refused(nack, message) => self.refused(nack, &message),
            Outcome::Resync(resync) => {
                tracing::warn!(reason = resync.message, "asking for the whole configuration");
                from_instance::Frame::Resync(resync)
            }
        };
        Some(answer.into())
    }

    /// The receiver's word, then the compiler's.
    fn decide(&mut self, frame: to_instance::Frame) -> Outcome {
        match self.receiver.receive(frame) {
            Step::Nothing => Outcome::Silent,
            Step::Resync(resync) => Outcome::Resync(resync),
            Step::Refuse(nack) => {
                let message = nack.message.clone();
                Outcome::Refused(nack, message)
            }
            Step::Apply(candidate) => match self.sink.apply(candidate.changes()) {
                Ok(()) => Outcome::Applied(candidate.commit()),
                Err(refusal) => Outcome::Refused(candidate.roll_back(&refusal), describe(&refusal)),
            },
        }
    }

    fn refused(&self, nack: v1::Nack, message: &str) -> from_instance::Frame {
        tracing::error!(revision = nack.revision, reason = message, "configuration refused; the former one stays");
        let refusal = StatusRefusal { revision: nack.revision, message: message.to_owned() };
        self.status.send_modify(|status| status.refused = Some(refusal));
        from_instance::Frame::Nack(nack)
    }

    /// A full or failing disk costs the next start without a control plane, not the traffic now.
    fn persist(&mut self, delta: Option<to_instance::Frame>) {
        let result = match delta {
            Some(delta) if !self.last_good.needs_rewrite() => self.last_good.append(&delta.into()),
            _ => self.rewrite(),
        };
        if let Err(error) = result {
            tracing::error!(%error, "the last good configuration could not be written");
        }
    }

    fn rewrite(&mut self) -> std::io::Result<()> {
        match self.receiver.signed() {
            Some(signed) => self.last_good.rewrite(signed, self.receiver.state()),
            None => Ok(()),
        }
    }

    /// Whether [`Applier::tidy`] has something to do.
    pub(super) fn is_untidy(&self) -> bool {
        self.last_good.is_unsynced() || self.last_good.wants_rewrite()
    }

    /// Work on the files that waited for a quiet moment.
    pub(super) fn tidy(&mut self) {
        let result = if self.last_good.wants_rewrite() { self.rewrite() } else { self.last_good.sync() };
        if let Err(error) = result {
            tracing::error!(%error, "the last good configuration could not be written");
        }
    }

    fn publish_applied(&self) {
        let applied = self.applied();
        self.status.send_modify(|status| {
            status.applied = applied;
            status.last_good_error = None;
            let is_behind =
                |refused: &StatusRefusal| applied.is_some_and(|applied| refused.revision > applied.revision);
            status.refused = status.refused.take().filter(is_behind);
        });
    }

    /// Where the state is published.
    pub(super) fn status(&self) -> &watch::Sender<Status> {
        &self.status
    }
}

/// What became of a frame.
enum Outcome {
    Silent,
    Applied(v1::Ack),
    Refused(v1::Nack, String),
    Resync(v1::Resync),
}

fn receiver_of(identity: &Identity) -> Receiver {
    Receiver::new(identity.name.group.clone(), identity.signing_keys.clone())
}

/// Object, field, reason.
fn describe(refusal: &Refusal) -> String {
    match &refusal.key {
        Some(key) => format!("{key} {}: {}", refusal.pointer, refusal.reason),
        None => refusal.reason.clone(),
    }
}
