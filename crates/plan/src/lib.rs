//! From a group's configuration to the immutable plan that its instances serve from.
//!
//! [`Compiler`] holds the configuration and follows its changes; after each it gives a [`Plan`] that
//! shares everything unchanged with the one before. The control plane runs the same compiler as a dry
//! run before it accepts a change, so what it accepted does not fail on an instance. [`References`] alone are resolved on
//! instances only, and cannot make a configuration fail there.

mod chain;
mod compile;
mod compiler;
mod consumers;
#[cfg(test)]
mod fixture;
mod plan;
mod references;
pub mod router;
mod sharded;
mod tls;
mod upstream;

pub use chain::{Chain, Entry};
pub use compiler::{Compiler, Rejection};
pub use consumers::CompiledConsumer;
pub use plan::Plan;
pub use references::References;
pub use router::{Closed, CompiledRoute, Match, Params, Router, UpstreamChoice};
#[cfg(feature = "fuzzing")]
pub use tls::fuzzed_client;
pub use tls::{ClientAuth, ClientIdentity, TlsHost, TlsMap, verify_tls12_signature, verify_tls13_signature};
pub use upstream::{CompiledNode, CompiledUpstream, HashKey, HostHeader, Timeouts};
