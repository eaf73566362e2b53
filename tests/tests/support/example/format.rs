//! The format of an example. Fields that it does not know are refused, so that a slip of the pen is seen.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::expectation::Expectation;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    pub description: String,
    pub resources: Vec<BTreeMap<String, Value>>,
    pub requests: Vec<Step>,
}

impl Example {
    /// Reads an example whose names stand for something already.
    pub fn parse(value: Value) -> anyhow::Result<Self> {
        let example: Self = serde_json::from_value(value)?;
        ensure!(!example.description.is_empty(), "has no description");
        ensure!(!example.resources.is_empty(), "has no resources");
        ensure!(!example.requests.is_empty(), "has no requests");
        for step in &example.requests {
            ensure!(step.times > 0 && step.expect.says_something(), "`{}` expects nothing", step.request);
        }
        Ok(example)
    }

    /// Path and body of each resource, in order.
    pub fn paths_and_bodies(&self) -> anyhow::Result<Vec<(&str, &Value)>> {
        self.resources.iter().map(path_and_body).collect()
    }
}

fn path_and_body(resource: &BTreeMap<String, Value>) -> anyhow::Result<(&str, &Value)> {
    let mut entries = resource.iter();
    let (Some((key, body)), None) = (entries.next(), entries.next()) else {
        bail!("a resource is one entry, `PUT path`: body");
    };
    Ok((key.strip_prefix("PUT ").with_context(|| format!("`{key}` does not begin with PUT"))?, body))
}

/// A request, or the same several times, and what must come of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Method and path or URL.
    pub request: String,
    #[serde(default)]
    pub kind: Kind,
    /// The client's own address, when it is not 127.0.0.1.
    pub from: Option<Ipv4Addr>,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Text as it is, anything else as JSON. Of a gRPC call: its message.
    pub body: Option<Value>,
    /// What the client says over a WebSocket.
    #[serde(default)]
    pub messages: Vec<String>,
    /// The authority whose certificate the client shows.
    pub client_certificate: Option<String>,
    pub jwt: Option<Jwt>,
    pub signature: Option<Signature>,
    /// One after another; `{{turn}}` in the request and its headers counts from 1.
    #[serde(default = "once")]
    pub times: usize,
    /// Goes on while the next ones are made; what it expects is checked at the end.
    #[serde(default)]
    pub background: bool,
    /// Made again until it is as expected.
    #[serde(default)]
    pub eventually: bool,
    pub expect: Expectation,
}

fn once() -> usize {
    1
}

impl Step {
    /// The step as it is made the n-th time.
    pub fn turn(&self, turn: usize) -> Self {
        let fill = |text: &str| text.replace("{{turn}}", &turn.to_string());
        let headers = self.headers.iter().map(|(name, value)| (name.clone(), fill(value))).collect();
        Self { request: fill(&self.request), headers, ..self.clone() }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    #[default]
    Http,
    /// A unary call over HTTP/2.
    Grpc,
    WebSocket,
}

/// A bearer token, signed with RS256.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jwt {
    /// Name of the key, the one in `{{public_key NAME}}`.
    pub key: String,
    pub claims: BTreeMap<String, Value>,
    /// In so many seconds; negative when it has expired.
    pub expires_in: i64,
}

/// An `Authorization` header for hmac-auth, over target, date and the body's digest.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    pub key_id: String,
    pub secret: String,
    /// Signed so many seconds ago.
    #[serde(default)]
    pub age: u64,
    /// What the client signs instead of the body that it sends.
    pub other_body: Option<String>,
}
