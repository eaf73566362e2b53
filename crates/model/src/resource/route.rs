//! Which requests go where.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Plugins, Status, Timeout, Upstream};
use crate::id::ResourceId;
use crate::label::Labels;

/// A route: matching, plugins and target. It may stand below a service or on its own.
///
/// Source: <https://apisix.apache.org/docs/apisix/admin-api/#route>; `paths` is API7's name of `uris`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
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
    /// One path to match; see [`Route::all_paths`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub uri: Option<String>,
    /// Paths to match (APISIX).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uris: Vec<String>,
    /// Paths to match (API7).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// One host to match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostPattern>,
    /// Hosts to match; none means those of the service, or any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<HostPattern>,
    /// Methods to match; none means any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<Method>,
    /// One client address or network to match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_addr: Option<RemoteAddr>,
    /// Client addresses or networks to match.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remote_addrs: Vec<RemoteAddr>,
    /// Conditions on variables; see [`crate::vars`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<Value>>")]
    pub vars: Option<Value>,
    /// Among routes that match, the higher wins.
    #[serde(default)]
    pub priority: i64,
    /// Whether it takes part.
    #[serde(default)]
    pub status: Status,
    /// Whether upgrades to WebSocket pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_websocket: Option<bool>,
    /// Overrides the upstream's timeouts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Timeout>,
    /// Plugins of this route.
    #[serde(default, skip_serializing_if = "Plugins::is_empty")]
    pub plugins: Plugins,
    /// Shared plugins; the route's own win.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin_config_id: Option<ResourceId>,
    /// The service it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_id: Option<ResourceId>,
    /// Its own upstream; wins over the service's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<Upstream>,
    /// An upstream by reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_id: Option<ResourceId>,
}

impl Route {
    /// All paths it matches, under whichever name they were given.
    pub fn all_paths(&self) -> impl Iterator<Item = &str> {
        self.uri.iter().chain(&self.uris).chain(&self.paths).map(String::as_str)
    }

    /// All hosts it asks for itself.
    pub fn all_hosts(&self) -> impl Iterator<Item = &HostPattern> {
        self.host.iter().chain(&self.hosts)
    }

    /// All client networks it asks for.
    pub fn all_remote_addrs(&self) -> impl Iterator<Item = &RemoteAddr> {
        self.remote_addr.iter().chain(&self.remote_addrs)
    }
}

/// A host to match, lower case: `example.com`, `*.example.com`, an IPv4 address or a bracketed IPv6 address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostPattern(Box<str>);

impl HostPattern {
    /// Checks a pattern (APISIX: `^\*?[0-9a-zA-Z-._\[\]:]+$`; a `*` is a whole first label).
    ///
    /// # Errors
    /// A sentence that says what would be right.
    pub fn new(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix("*.").unwrap_or(text);
        let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '[' | ']' | ':');
        let rest = if text == "*" { "any" } else { rest };
        if rest.is_empty() || rest.len() > 253 || !rest.chars().all(valid) {
            return Err(format!("must be a host name such as \"example.com\" or \"*.example.com\", not {text:?}"));
        }
        Ok(Self(text.to_ascii_lowercase().into_boxed_str()))
    }

    /// The pattern as text, lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// For `*.example.com` the part `.example.com`, for `*` the empty text.
    pub fn wildcard_suffix(&self) -> Option<&str> {
        self.0.strip_prefix('*')
    }
}

impl TryFrom<String> for HostPattern {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::new(&text)
    }
}

impl From<HostPattern> for String {
    fn from(pattern: HostPattern) -> String {
        pattern.0.into_string()
    }
}

impl JsonSchema for HostPattern {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HostPattern".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string", "minLength": 1, "maxLength": 255,
            "pattern": r"^(\*|(\*\.)?[0-9a-zA-Z\-._\[\]:]+)$",
        })
    }
}

/// A client address or network: `127.0.0.1`, `10.0.0.0/8`, `::1`, `fe80::/10`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RemoteAddr {
    net: IpNet,
    single: bool,
}

impl RemoteAddr {
    /// The network; a single address is its /32 or /128.
    pub fn net(&self) -> IpNet {
        self.net
    }
}

impl TryFrom<String> for RemoteAddr {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self { net: address.into(), single: true });
        }
        let wrong = |_| format!("must be an IP address or network such as \"10.0.0.0/8\", not {text:?}");
        Ok(Self { net: text.parse().map_err(wrong)?, single: false })
    }
}

impl fmt::Display for RemoteAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.single {
            true => write!(f, "{}", self.net.addr()),
            false => write!(f, "{}", self.net),
        }
    }
}

impl From<RemoteAddr> for String {
    fn from(address: RemoteAddr) -> String {
        address.to_string()
    }
}

impl JsonSchema for RemoteAddr {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RemoteAddr".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "minLength": 2, "format": "ip-network" })
    }
}

/// The methods APISIX matches by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[schemars(inline)]
#[allow(missing_docs)]
pub enum Method {
    Get,
    Post,
    Put,
    Delete,
    Patch,
    Head,
    Options,
    Connect,
    Trace,
    Purge,
}

impl Method {
    /// As in a request line.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
            Method::Patch => "PATCH",
            Method::Head => "HEAD",
            Method::Options => "OPTIONS",
            Method::Connect => "CONNECT",
            Method::Trace => "TRACE",
            Method::Purge => "PURGE",
        }
    }
}
