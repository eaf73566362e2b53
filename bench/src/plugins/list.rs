//! The plugins of docs/PLUGINS.md, each with a configuration that has work to do and lets the request pass. Those
//! that make their own answer (mocking) are compared with a route that asks the upstream, and come out below it.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Result;
use serde_json::{Value, json};

use super::credentials;
use crate::load::Right;
use crate::upstream::BODY;

/// A plugin as it is measured.
pub(super) struct Entry {
    pub(super) name: &'static str,
    /// Its configuration on the route.
    pub(super) conf: Value,
    /// What the route has besides; it is compared with a route that has this alone.
    pub(super) beside: Option<(&'static str, Value)>,
    /// What its consumer has.
    pub(super) credential: Option<Value>,
    /// Header lines of the request.
    pub(super) headers: Vec<String>,
    /// The request's body; with one it is a POST.
    pub(super) body: &'static str,
    pub(super) right: Right,
    pub(super) proof: Option<Proof>,
    /// Whether it works on after the answer.
    pub(super) works_on: bool,
}

/// How one sees that the plugin works at all.
pub(super) enum Proof {
    /// The answer has this header (with its colon).
    Shows(&'static str),
    /// Requests with this query and these headers alone are not let through.
    Refuses { query: &'static str, headers: &'static [&'static str] },
}

impl Entry {
    fn new(name: &'static str, conf: Value) -> Self {
        Self {
            name,
            conf,
            beside: None,
            credential: None,
            headers: Vec::new(),
            body: "",
            right: Right::default(),
            proof: None,
            works_on: false,
        }
    }

    fn with(mut self, header: impl Into<String>) -> Self {
        self.headers.push(header.into());
        self
    }

    fn of_consumer(self, credential: Value) -> Self {
        Self { credential: Some(credential), ..self }.refusing("", &[])
    }

    fn showing(self, header: &'static str) -> Self {
        Self { proof: Some(Proof::Shows(header)), ..self }
    }

    fn refusing(self, query: &'static str, headers: &'static [&'static str]) -> Self {
        Self { proof: Some(Proof::Refuses { query, headers }), ..self }
    }

    fn answering(self, body: &[u8]) -> Self {
        Self { right: Right { status: 200, body: body.into() }, ..self }
    }
}

/// What the configurations point at.
pub(super) struct Around {
    /// The one node of all routes.
    pub(super) upstream: SocketAddr,
    /// Takes what loggers send.
    pub(super) sink: SocketAddr,
    /// Where loggers write.
    pub(super) log_file: PathBuf,
}

/// All of them.
pub(super) fn entries(around: &Around) -> Result<Vec<Entry>> {
    let mut entries = authentication()?;
    entries.extend(restrictions());
    entries.extend(limits());
    entries.extend(transformations(around.upstream));
    entries.extend(answers());
    entries.push(Entry::new("prometheus", json!({})));
    // What a round of theirs leaves to do falls on whoever comes next: they come last.
    let file = Entry::new("file-logger", json!({ "path": around.log_file }));
    let http = Entry::new("http-logger", json!({ "uri": format!("http://{}/entries", around.sink) }));
    entries.extend([file, http].map(|entry| Entry { works_on: true, ..entry }));
    Ok(entries)
}

fn authentication() -> Result<Vec<Entry>> {
    let [date, signature] = credentials::hmac("GET", "/p/hmac-auth")?;
    let key = || Entry::new("key-auth", json!({})).with("apikey: bench-key");
    let restriction = json!({ "whitelist": ["bench"] });
    Ok(vec![
        key().of_consumer(json!({ "key": "bench-key" })),
        Entry {
            beside: Some(("key-auth", json!({}))),
            ..Entry::new("consumer-restriction", restriction).with("apikey: bench-key")
        },
        Entry::new("basic-auth", json!({}))
            .with(credentials::basic())
            .of_consumer(json!({ "username": credentials::NAME, "password": credentials::SECRET })),
        Entry::new("jwt-auth", json!({}))
            .with(credentials::jwt())
            .of_consumer(json!({ "key": credentials::NAME, "secret": credentials::SECRET })),
        Entry::new("hmac-auth", json!({ "signed_headers": ["date"], "clock_skew": 86400 }))
            .with(date)
            .with(signature)
            .of_consumer(json!({ "key_id": credentials::NAME, "secret_key": credentials::SECRET })),
    ])
}

fn restrictions() -> Vec<Entry> {
    vec![
        Entry::new("ip-restriction", json!({ "whitelist": ["127.0.0.1", "10.0.0.0/8", "2001:db8::/32"] })),
        Entry::new("ua-restriction", json!({ "denylist": ["my-bot", "(Baiduspider)/(\\d+)\\.(\\d+)"] }))
            .refusing("", &["User-Agent: my-bot"]),
        Entry::new("referer-restriction", json!({ "whitelist": ["example.com", "*.example.com"] }))
            .with("Referer: https://www.example.com/page")
            .refusing("", &["Referer: https://example.net/"]),
        Entry::new("uri-blocker", json!({ "block_rules": ["root.exe", "select.+(from|limit)"] }))
            .refusing("?q=select+a+from+b", &[]),
        Entry::new("client-control", json!({ "max_body_size": 1_048_576 })),
        Entry {
            body: r#"{"name":"bench"}"#,
            ..Entry::new(
                "request-validation",
                json!({ "body_schema": {
                    "type": "object", "required": ["name"], "properties": { "name": { "type": "string" } },
                }}),
            )
            .with("Content-Type: application/json")
            .refusing("", &[])
        },
    ]
}

fn limits() -> Vec<Entry> {
    let count = json!({ "count": 2_000_000_000, "time_window": 3600, "rejected_code": 429, "key": "remote_addr" });
    let rate = json!({ "rate": 100_000_000, "burst": 1_000_000, "key": "remote_addr" });
    let open = json!({ "conn": 10_000, "burst": 0, "default_conn_delay": 0.1, "key": "remote_addr" });
    vec![
        Entry::new("limit-count", count).showing("x-ratelimit-remaining:"),
        Entry::new("limit-req", rate),
        Entry::new("limit-conn", open),
    ]
}

fn transformations(upstream: SocketAddr) -> Vec<Entry> {
    let cors = json!({ "allow_origins": "https://a.com,https://b.com", "allow_methods": "GET,POST", "allow_headers": "x-token", "max_age": 50 });
    let split = json!({ "rules": [{ "weighted_upstreams": [
        { "upstream": { "type": "roundrobin", "nodes": { (upstream.to_string()): 1 } }, "weight": 1 }, { "weight": 9 },
    ]}]});
    let echo = json!({ "before_body": "before ", "after_body": " after", "headers": { "X-Echo": "yes" } });
    vec![
        Entry::new("cors", cors).with("Origin: https://a.com").showing("access-control-allow-origin:"),
        Entry::new("request-id", json!({})).showing("x-request-id:"),
        Entry::new("real-ip", json!({ "source": "http_x_forwarded_for", "trusted_addresses": ["127.0.0.0/8"] }))
            .with("X-Forwarded-For: 203.0.113.7"),
        Entry::new(
            "proxy-rewrite",
            json!({ "uri": "/internal/hello", "headers": { "set": { "X-Api-Version": "v1" } } }),
        ),
        Entry::new("proxy-control", json!({ "request_buffering": false })),
        Entry::new("response-rewrite", json!({ "headers": { "set": { "X-Served-By": "bench" } } }))
            .showing("x-served-by:"),
        Entry::new("gzip", json!({ "types": ["text/plain"], "min_length": 1000 })).with("Accept-Encoding: gzip"),
        Entry::new("traffic-split", split),
        Entry::new("echo", echo).answering(&[b"before ", BODY, b" after"].concat()).showing("x-echo:"),
    ]
}

/// Plugins that often answer by themselves; the first two let pass whom they do not mean.
fn answers() -> Vec<Entry> {
    let abort = json!({ "http_status": 503, "vars": [[["arg_fault", "==", "yes"]]] });
    let example = r#"{"id":1}"#;
    vec![
        Entry::new("redirect", json!({ "regex_uri": ["^/old/(.*)", "/new/$1"] })),
        Entry::new("fault-injection", json!({ "abort": abort })).refusing("?fault=yes", &[]),
        Entry::new("mocking", json!({ "response_example": example }))
            .answering(example.as_bytes())
            .showing("x-mock-by:"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_plugin_stands_here_twice() {
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let around = Around { upstream: address, sink: address, log_file: "access.json".into() };
        let mut names: Vec<_> = entries(&around).unwrap().iter().map(|entry| entry.name).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
