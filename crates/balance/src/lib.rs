//! Choosing a node: sans-io state machines that know nothing of connections.

mod roundrobin;

pub use roundrobin::SmoothWeighted;
