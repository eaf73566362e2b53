//! What users write: APISIX's resources in API7's superset. One file per resource.
//!
//! Each struct holds a resource's body; its id and parent are in [`crate::ResourceKey`], its times in the store.

mod checks;
mod consumer;
mod plugin_sets;
mod proto;
mod route;
mod secret;
mod service;
mod ssl;
mod stream_route;
mod upstream;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use checks::{
    ActiveCheck, ActiveHealthy, ActiveUnhealthy, CheckType, HealthChecks, PassiveCheck, PassiveHealthy,
    PassiveUnhealthy,
};
pub use consumer::{Consumer, Credential};
pub use plugin_sets::{ConsumerGroup, GlobalRule, PluginConfig, PluginMetadata};
pub use proto::Proto;
pub use route::{HostPattern, Method, RemoteAddr, Route};
pub use secret::Secret;
pub use service::{DEFAULT_UPSTREAM_NAME, Service, ServiceType};
pub use ssl::{Ssl, SslClient, SslProtocol, SslType};
pub use stream_route::StreamRoute;
pub use upstream::{Balancer, HashOn, KeepalivePool, Node, Nodes, PassHost, Scheme, Upstream, UpstreamTls};

use crate::id::Kind;

/// Plugin name to its configuration, as users wrote it; `plugins` checks and compiles it.
pub type Plugins = BTreeMap<String, Value>;

/// A time in seconds, whole or not. Whole ones are written as integers, for clients compare JSON.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Deserialize)]
#[serde(transparent)]
pub struct Seconds(pub f64);

impl From<Seconds> for f64 {
    fn from(seconds: Seconds) -> f64 {
        seconds.0
    }
}

impl Serialize for Seconds {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let is_whole = self.0.fract() == 0.0 && (0.0..9e15).contains(&self.0);
        if is_whole { serializer.serialize_u64(self.0 as u64) } else { serializer.serialize_f64(self.0) }
    }
}

impl schemars::JsonSchema for Seconds {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Seconds".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "number" })
    }
}

/// How long to wait for each step towards an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Timeout {
    /// For a connection.
    #[serde(default = "sixty")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub connect: Seconds,
    /// Between two writes.
    #[serde(default = "sixty")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub send: Seconds,
    /// Between two reads.
    #[serde(default = "sixty")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub read: Seconds,
}

impl Default for Timeout {
    fn default() -> Self {
        Self { connect: sixty(), send: sixty(), read: sixty() }
    }
}

fn sixty() -> Seconds {
    Seconds(60.0)
}

/// Whether a resource takes part: 1 enabled, 0 disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Status {
    /// 0
    Disabled,
    /// 1
    #[default]
    Enabled,
}

impl TryFrom<u8> for Status {
    type Error = &'static str;
    fn try_from(value: u8) -> Result<Self, Self::Error> {
        match value {
            0 => Ok(Status::Disabled),
            1 => Ok(Status::Enabled),
            _ => Err("must be 0 (disabled) or 1 (enabled)"),
        }
    }
}

impl From<Status> for u8 {
    fn from(status: Status) -> u8 {
        match status {
            Status::Disabled => 0,
            Status::Enabled => 1,
        }
    }
}

impl schemars::JsonSchema for Status {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Status".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "integer", "enum": [0, 1] })
    }
}

/// Any resource, typed.
#[derive(Debug, Clone, PartialEq)]
pub enum Resource {
    /// See [`Service`].
    Service(Service),
    /// See [`Route`].
    Route(Route),
    /// See [`StreamRoute`].
    StreamRoute(StreamRoute),
    /// See [`Upstream`].
    Upstream(Upstream),
    /// See [`Consumer`].
    Consumer(Consumer),
    /// See [`Credential`].
    Credential(Credential),
    /// See [`Ssl`].
    Ssl(Ssl),
    /// See [`GlobalRule`].
    GlobalRule(GlobalRule),
    /// See [`PluginMetadata`].
    PluginMetadata(PluginMetadata),
    /// See [`PluginConfig`].
    PluginConfig(PluginConfig),
    /// See [`ConsumerGroup`].
    ConsumerGroup(ConsumerGroup),
    /// See [`Proto`].
    Proto(Proto),
    /// See [`Secret`].
    Secret(Secret),
}

