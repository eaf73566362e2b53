//! What an example of `examples/` is, and how it is proven. `docs/EXAMPLES.md` describes the format.

pub mod answer;
pub mod caller;
pub mod connection;
pub mod expectation;
pub mod format;
pub mod gateway;
pub mod names;
pub mod refusal;
pub mod signatures;
pub mod upstream;
pub mod websocket;
