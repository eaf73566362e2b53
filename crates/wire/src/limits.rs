//! Sizes and times that both sides keep to.

use std::time::Duration;

/// The protocol version this code speaks (`Hello.protocol`).
pub const PROTOCOL: u32 = 1;

/// Largest message from the control plane, in bytes.
pub const MAX_TO_INSTANCE_BYTES: usize = 16 << 20;

/// Largest message from an instance, in bytes.
pub const MAX_FROM_INSTANCE_BYTES: usize = 64 << 10;

/// Encoded changes above this are sent as a snapshot, in bytes.
pub const MAX_DELTA_BYTES: usize = 4 << 20;

/// A snapshot's chunk is closed once it has this many bytes; one resource is never split.
pub const CHUNK_BYTES: usize = 32 << 10;

/// Largest snapshot an instance takes, in bytes of all chunks.
pub const MAX_SNAPSHOT_BYTES: u64 = 1 << 30;

/// Texts for people (messages, pointers, facts) are cut here, in bytes.
pub const MAX_TEXT_BYTES: usize = 1024;

/// How often an instance reports, unless `Settings` says otherwise.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(10);

/// A stream on which nothing was heard for this many heartbeat intervals is ended.
pub const SILENT_INTERVALS: u32 = 3;

/// Nodes named in one `NodeHealth`.
pub const MAX_NODES: usize = 1000;

/// An encoded `NodeHealth` is kept below this, in bytes: its frame must fit into [`MAX_FROM_INSTANCE_BYTES`].
pub const MAX_NODE_HEALTH_BYTES: usize = 60 << 10;

/// Longest host of a node, in bytes.
pub const MAX_HOST_BYTES: usize = 255;

/// How soon it is told that a node came, went, or began or ceased to serve.
pub const NODE_HEALTH_SOON: Duration = Duration::from_secs(1);

/// How often the health of nodes is told though nothing changed.
pub const NODE_HEALTH_INTERVAL: Duration = Duration::from_secs(120);

/// Cuts a text for people at [`MAX_TEXT_BYTES`], never inside a character.
pub fn cut_text(text: impl Into<String>) -> String {
    let mut text = text.into();
    text.truncate(text.floor_char_boundary(MAX_TEXT_BYTES));
    text
}
