//! Connections to nodes: one pool per node, of one worker.

mod answer;
mod connect;
mod http1;
mod multiplexed;
mod names;
mod pool;
mod reach;
mod stream;
pub(crate) mod trust;

pub(crate) use answer::{AnswerBody, Broken, NotAnswered, Sent, over_http2};
pub(crate) use connect::{Sender, Target, connect, server_name};
pub(crate) use http1::Outline;
#[cfg(feature = "fuzzing")]
pub(crate) use http1::fuzzed::answer as fuzzed_answer;
pub(crate) use names::Names;
pub(crate) use pool::{Lease, Pool};
pub(crate) use reach::{Named, Reach, Way};
pub(crate) use stream::Stream;
