//! Rate-limit algorithms: sans-io, the clock is an argument.

mod table;

pub use table::{Decision, FixedWindows};
