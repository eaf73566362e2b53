//! Rate-limit algorithms: sans-io, the clock is an argument.

mod place;
mod rule;
mod table;

pub use rule::{Decision, Rule, WindowType};
pub use table::Table;
