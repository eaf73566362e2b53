//! Nodes and how to reach and balance over them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{HealthChecks, Seconds, Timeout};
use crate::id::ResourceId;
use crate::label::Labels;

/// An upstream: inline in a route or service, below a service, or on its own.
///
/// Source: <https://apisix.apache.org/docs/apisix/admin-api/#upstream>
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
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
    /// How to choose among nodes.
    #[serde(default, rename = "type")]
    pub balancer: Balancer,
    /// Fixed nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<Nodes>,
    /// Name to look up in the registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub service_name: Option<String>,
    /// Which registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discovery_type: Option<String>,
    /// Arguments of the look-up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("properties" = {}))]
    pub discovery_args: Option<BTreeMap<String, Value>>,
    /// For chash: where the key comes from.
    #[serde(default)]
    pub hash_on: HashOn,
    /// For chash: the key's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// How often to try another node; none means one try for each further node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
    /// No retry after this many seconds; 0 means no limit.
    #[serde(default = "zero")]
    #[schemars(range(min = 0))]
    pub retry_timeout: Seconds,
    /// How long to wait for each step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Timeout>,
    /// Which Host header the node sees.
    #[serde(default)]
    pub pass_host: PassHost,
    /// The Host header for `pass_host: rewrite`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub upstream_host: Option<String>,
    /// What the nodes speak.
    #[serde(default)]
    pub scheme: Scheme,
    /// Certificate and checks towards the nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<UpstreamTls>,
    /// Idle connections that are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keepalive_pool: Option<KeepalivePool>,
    /// Health checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checks: Option<HealthChecks>,
}

/// How to choose among nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Balancer {
    /// Smooth weighted round robin.
    #[default]
    Roundrobin,
    /// Consistent hash.
    Chash,
    /// Fastest by moving average.
    Ewma,
    /// Fewest requests under way.
    LeastConn,
}

/// Where the key of a consistent hash comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
#[allow(missing_docs)]
pub enum HashOn {
    #[default]
    Vars,
    Header,
    Cookie,
    Consumer,
    VarsCombinations,
}

/// Which Host header a node sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum PassHost {
    /// The client's.
    #[default]
    Pass,
    /// The node's own host.
    Node,
    /// `upstream_host`.
    Rewrite,
}

/// What nodes speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
#[allow(missing_docs)]
pub enum Scheme {
    #[default]
    Http,
    Https,
    Grpc,
    Grpcs,
    Tcp,
    Tls,
    Udp,
    Kafka,
}

impl Scheme {
    /// Whether the connection to a node is encrypted.
    pub fn is_tls(self) -> bool {
        matches!(self, Scheme::Https | Scheme::Grpcs | Scheme::Tls)
    }

    /// The port of a node that names none.
    pub fn default_port(self) -> u16 {
        if self.is_tls() { 443 } else { 80 }
    }
}

/// Nodes in either of APISIX's two forms; kept as the user wrote them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Nodes {
    /// `{"host:port": weight}`
    Map(BTreeMap<String, u32>),
    /// `[{"host", "port", "weight", "priority"}]`
    List(Vec<Node>),
}

/// One node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Host name or address.
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[0-9a-zA-Z\-._\[\]:]+$"))]
    pub host: String,
    /// Port; none means that of the scheme.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,
    /// Share of the requests; 0 takes none.
    #[schemars(range(min = 0))]
    pub weight: u32,
    /// Nodes of a lower priority serve only when all of a higher one are gone.
    #[serde(default)]
    pub priority: i32,
    /// Free for users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<BTreeMap<String, Value>>,
}

impl Nodes {
    /// The nodes as a list, whichever form they have.
    ///
    /// # Errors
    /// The text of a key that is not `host` or `host:port`.
    pub fn to_list(&self) -> Result<Vec<Node>, String> {
        match self {
            Nodes::List(nodes) => Ok(nodes.clone()),
            Nodes::Map(map) => map.iter().map(|(address, weight)| Node::from_address(address, *weight)).collect(),
        }
    }
}

impl Node {
    /// Reads a key of the map form: `host` or `host:port`, an IPv6 address in brackets.
    ///
    /// # Errors
    /// A sentence that says what would be right.
    pub(crate) fn from_address(address: &str, weight: u32) -> Result<Self, String> {
        let wrong = || format!("{address:?} must be \"host:port\"");
        // An IPv6 address stands in brackets, so the last colon outside them parts the port.
        let (host, port) = match address.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port.parse::<u16>().map_err(|_| wrong())?)),
            _ => (address, None),
        };
        if !is_host(host) || port == Some(0) {
            return Err(wrong());
        }
        Ok(Self { host: host.to_owned(), port, weight, priority: 0, metadata: None })
    }
}

/// Whether a node can have this host (APISIX's `host_def` without the wildcard, which no connection goes to).
fn is_host(text: &str) -> bool {
    let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '[' | ']' | ':');
    !text.is_empty() && text.len() <= 255 && text.chars().all(valid)
}

impl JsonSchema for Nodes {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Nodes".into()
    }
    /// Both forms in one schema without `oneOf`, which clients that read defaults do not see through.
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let node = generator.subschema_for::<Node>();
        schemars::json_schema!({
            "type": ["array", "object"],
            "items": node,
            "additionalProperties": { "type": "integer", "minimum": 0, "maximum": 4294967295u32 },
        })
    }
}

/// Certificate and checks towards nodes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpstreamTls {
    /// An ssl of type `client`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_cert_id: Option<ResourceId>,
    /// Certificate, PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 65536))]
    pub client_cert: Option<String>,
    /// Its key, PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 65536))]
    pub client_key: Option<String>,
    /// Whether the node's certificate is checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<bool>,
}

/// Idle connections that are kept, per worker and upstream.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeepalivePool {
    /// Most idle connections.
    #[serde(default = "pool_size")]
    #[schemars(range(min = 1))]
    pub size: u32,
    /// Seconds after which an idle connection is closed; 0 never.
    #[serde(default = "pool_idle_timeout")]
    #[schemars(range(min = 0))]
    pub idle_timeout: Seconds,
    /// Requests after which a connection is closed.
    #[serde(default = "pool_requests")]
    #[schemars(range(min = 1))]
    pub requests: u32,
}

impl Default for KeepalivePool {
    fn default() -> Self {
        Self { size: pool_size(), idle_timeout: pool_idle_timeout(), requests: pool_requests() }
    }
}

fn pool_size() -> u32 {
    320
}

fn pool_idle_timeout() -> Seconds {
    Seconds(60.0)
}

fn zero() -> Seconds {
    Seconds(0.0)
}

fn pool_requests() -> u32 {
    1000
}
