//! What the plugins that log share: what is logged of a request (`entry`, `fields`, written by `write`), where workers
//! leave it (`gathered`), and the one thread that brings it to its sinks (`courier`), so that no request ever waits for
//! one.

pub(crate) mod courier;
mod entry;
mod fields;
mod gathered;
mod write;

pub(crate) use entry::{EntryConf, Recorder, metadata_schema, properties};
