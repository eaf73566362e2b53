//! Which TCP, TLS or UDP connections go where.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Plugins, RemoteAddr, Upstream};
use crate::id::ResourceId;
use crate::label::Labels;

/// A stream route. Validated and stored; instances do not serve streams yet.
///
/// Source: <https://apisix.apache.org/docs/apisix/admin-api/#stream-route>
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StreamRoute {
    /// Name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 65536))]
    pub name: Option<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65536))]
    pub desc: Option<String>,
    /// Labels to select by.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// Client address or network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_addr: Option<RemoteAddr>,
    /// Address the connection came in at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_addr: Option<RemoteAddr>,
    /// Port the connection came in at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub server_port: Option<u16>,
    /// Server name of the TLS handshake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub sni: Option<String>,
    /// Protocol module and its settings (`name`, `conf`, `superior_id`, `logger`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Value>,
    /// Plugins of this route.
    #[serde(default, skip_serializing_if = "Plugins::is_empty")]
    pub plugins: Plugins,
    /// The stream service it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_id: Option<ResourceId>,
    /// Its own upstream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<Upstream>,
    /// An upstream by reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_id: Option<ResourceId>,
}
