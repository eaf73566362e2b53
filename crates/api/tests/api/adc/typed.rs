//! Newer builds of the client read answers into types: one field of another type, and a whole dump fails.

use std::collections::HashMap;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Labels are texts, lists in them are their JSON.
type Labels = HashMap<String, String>;
type Plugins = Map<String, Value>;

/// Reads an item of the list at this path of `/apisix/admin` as the client would.
pub(super) fn read(path: &str, item: &Value) -> Result<()> {
    let collection = path.split('?').next().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
    match collection {
        "services" => as_type::<Service>(item),
        "routes" => as_type::<Route>(item),
        "stream_routes" => as_type::<StreamRoute>(item),
        "upstreams" => as_type::<Upstream>(item),
        "consumers" => as_type::<Consumer>(item),
        "credentials" => as_type::<Credential>(item),
        "ssls" => as_type::<Ssl>(item),
        _ => Ok(()),
    }
}

/// The defaults of a kind, which the client reads as one of that kind.
pub(super) fn read_defaults(kind: &str, defaults: &Value) -> Result<()> {
    match kind {
        "service" | "stream_service" => as_type::<Service>(defaults),
        "route" => as_type::<Route>(defaults),
        "upstream" => as_type::<Upstream>(defaults),
        "consumer" => as_type::<Consumer>(defaults),
        "ssl" => as_type::<Ssl>(defaults),
        _ => Ok(()),
    }
}

fn as_type<T: DeserializeOwned>(value: &Value) -> Result<()> {
    let read: Result<T, _> = serde_path_to_error::deserialize(value);
    read.map(drop).with_context(|| format!("no {}: {value}", std::any::type_name::<T>()))
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "that it can be read is what counts")]
struct Service {
    id: Option<String>,
    name: Option<String>,
    desc: Option<String>,
    labels: Option<Labels>,
    #[serde(rename = "type")]
    service_type: Option<String>,
    hosts: Option<Vec<String>>,
    path_prefix: Option<String>,
    strip_path_prefix: Option<bool>,
    upstream: Option<Upstream>,
    plugins: Option<Plugins>,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "that it can be read is what counts")]
struct Route {
    id: Option<String>,
    name: Option<String>,
    desc: Option<String>,
    labels: Option<Labels>,
    service_id: Option<String>,
    plugins: Option<Plugins>,
    paths: Option<Vec<String>>,
    methods: Option<Vec<Method>>,
    vars: Option<Vec<Value>>,
    enable_websocket: Option<bool>,
    priority: Option<i64>,
    timeout: Option<Timeout>,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "that it can be read is what counts")]
struct StreamRoute {
    id: Option<String>,
    name: Option<String>,
    desc: Option<String>,
    labels: Option<Labels>,
    service_id: Option<String>,
    plugins: Option<Plugins>,
    server_addr: Option<String>,
    server_port: Option<u16>,
    remote_addr: Option<String>,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "that it can be read is what counts")]
struct Consumer {
    #[serde(default)]
    username: String,
    desc: Option<String>,
    labels: Option<Labels>,
    plugins: Option<Plugins>,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "that it can be read is what counts")]
struct Credential {
    id: Option<String>,
    name: Option<String>,
    desc: Option<String>,
    labels: Option<Labels>,
    plugins: Option<HashMap<String, Map<String, Value>>>,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "that it can be read is what counts")]
struct Ssl {
    id: Option<String>,
    labels: Option<Labels>,
    #[serde(rename = "type")]
    ssl_type: Option<Side>,
    cert: Option<String>,
    certs: Option<Vec<String>>,
    client: Option<SslClient>,
    snis: Option<Vec<String>>,
    status: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "that it can be read is what counts")]
struct SslClient {
    ca: String,
    depth: Option<u32>,
    skip_mtls_uri_regex: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "that it can be read is what counts")]
struct Upstream {
    id: Option<String>,
    name: Option<String>,
    desc: Option<String>,
    labels: Option<Labels>,
    nodes: Option<Vec<Node>>,
    scheme: Option<Scheme>,
    #[serde(rename = "type")]
    balancer: Option<Balancer>,
    hash_on: Option<String>,
    key: Option<String>,
    checks: Option<Checks>,
    discovery_type: Option<String>,
    service_name: Option<String>,
    discovery_args: Option<Map<String, Value>>,
    pass_host: Option<PassHost>,
    upstream_host: Option<String>,
    retries: Option<u32>,
    retry_timeout: Option<f64>,
    timeout: Option<Timeout>,
    tls: Option<Tls>,
    keepalive_pool: Option<Pool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "that it can be read is what counts")]
struct Node {
    // Defaults tell of a node without these three, and the client fills them in before it reads.
    #[serde(default)]
    host: String,
    #[serde(default)]
    port: u16,
    #[serde(default)]
    weight: i64,
    #[serde(default)]
    priority: i64,
    metadata: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "that it can be read is what counts")]
struct Timeout {
    connect: f64,
    send: f64,
    read: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "that it can be read is what counts")]
struct Tls {
    client_cert: Option<String>,
    client_key: Option<String>,
    client_cert_id: Option<String>,
    verify: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "that it can be read is what counts")]
struct Pool {
    size: Option<u32>,
    idle_timeout: Option<f64>,
    requests: Option<u32>,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "that it can be read is what counts")]
struct Checks {
    active: Active,
    passive: Option<Passive>,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "that it can be read is what counts")]
struct Active {
    #[serde(rename = "type")]
    check_type: Option<CheckType>,
    timeout: Option<f64>,
    concurrency: Option<i64>,
    host: Option<String>,
    port: Option<u16>,
    http_method: Option<Method>,
    http_path: Option<String>,
    req_headers: Option<Vec<String>>,
    http_req_body: Option<String>,
    https_verify_certificate: Option<bool>,
    healthy: Option<Counts>,
    unhealthy: Option<Counts>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "that it can be read is what counts")]
struct Passive {
    #[serde(rename = "type")]
    check_type: Option<CheckType>,
    healthy: Option<Counts>,
    unhealthy: Option<Counts>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "that it can be read is what counts")]
struct Counts {
    interval: Option<u32>,
    http_statuses: Option<Vec<u32>>,
    successes: Option<u32>,
    http_failures: Option<u32>,
    tcp_failures: Option<u32>,
    timeouts: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Method {
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

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Scheme {
    Grpc,
    Grpcs,
    Http,
    Https,
    Tcp,
    Tls,
    Udp,
    Kafka,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Balancer {
    Roundrobin,
    Chash,
    LeastConn,
    Ewma,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum PassHost {
    Pass,
    Node,
    Rewrite,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum CheckType {
    Http,
    Https,
    Tcp,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Side {
    Server,
    Client,
}
