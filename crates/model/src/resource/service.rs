//! What routes share: hosts, path prefix, upstreams and plugins.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{HostPattern, Plugins, Status, Upstream};
use crate::id::ResourceId;
use crate::label::Labels;

/// Name of a service's upstream, inline or further, that was given none.
pub const DEFAULT_UPSTREAM_NAME: &str = "default";

/// A service. Its further upstreams are resources of their own below it.
///
/// Source: <https://apisix.apache.org/docs/apisix/admin-api/#service>, plus API7's hosts, path_prefix,
/// strip_path_prefix, type and status.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Service {
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
    /// Whether it carries routes or stream routes.
    #[serde(default, rename = "type")]
    pub service_type: ServiceType,
    /// Hosts of all its routes; none means any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<HostPattern>,
    /// Goes before the paths of all its routes: `/api` + `/users/*` matches `/api/users/1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096), regex(pattern = "^/"))]
    pub path_prefix: Option<String>,
    /// Whether the upstream sees the path without the prefix.
    #[serde(default = "yes")]
    pub strip_path_prefix: bool,
    /// The default upstream of its routes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<Upstream>,
    /// An upstream by reference (APISIX).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_id: Option<ResourceId>,
    /// Plugins of all its routes; a route's own win.
    #[serde(default, skip_serializing_if = "Plugins::is_empty")]
    pub plugins: Plugins,
    /// Whether it takes part in this group.
    #[serde(default)]
    pub status: Status,
    /// Whether upgrades to WebSocket pass, where the route does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_websocket: Option<bool>,
}

fn yes() -> bool {
    true
}

/// What a service carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum ServiceType {
    /// Routes.
    #[default]
    Http,
    /// Stream routes.
    Stream,
}