impl Resource {
    /// Reads a resource whose bytes passed [`crate::validate`] before (from the store or the channel).
    ///
    /// # Errors
    /// When the bytes are not JSON of this kind: they were written by another version.
    pub fn from_canonical(kind: Kind, body: &[u8]) -> Result<Self, serde_json::Error> {
        Ok(match kind {
            Kind::Service => Resource::Service(serde_json::from_slice(body)?),
            Kind::Route => Resource::Route(serde_json::from_slice(body)?),
            Kind::StreamRoute => Resource::StreamRoute(serde_json::from_slice(body)?),
            Kind::Upstream => Resource::Upstream(serde_json::from_slice(body)?),
            Kind::Consumer => Resource::Consumer(serde_json::from_slice(body)?),
            Kind::Credential => Resource::Credential(serde_json::from_slice(body)?),
            Kind::Ssl => Resource::Ssl(serde_json::from_slice(body)?),
            Kind::GlobalRule => Resource::GlobalRule(serde_json::from_slice(body)?),
            Kind::PluginMetadata => Resource::PluginMetadata(serde_json::from_slice(body)?),
            Kind::PluginConfig => Resource::PluginConfig(serde_json::from_slice(body)?),
            Kind::ConsumerGroup => Resource::ConsumerGroup(serde_json::from_slice(body)?),
            Kind::Proto => Resource::Proto(serde_json::from_slice(body)?),
            Kind::Secret => Resource::Secret(serde_json::from_slice(body)?),
        })
    }

    /// The resource as JSON with every default filled in: what is stored, once it is canonical.
    ///
    /// # Errors
    /// Never for values that were read from JSON.
    pub fn to_value(&self) -> Result<Value, serde_json::Error> {
        match self {
            Resource::Service(r) if r.service_type == ServiceType::Stream => {
                serde_json::to_value(r).map(without_pass_host)
            }
            Resource::Service(r) => serde_json::to_value(r),
            Resource::Route(r) => serde_json::to_value(r),
            Resource::StreamRoute(r) => serde_json::to_value(r).map(without_pass_host),
            Resource::Upstream(r) => serde_json::to_value(r),
            Resource::Consumer(r) => serde_json::to_value(r),
            Resource::Credential(r) => serde_json::to_value(r),
            Resource::Ssl(r) => serde_json::to_value(r),
            Resource::GlobalRule(r) => serde_json::to_value(r),
            Resource::PluginMetadata(r) => serde_json::to_value(r),
            Resource::PluginConfig(r) => serde_json::to_value(r),
            Resource::ConsumerGroup(r) => serde_json::to_value(r),
            Resource::Proto(r) => serde_json::to_value(r),
            Resource::Secret(r) => serde_json::to_value(r),
        }
    }

    /// Which kind it is.
    pub fn kind(&self) -> Kind {
        match self {
            Resource::Service(_) => Kind::Service,
            Resource::Route(_) => Kind::Route,
            Resource::StreamRoute(_) => Kind::StreamRoute,
            Resource::Upstream(_) => Kind::Upstream,
            Resource::Consumer(_) => Kind::Consumer,
            Resource::Credential(_) => Kind::Credential,
            Resource::Ssl(_) => Kind::Ssl,
            Resource::GlobalRule(_) => Kind::GlobalRule,
            Resource::PluginMetadata(_) => Kind::PluginMetadata,
            Resource::PluginConfig(_) => Kind::PluginConfig,
            Resource::ConsumerGroup(_) => Kind::ConsumerGroup,
            Resource::Proto(_) => Kind::Proto,
            Resource::Secret(_) => Kind::Secret,
        }
    }

    /// The plugins it carries, which stand under `/plugins`; none for kinds that carry no plugins.
    pub fn plugins(&self) -> Option<&Plugins> {
        match self {
            Resource::Service(r) => Some(&r.plugins),
            Resource::Route(r) => Some(&r.plugins),
            Resource::StreamRoute(r) => Some(&r.plugins),
            Resource::Consumer(r) => Some(&r.plugins),
            Resource::Credential(r) => Some(&r.plugins),
            Resource::GlobalRule(r) => Some(&r.plugins),
            Resource::PluginConfig(r) => Some(&r.plugins),
            Resource::ConsumerGroup(r) => Some(&r.plugins),
            Resource::Upstream(_)
            | Resource::Ssl(_)
            | Resource::PluginMetadata(_)
            | Resource::Proto(_)
            | Resource::Secret(_) => None,
        }
    }
}

/// A stream has no Host header: the default of `pass_host` is no part of its upstream, and clients are not told of one.
fn without_pass_host(mut body: Value) -> Value {
    if let Some(upstream) = body.get_mut("upstream").and_then(Value::as_object_mut)
        && upstream.get("pass_host").and_then(Value::as_str) == Some("pass")
    {
        upstream.remove("pass_host");
    }
    body
}
