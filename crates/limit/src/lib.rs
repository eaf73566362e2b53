//! Rate-limit algorithms: sans-io, the clock is an argument.

mod concurrent;
mod leaky;
mod place;
mod rule;
mod shards;
mod table;

pub use concurrent::{Concurrency, ConcurrencyTable};
pub use leaky::{LeakyTable, Rate};
pub use rule::{Decision, Rule, Standing, WindowType};
pub use table::Table;
