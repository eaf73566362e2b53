//! The two traits of a plugin.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use model::Fault;
use model::resource::Upstream;
use serde_json::Value;

use crate::{Exchange, Prepared, Reply};

/// A plugin by name: one value per built-in, listed in the registry.
pub trait PluginType: Send + Sync {
    /// Name as in configurations: `key-auth`.
    fn name(&self) -> &'static str;

    /// Higher runs earlier within a phase. Source: the table of APISIX's default priorities.
    fn priority(&self) -> i32;

    /// JSON Schema of its configuration, defaults included, as API clients read it.
    fn schema(&self) -> &'static Value;

    /// JSON Schema of its part in a consumer or credential; `None` when it has none.
    fn consumer_schema(&self) -> Option<&'static Value> {
        None
    }

    /// JSON Schema of its metadata; `None` when it has none.
    fn metadata_schema(&self) -> Option<&'static Value> {
        None
    }

    /// `auth` for the plugins that find the consumer, else none. Source: APISIX's `type` field.
    fn is_authentication(&self) -> bool {
        false
    }

    /// The text by which a consumer of this credential is found: the key of `key-auth`, the user name of `basic-auth`.
    fn credential_key<'v>(&self, _credential: &'v Value) -> Option<&'v str> {
        None
    }

    /// Reads a credential once, when the plan is compiled, so that requests need not: keys parsed, texts decoded.
    /// Requests find the result in [`crate::ConsumerEntry::prepared`].
    ///
    /// # Errors
    /// What the schema cannot say, with its pointer within the credential.
    fn prepare_credential(&self, _credential: &Value) -> Result<Option<Prepared>, Fault> {
        Ok(None)
    }

    /// Names of fields that are secret, in its configuration and in its consumer part.
    fn secret_fields(&self) -> &'static [&'static str] {
        &[]
    }

    /// Says a fault that the schema found in other words, where APISIX does.
    fn reword(&self, _conf: &Value, fault: Fault) -> Fault {
        fault
    }

    /// Checks a configuration beyond its schema and compiles it. The control plane has checked the schema
    /// (see `Registry::check`); defaults are filled in here, for the stored form is what the user wrote.
    ///
    /// # Errors
    /// The first fault, with its pointer within the configuration.
    fn compile(&self, input: &CompileInput<'_>) -> Result<Arc<dyn Plugin>, Fault>;
}

/// What a configuration is compiled from.
#[derive(Clone, Copy)]
pub struct CompileInput<'a> {
    /// The configuration, valid by schema, without `_meta`.
    pub conf: &'a Value,
    /// The group's metadata of this plugin; a change of it compiles the configuration again.
    pub metadata: Option<&'a Value>,
    /// Where it stands, for state that must outlive a change elsewhere: `route/r1`, `consumer/jack`, `global_rule/1`.
    pub owner: &'a str,
    /// Compiles upstreams that stand in the configuration (`traffic-split`).
    pub upstreams: &'a dyn UpstreamCompiler,
}

/// Makes an upstream out of a configuration ready to serve; the plan does.
pub trait UpstreamCompiler {
    /// # Errors
    /// The first fault, with its pointer within the upstream.
    fn compile(&self, upstream: &Upstream) -> Result<InlineUpstream, Fault>;
}

/// An upstream that stands in a plugin's configuration, ready to serve: opaque here, the gateway knows what it is.
#[derive(Clone)]
pub struct InlineUpstream(pub Arc<dyn Any + Send + Sync>);

impl fmt::Debug for InlineUpstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InlineUpstream")
    }
}

/// Which phases a compiled plugin takes part in; the others are never called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Phases(u8);

