//! What a plugin sees of the gateway, and what the gateway asks of a plugin.
//!
//! A [`PluginType`] is a plugin by name: schema, priority, and how to compile a configuration. Compiling
//! gives a [`Plugin`]: the object whose phases run for each request, with everything resolved that a
//! configuration determines. [`Exchange`] is the request, and later its response, as phases see it.

pub mod condition;
pub mod defaults;
pub mod exchange;
pub mod graphql;
pub mod instance;
pub mod kept;
mod page;
pub mod plugin;
pub mod registry;
pub mod reply;
pub mod schema;
pub mod template;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod var;

pub use condition::Condition;
pub use exchange::{
    ChosenUpstream, Client, ConsumerEntry, ConsumerIndex, ConsumerInfo, Exchange, Held, Prepared, RouteInfo, Target,
};
pub use kept::Kept;
pub use plugin::{
    BodyNeed, Chunk, CompileInput, Flow, InlineUpstream, Phases, Plugin, PluginType, UpstreamCompiler, Verdict,
};
pub use registry::Registry;
pub use reply::Reply;
pub use template::{Piece, Template};
pub use var::Var;
