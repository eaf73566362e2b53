//! Health checks of an upstream.
//!
//! Scalars are filled in where a user left them out; whole objects and lists stay absent. Clients complete what
//! they send by that very rule before they compare it with what is stored (see [`crate::schema::core`]).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Seconds;

/// Health checks. Passive checks need active ones: nothing else would bring a node back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HealthChecks {
    /// Probes.
    pub active: ActiveCheck,
    /// Judgement of the traffic itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passive: Option<PassiveCheck>,
}

/// What a check speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
#[allow(missing_docs)]
pub enum CheckType {
    #[default]
    Http,
    Https,
    Tcp,
}

/// Probes sent to each node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ActiveCheck {
    /// What the probe speaks.
    #[serde(rename = "type")]
    pub check_type: CheckType,
    /// Method of the probe.
    pub http_method: String,
    /// Path of the probe.
    pub http_path: String,
    /// Body of the probe.
    pub http_req_body: String,
    /// Host header of the probe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Port of the probe, where it is not the node's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,
    /// Headers of the probe, each `Name: value`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub req_headers: Vec<String>,
    /// The same by the name under which API7's client sends them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub http_req_headers: Vec<String>,
    /// Seconds until a probe counts as timed out.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub timeout: Seconds,
    /// Probes under way at once.
    #[schemars(range(min = 1))]
    pub concurrency: u32,
    /// Whether the node's certificate is checked.
    pub https_verify_certificate: bool,
    /// When a node becomes healthy; none means [`ActiveHealthy::default`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthy: Option<ActiveHealthy>,
    /// When a node becomes unhealthy; none means [`ActiveUnhealthy::default`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unhealthy: Option<ActiveUnhealthy>,
}

impl Default for ActiveCheck {
    fn default() -> Self {
        Self {
            check_type: CheckType::Http,
            http_method: "GET".into(),
            http_path: "/".into(),
            http_req_body: String::new(),
            host: None,
            port: None,
            req_headers: Vec::new(),
            http_req_headers: Vec::new(),
            timeout: Seconds(1.0),
            concurrency: 10,
            https_verify_certificate: true,
            healthy: None,
            unhealthy: None,
        }
    }
}

impl ActiveCheck {
    /// Headers of the probe, under whichever field they were given.
    pub fn headers(&self) -> impl Iterator<Item = &str> {
        self.req_headers.iter().chain(&self.http_req_headers).map(String::as_str)
    }
}

/// When a probed node becomes healthy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ActiveHealthy {
    /// Seconds between probes of a healthy node.
    #[schemars(range(min = 1))]
    pub interval: u32,
    /// Successes in a row that make a node healthy.
    #[schemars(range(min = 1, max = 254))]
    pub successes: u32,
    /// Status codes that count as success; none means 200 and 302.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), inner(range(min = 200, max = 599)))]
    pub http_statuses: Option<Vec<u16>>,
}

impl Default for ActiveHealthy {
    fn default() -> Self {
        Self { interval: 1, successes: 2, http_statuses: None }
    }
}

impl ActiveHealthy {
    /// Status codes that count as success.
    pub fn statuses(&self) -> &[u16] {
        self.http_statuses.as_deref().unwrap_or(&[200, 302])
    }
}

/// When a probed node becomes unhealthy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ActiveUnhealthy {
    /// Seconds between probes of an unhealthy node.
    #[schemars(range(min = 1))]
    pub interval: u32,
    /// Bad status codes in a row that make a node unhealthy.
    #[schemars(range(min = 1, max = 254))]
    pub http_failures: u32,
    /// Failed connections in a row that make a node unhealthy.
    #[schemars(range(min = 1, max = 254))]
    pub tcp_failures: u32,
    /// Timeouts in a row that make a node unhealthy.
    #[schemars(range(min = 1, max = 254))]
    pub timeouts: u32,
    /// Status codes that count as failure; none means 429, 404, 500 to 505.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), inner(range(min = 200, max = 599)))]
    pub http_statuses: Option<Vec<u16>>,
}

impl Default for ActiveUnhealthy {
    fn default() -> Self {
        Self { interval: 1, http_failures: 5, tcp_failures: 2, timeouts: 3, http_statuses: None }
    }
}

impl ActiveUnhealthy {
    /// Status codes that count as failure.
    pub fn statuses(&self) -> &[u16] {
        self.http_statuses.as_deref().unwrap_or(&[429, 404, 500, 501, 502, 503, 504, 505])
    }
}

/// Judgement of the traffic itself.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PassiveCheck {
    /// What the traffic speaks.
    #[serde(rename = "type")]
    pub check_type: CheckType,
    /// When a node becomes healthy; none means [`PassiveHealthy::default`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthy: Option<PassiveHealthy>,
    /// When a node becomes unhealthy; none means [`PassiveUnhealthy::default`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unhealthy: Option<PassiveUnhealthy>,
}

/// When traffic makes a node healthy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PassiveHealthy {
    /// Successes in a row.
    #[schemars(range(min = 0, max = 254))]
    pub successes: u32,
    /// Status codes that count as success; none means 200 to 208, 226, 300 to 308.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), inner(range(min = 200, max = 599)))]
    pub http_statuses: Option<Vec<u16>>,
}

impl Default for PassiveHealthy {
    fn default() -> Self {
        Self { successes: 5, http_statuses: None }
    }
}

impl PassiveHealthy {
    /// Status codes that count as success.
    pub fn statuses(&self) -> &[u16] {
        const DEFAULT: [u16; 19] =
            [200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 306, 307, 308];
        self.http_statuses.as_deref().unwrap_or(&DEFAULT)
    }
}

/// When traffic makes a node unhealthy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PassiveUnhealthy {
    /// Bad status codes in a row.
    #[schemars(range(min = 0, max = 254))]
    pub http_failures: u32,
    /// Failed connections in a row.
    #[schemars(range(min = 0, max = 254))]
    pub tcp_failures: u32,
    /// Timeouts in a row.
    #[schemars(range(min = 0, max = 254))]
    pub timeouts: u32,
    /// Status codes that count as failure; none means 429, 500 and 503.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), inner(range(min = 200, max = 599)))]
    pub http_statuses: Option<Vec<u16>>,
}

impl Default for PassiveUnhealthy {
    fn default() -> Self {
        Self { http_failures: 5, tcp_failures: 2, timeouts: 7, http_statuses: None }
    }
}

impl PassiveUnhealthy {
    /// Status codes that count as failure.
    pub fn statuses(&self) -> &[u16] {
        self.http_statuses.as_deref().unwrap_or(&[429, 500, 503])
    }
}
