//! Connections to nodes: one pool per node, of one worker.

mod answer;
mod connect;
mod http1;
mod multiplexed;
mod pool;
mod resolve;
mod stream;
pub(crate) mod trust;

pub(crate) use answer::{AnswerBody, Broken, NotAnswered, Sent, over_http2};
pub(crate) use connect::{Connector, Sender, Target};
pub(crate) use http1::Outline;
#[cfg(feature = "fuzzing")]
pub(crate) use http1::fuzzed::answer as fuzzed_answer;
pub(crate) use pool::{Lease, Pool};
pub(crate) use resolve::is_unresolved;
pub(crate) use stream::Stream;
