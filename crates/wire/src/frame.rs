//! Frames put together the way the protocol wants them.

use bytes::Bytes;
use model::ResourceKey;
use model::change::Body;

use crate::changes::append_put;
use crate::limits::{CHUNK_BYTES, cut_text};
use crate::signed::{Applied, Signed};
use crate::v1::{self, from_instance, to_instance};

impl From<to_instance::Frame> for v1::ToInstance {
    fn from(frame: to_instance::Frame) -> Self {
        Self { frame: Some(frame) }
    }
}

impl From<from_instance::Frame> for v1::FromInstance {
    fn from(frame: from_instance::Frame) -> Self {
        Self { frame: Some(frame) }
    }
}

/// A delta over encoded changes; the bytes are shared, not copied.
pub fn delta(from_revision: u64, to: Signed, changes: Bytes) -> v1::ToInstance {
    to_instance::Frame::Delta(v1::Delta { from_revision, to: Some(to.into()), changes }).into()
}

/// Tells how often to report; also the control plane's sign of life.
pub fn settings(heartbeat: std::time::Duration) -> v1::ToInstance {
    let heartbeat_interval_ms = u32::try_from(heartbeat.as_millis()).unwrap_or(u32::MAX);
    to_instance::Frame::Settings(v1::Settings { heartbeat_interval_ms }).into()
}

/// The last frame of a stream.
pub fn goodbye(reason: v1::GoodbyeReason, message: impl Into<String>) -> v1::ToInstance {
    let (reason, message) = (reason as i32, cut_text(message));
    to_instance::Frame::Goodbye(v1::Goodbye { reason, message, retry_after_ms: 0 }).into()
}

/// The first frame of an instance.
pub fn hello(facts: v1::InstanceFacts, applied: Option<Applied>) -> v1::FromInstance {
    let applied = applied.map(Into::into);
    from_instance::Frame::Hello(v1::Hello { protocol: crate::limits::PROTOCOL, facts: Some(facts), applied }).into()
}

/// An instance's report.
pub fn heartbeat(applied: Option<Applied>, counters: v1::Counters) -> v1::FromInstance {
    let applied = applied.map(Into::into);
    from_instance::Frame::Heartbeat(v1::Heartbeat { applied, counters: Some(counters) }).into()
}

/// How an instance's nodes are.
pub fn node_health(health: v1::NodeHealth) -> v1::FromInstance {
    from_instance::Frame::NodeHealth(health).into()
}

/// Encodes a whole configuration as the frames of a snapshot, chunk by chunk.
pub fn snapshot<'a>(
    to: Signed,
    resources: impl IntoIterator<Item = (&'a ResourceKey, &'a Body)>,
) -> Vec<v1::ToInstance> {
    let mut chunks = Chunks::default();
    resources.into_iter().for_each(|(key, body)| chunks.put(key, body));
    chunks.into_frames(to)
}

#[derive(Default)]
struct Chunks {
    full: Vec<Bytes>,
    open: Vec<u8>,
    resources: u64,
}

impl Chunks {
    fn put(&mut self, key: &ResourceKey, body: &Body) {
        append_put(key, body, &mut self.open);
        self.resources += 1;
        if self.open.len() >= CHUNK_BYTES {
            self.full.push(std::mem::take(&mut self.open).into());
        }
    }

    fn into_frames(mut self, to: Signed) -> Vec<v1::ToInstance> {
        if !self.open.is_empty() {
            self.full.push(self.open.into());
        }
        let bytes = self.full.iter().map(|chunk| chunk.len() as u64).sum();
        let start = v1::SnapshotStart { to: Some(to.into()), resources: self.resources, bytes };
        let chunk = |changes| to_instance::Frame::SnapshotChunk(v1::SnapshotChunk { changes });
        std::iter::once(to_instance::Frame::SnapshotStart(start))
            .chain(self.full.into_iter().map(chunk))
            .chain([to_instance::Frame::SnapshotEnd(v1::SnapshotEnd {})])
            .map(Into::into)
            .collect()
    }
}
