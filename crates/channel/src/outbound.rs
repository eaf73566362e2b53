//! What one instance is sent, one frame at a time and only when the connection takes it.
//!
//! There is no queue per instance: a frame is chosen when HTTP/2 asks for one. An instance that reads
//! slowly skips what it missed, since it is then brought from where it stands to the newest target.

use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tonic::Status;
use wire::{Offer, Signed, frame, v1};

use crate::group::{EncodedSnapshot, Group};
use crate::plane::{ControlPlane, FeedError};
use crate::session::Session;

/// Pause before configuration is read again that could not be read.
const RETRY: Duration = Duration::from_secs(1);

pub(crate) struct Outbound<C> {
    plane: Arc<C>,
    session: Arc<Session>,
    group: Arc<Group>,
    target: watch::Receiver<Signed>,
    snapshot: Option<Sending>,
    sign_of_life: Interval,
    heartbeat: Duration,
    is_over: bool,
}

/// A snapshot on its way: which frame is next.
struct Sending {
    snapshot: Arc<EncodedSnapshot>,
    next: usize,
}

impl Sending {
    fn next(&mut self) -> Option<v1::ToInstance> {
        let frame = self.snapshot.frames.get(self.next).cloned();
        self.next += 1;
        frame
    }
}

impl<C: ControlPlane> Outbound<C> {
    pub(crate) fn new(plane: Arc<C>, session: Arc<Session>, group: Arc<Group>, heartbeat: Duration) -> Self {
        let target = group.target();
        let mut sign_of_life = interval(heartbeat);
        sign_of_life.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { plane, session, group, target, snapshot: None, sign_of_life, heartbeat, is_over: false }
    }

    /// The frames in order. The first is `Settings`: the first tick comes at once.
    pub(crate) fn frames(self) -> impl Stream<Item = Result<v1::ToInstance, Status>> + Send {
        futures_util::stream::unfold(self, async |mut outbound| {
            let frame = outbound.next().await?;
            Some((Ok(frame), outbound))
        })
    }

    async fn next(&mut self) -> Option<v1::ToInstance> {
        loop {
            if self.is_over {
                return None;
            }
            if let Some(ending) = self.session.ending() {
                self.is_over = true;
                return Some(frame::goodbye(ending.reason, ending.message));
            }
            if let Some(frame) = self.next_configuration().await {
                return Some(frame);
            }
            tokio::select! {
                _ = self.sign_of_life.tick() => return Some(frame::settings(self.heartbeat)),
                _ = self.target.changed() => {}
                () = self.session.changed() => {}
            }
        }
    }

    async fn next_configuration(&mut self) -> Option<v1::ToInstance> {
        if let Some(frame) = self.snapshot.as_mut().and_then(Sending::next) {
            return Some(frame);
        }
        self.snapshot = None;
        let target = self.target.borrow_and_update().clone();
        match self.session.offer(&target)? {
            Offer::Since(from) => match self.group.changes(from, target.revision) {
                Some(changes) => Some(self.delta(from, target, changes)),
                None => self.start_snapshot().await,
            },
            Offer::Snapshot => self.start_snapshot().await,
        }
    }

    fn delta(&self, from: u64, target: Signed, changes: bytes::Bytes) -> v1::ToInstance {
        self.session.sent(target.revision);
        frame::delta(from, target, changes)
    }

    async fn start_snapshot(&mut self) -> Option<v1::ToInstance> {
        // Apart, and there only while it is asked for: as a part of every instance's stream, reading from a database took 26 KiB.
        match Box::pin(self.group.snapshot(&*self.plane)).await {
            Ok(snapshot) => {
                self.session.sent(snapshot.revision);
                self.snapshot.insert(Sending { snapshot, next: 0 }).next()
            }
            Err(error) => self.cannot_read(&error).await,
        }
    }

    /// The instance goes on with what it has; its stream stays, and the next round tries again.
    async fn cannot_read(&mut self, error: &FeedError) -> Option<v1::ToInstance> {
        tracing::warn!(group = %self.group.id(), %error, "config channel: no snapshot");
        tokio::time::sleep(RETRY).await;
        Some(frame::settings(self.heartbeat))
    }
}