impl Phases {
    /// Before the target is known to other plugins; authentication stands here.
    pub const REWRITE: Phases = Phases(1);
    /// With the consumer known.
    pub const ACCESS: Phases = Phases(2);
    /// Just before the node is chosen.
    pub const BEFORE_PROXY: Phases = Phases(4);
    /// The response's head is here, from the upstream or from a plugin.
    pub const HEADER_FILTER: Phases = Phases(8);
    /// Each piece of the response's body.
    pub const BODY_FILTER: Phases = Phases(16);
    /// The exchange is over, however it ended.
    pub const LOG: Phases = Phases(32);
    /// No phase: `log` reads the response's headers. Without it they are handed on, not copied.
    pub const HEADERS_IN_LOG: Phases = Phases(64);
    /// No phase: its filters come after those of all other plugins, also of the other chain, as nginx's own come after
    /// APISIX's; what it makes of a body is no more for others to look into.
    pub const ENCODES: Phases = Phases(128);

    /// Both sets.
    pub const fn and(self, other: Phases) -> Phases {
        Phases(self.0 | other.0)
    }

    /// Whether all of `other` is in the set.
    pub const fn has(self, other: Phases) -> bool {
        self.0 & other.0 == other.0
    }
}

/// How a phase ended.
#[derive(Debug)]
pub enum Verdict {
    /// On to the next plugin.
    Continue,
    /// The gateway answers this; no upstream is asked.
    Reply(Reply),
}

/// How a phase goes on: at once, or after waiting for something outside.
pub enum Flow<'a> {
    /// The phase has ended.
    Done(Verdict),
    /// The phase waits (Redis, an authorisation server); runs on the worker of the request.
    Wait(Pin<Box<dyn Future<Output = Verdict> + 'a>>),
}

impl Flow<'_> {
    /// On to the next plugin.
    pub const CONTINUE: Self = Flow::Done(Verdict::Continue);

    /// Ends with an answer.
    pub fn reply(reply: Reply) -> Self {
        Flow::Done(Verdict::Reply(reply))
    }
}

/// How a plugin needs a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BodyNeed {
    /// Not at all, or piece by piece as it passes.
    #[default]
    Stream,
    /// Whole, up to so many bytes; a longer request body is answered 413, a longer response body 502.
    Whole {
        /// Most bytes.
        limit: usize,
    },
}

impl BodyNeed {
    /// What two plugins need together: the smaller limit counts.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Whole { limit: a }, Self::Whole { limit: b }) => Self::Whole { limit: a.min(b) },
            (Self::Stream, need) | (need, Self::Stream) => need,
        }
    }
}

/// A piece of a response's body on its way to the client.
#[derive(Debug, Clone, Default)]
pub struct Chunk {
    /// What is sent; a plugin may replace it.
    pub data: Bytes,
    /// Whether nothing follows.
    pub last: bool,
}

/// A compiled configuration. One object serves all workers, so what changes per request is in [`Exchange`]
/// or in atomics.
pub trait Plugin: Send + Sync {
    /// The phases to call.
    fn phases(&self) -> Phases;

    /// Whether the request's body must be whole before the first of its phases; see [`Exchange::request_body`].
    fn request_body(&self) -> BodyNeed {
        BodyNeed::Stream
    }

    /// Whether `body_filter` wants the response's body in one piece.
    fn response_body(&self) -> BodyNeed {
        BodyNeed::Stream
    }

    /// [`Phases::REWRITE`]
    fn rewrite<'a>(&'a self, _exchange: &'a mut Exchange) -> Flow<'a> {
        Flow::CONTINUE
    }

    /// [`Phases::ACCESS`]
    fn access<'a>(&'a self, _exchange: &'a mut Exchange) -> Flow<'a> {
        Flow::CONTINUE
    }

    /// [`Phases::BEFORE_PROXY`]
    fn before_proxy<'a>(&'a self, _exchange: &'a mut Exchange) -> Flow<'a> {
        Flow::CONTINUE
    }

    /// [`Phases::HEADER_FILTER`]; see [`Exchange::response`].
    fn header_filter(&self, _exchange: &mut Exchange) {}

    /// [`Phases::BODY_FILTER`]. Who may change the body's length removes `Content-Length` in `header_filter`, so that
    /// the answers that nobody changes keep theirs.
    fn body_filter(&self, _exchange: &mut Exchange, _chunk: &mut Chunk) {}

    /// [`Phases::LOG`]
    fn log(&self, _exchange: &mut Exchange) {}
}
