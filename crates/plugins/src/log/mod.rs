//! What the plugins that log share: what is logged of a request (`entry`), and the one thread that brings it to its
//! sinks (`courier`), so that no request ever waits for one.

pub(crate) mod courier;
mod entry;

pub(crate) use entry::{EntryConf, Recorder, metadata_schema, properties};
