//! Certificates and the names they serve.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{HostPattern, Status};
use crate::label::Labels;

/// A certificate with its key: for clients that connect (`server`) or for upstreams to see (`client`).
///
/// Source: <https://apisix.apache.org/docs/apisix/admin-api/#ssl>
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ssl {
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65536))]
    pub desc: Option<String>,
    /// Labels to select by.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// Which side shows it.
    #[serde(default, rename = "type")]
    pub ssl_type: SslType,
    /// One server name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sni: Option<HostPattern>,
    /// Server names, exact or `*.example.com`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub snis: Vec<HostPattern>,
    /// Certificate chain, PEM, or a reference (`$secret://`, `$env://`).
    #[schemars(length(min = 1, max = 65536))]
    pub cert: String,
    /// Private key, PEM, or a reference. Never in answers.
    #[schemars(length(min = 1, max = 65536))]
    pub key: String,
    /// Further certificates for the same names (RSA beside ECDSA).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certs: Vec<String>,
    /// Their keys, in the same order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// Asks clients for a certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<SslClient>,
    /// TLS versions for these names; none means the listener's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ssl_protocols: Vec<SslProtocol>,
    /// Whether it takes part.
    #[serde(default)]
    pub status: Status,
}

impl Ssl {
    /// All server names, under whichever field they were given.
    pub fn all_snis(&self) -> impl Iterator<Item = &HostPattern> {
        self.sni.iter().chain(&self.snis)
    }

    /// All pairs of certificate chain and key, PEM.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let further = self.certs.iter().zip(&self.keys).map(|(cert, key)| (cert.as_str(), key.as_str()));
        std::iter::once((self.cert.as_str(), self.key.as_str())).chain(further)
    }
}

/// Which side of a connection shows the certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum SslType {
    /// The gateway to clients.
    #[default]
    Server,
    /// The gateway to upstreams, by `tls.client_cert_id`.
    Client,
}

/// How clients of these names must prove themselves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SslClient {
    /// CA certificates, PEM.
    #[schemars(length(min = 1, max = 65536))]
    pub ca: String,
    /// Longest chain of intermediates; none means 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub depth: Option<u32>,
    /// Paths that need no certificate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skip_mtls_uri_regex: Vec<String>,
}

impl SslClient {
    /// Longest chain of intermediates.
    pub fn longest_chain(&self) -> u32 {
        self.depth.unwrap_or(1)
    }
}

/// TLS versions by nginx's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum SslProtocol {
    /// Accepted for compatibility; never offered (RFC 8996).
    #[serde(rename = "TLSv1.1")]
    Tls11,
    /// TLS 1.2
    #[serde(rename = "TLSv1.2")]
    Tls12,
    /// TLS 1.3
    #[serde(rename = "TLSv1.3")]
    Tls13,
}
