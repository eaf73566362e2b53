//! An upstream ready to serve: addresses parsed, headers built, times as durations.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http::HeaderName;
use http::HeaderValue;
use model::reference::is_reference;
use model::resource::{
    Balancer, HashOn, HealthChecks, KeepalivePool, Node, PassHost, Scheme, Ssl, Timeout, Upstream, UpstreamTls,
};
use model::{Fault, ResourceId};
use plugin_api::{Exchange, InlineUpstream, Template, UpstreamCompiler, Var};

use crate::compiler::DANGLING;
use crate::tls::ClientIdentity;

/// Nodes and how to reach them.
pub struct CompiledUpstream {
    /// Stable number while the instance runs: state that outlives a change (balancer, pools) is found by it.
    pub slot: u32,
    /// For logs: `upstream/u1`, `service/s1`, `route/r1`.
    pub owner: Box<str>,
    /// The nodes with a weight above zero, those of the highest priority first.
    pub nodes: Box<[CompiledNode]>,
    /// How to choose among them.
    pub balancer: Balancer,
    /// What a consistent hash is made over.
    pub hash_key: HashKey,
    /// Health checks.
    pub checks: Option<Arc<HealthChecks>>,
    /// What they speak.
    pub scheme: Scheme,
    /// Which Host header they see.
    pub host_header: HostHeader,
    /// How long to wait for each step.
    pub timeouts: Timeouts,
    /// How many further nodes to try.
    pub retries: u32,
    /// No retry after this long.
    pub retry_timeout: Option<Duration>,
    /// Idle connections that are kept.
    pub keepalive: KeepalivePool,
    /// Whether a node's certificate is checked.
    pub verify_certificate: bool,
    /// What is shown to nodes that ask for a certificate.
    pub client_identity: Option<ClientIdentity>,
}

/// One node.
#[derive(Debug, Clone, PartialEq)]
pub struct CompiledNode {
    /// Host name or address.
    pub host: Box<str>,
    /// Port.
    pub port: u16,
    /// `host:port` for variables, metrics and logs.
    pub address: Arc<str>,
    /// The address, when the host is one.
    pub socket: Option<SocketAddr>,
    /// Share of the requests.
    pub weight: u32,
    /// Higher first.
    pub priority: i32,
    /// Host header for `pass_host: node`.
    pub host_header: HeaderValue,
}

/// What a consistent hash is made over.
#[derive(Debug, Clone, PartialEq)]
pub enum HashKey {
    /// A variable, header or cookie.
    Var(Var),
    /// Several variables in a text.
    Combination(Template),
    /// The consumer's name.
    Consumer,
    /// The client's address, which also stands in where the others have no value.
    Client,
}

impl HashKey {
    fn new(upstream: &Upstream) -> Self {
        let Some(key) = upstream.key.as_deref() else {
            return if upstream.hash_on == HashOn::Consumer { Self::Consumer } else { Self::Client };
        };
        match upstream.hash_on {
            HashOn::Vars => Self::Var(Var::parse(key)),
            HashOn::Header => HeaderName::try_from(key).map_or(Self::Client, |name| Self::Var(Var::Header(name))),
            HashOn::Cookie => Self::Var(Var::Cookie(key.into())),
            HashOn::Consumer => Self::Consumer,
            HashOn::VarsCombinations => Self::Combination(Template::parse(key)),
        }
    }

    /// Gives the key's bytes to `hash`.
    pub fn with<T>(&self, exchange: &Exchange, hash: impl FnOnce(&[u8]) -> T) -> T {
        let text = match self {
            Self::Var(var) => var.get(exchange),
            Self::Consumer => exchange.consumer.as_ref().map(|entry| (*entry.consumer.username).into()),
            Self::Combination(template) => match template.render_counted(exchange) {
                (_, 0) => None,
                (text, _) => Some(text.into()),
            },
            Self::Client => None,
        };
        match text {
            Some(text) => hash(text.as_bytes()),
            None => hash(exchange.client.remote.ip().to_string().as_bytes()),
        }
    }
}

/// Which Host header a node sees.
#[derive(Debug, Clone, PartialEq)]
pub enum HostHeader {
    /// The client's.
    Client,
    /// The node's.
    Node,
    /// This one.
    Fixed(HeaderValue),
}

/// How long to wait for each step towards an upstream.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timeouts {
    /// For a connection.
    pub connect: Duration,
    /// Between two writes.
    pub send: Duration,
    /// Between two reads.
    pub read: Duration,
}

/// Longest time taken from a configuration; beyond it arithmetic on instants could overflow.
const LONGEST: f64 = 365.0 * 86_400.0;

impl Timeouts {
    pub(crate) fn new(timeout: &Timeout) -> Self {
        Self { connect: duration(timeout.connect), send: duration(timeout.send), read: duration(timeout.read) }
    }
}

fn duration(seconds: impl Into<f64>) -> Duration {
    Duration::from_secs_f64(seconds.into().clamp(0.001, LONGEST))
}

/// Finds the ssl resource that `client_cert_id` names.
pub(crate) type FindSsl<'a> = &'a dyn Fn(&ResourceId) -> Option<Ssl>;

/// Compiles an upstream. Pointers of faults are relative to it.
pub(crate) fn compile(
    slot: u32,
    owner: &str,
    upstream: &Upstream,
    find_ssl: FindSsl<'_>,
) -> Result<CompiledUpstream, Fault> {
    let list = upstream.nodes.as_ref().map_or(Ok(Vec::new()), |nodes| nodes.to_list());
    let list = list.map_err(|message| Fault::new("/nodes", message))?;
    let mut nodes = list
        .iter()
        .filter(|node| node.weight > 0)
        .map(|node| compile_node(node, upstream.scheme))
        .collect::<Result<Vec<_>, _>>()?;
    nodes.sort_by_key(|node| std::cmp::Reverse(node.priority));
    let default_retries = list.len().saturating_sub(1) as u32;
    let retry_timeout = Some(duration(upstream.retry_timeout)).filter(|_| f64::from(upstream.retry_timeout) > 0.0);
    Ok(CompiledUpstream {
        slot,
        owner: owner.into(),
        nodes: nodes.into(),
        balancer: upstream.balancer,
        hash_key: HashKey::new(upstream),
        checks: upstream.checks.clone().map(Arc::new),
        scheme: upstream.scheme,
        host_header: host_header(upstream)?,
        timeouts: Timeouts::new(&upstream.timeout.unwrap_or_default()),
        retries: upstream.retries.unwrap_or(default_retries),
        retry_timeout,
        keepalive: upstream.keepalive_pool.unwrap_or_default(),
        verify_certificate: upstream.tls.as_ref().and_then(|tls| tls.verify).unwrap_or(false),
        client_identity: upstream.tls.as_ref().map(|tls| client_identity(tls, find_ssl)).transpose()?.flatten(),
    })
}

/// Compiles the upstreams that stand in the plugins of `owner`.
pub(crate) struct InlineUpstreams<'a> {
    pub(crate) owner: &'a str,
    pub(crate) find_ssl: FindSsl<'a>,
}

impl UpstreamCompiler for InlineUpstreams<'_> {
    fn compile(&self, upstream: &Upstream) -> Result<InlineUpstream, Fault> {
        /// Above all slots of resources, which count from 1.
        static NEXT: AtomicU32 = AtomicU32::new(1 << 31);
        let slot = NEXT.fetch_add(1, Ordering::Relaxed);
        Ok(InlineUpstream(Arc::new(compile(slot, self.owner, upstream, self.find_ssl)?)))
    }
}

/// The pair that stands here, else the one of the ssl resource named; none for a reference that was not resolved.
fn client_identity(tls: &UpstreamTls, find_ssl: FindSsl<'_>) -> Result<Option<ClientIdentity>, Fault> {
    if let (Some(cert), Some(key)) = (&tls.client_cert, &tls.client_key) {
        if is_reference(cert) || is_reference(key) {
            return Ok(None);
        }
        return ClientIdentity::new(cert, key, "/tls/client_cert", "/tls/client_key").map(Some);
    }
    let Some(id) = &tls.client_cert_id else { return Ok(None) };
    let pointer = "/tls/client_cert_id";
    let missing = || Fault::new(pointer, format!("{DANGLING} ssl of type client, {id:?} is none"));
    let ssl = find_ssl(id).ok_or_else(missing)?;
    let (cert, key) = ssl.pairs().next().ok_or_else(missing)?;
    if is_reference(cert) || is_reference(key) {
        return Ok(None);
    }
    ClientIdentity::new(cert, key, pointer, pointer).map(Some)
}

fn host_header(upstream: &Upstream) -> Result<HostHeader, Fault> {
    Ok(match (upstream.pass_host, &upstream.upstream_host) {
        (PassHost::Pass, _) => HostHeader::Client,
        (PassHost::Node, _) => HostHeader::Node,
        (PassHost::Rewrite, Some(host)) => HostHeader::Fixed(header_value("/upstream_host", host)?),
        (PassHost::Rewrite, None) => {
            return Err(Fault::new("/upstream_host", "is required when pass_host is \"rewrite\""));
        }
    })
}

fn compile_node(node: &Node, scheme: Scheme) -> Result<CompiledNode, Fault> {
    let port = node.port.unwrap_or_else(|| scheme.default_port());
    let bare = node.host.trim_start_matches('[').trim_end_matches(']');
    let ip = bare.parse::<IpAddr>().ok();
    let shown = if matches!(ip, Some(IpAddr::V6(_))) { format!("[{bare}]") } else { node.host.clone() };
    let address = format!("{shown}:{port}");
    // nginx leaves a default port out of the Host header.
    let in_header = if port == scheme.default_port() { &shown } else { &address };
    Ok(CompiledNode {
        host: bare.into(),
        port,
        host_header: header_value("/nodes", in_header)?,
        address: address.into(),
        socket: ip.map(|ip| SocketAddr::new(ip, port)),
        weight: node.weight,
        priority: node.priority,
    })
}

fn header_value(pointer: &str, text: &str) -> Result<HeaderValue, Fault> {
    HeaderValue::from_str(text).map_err(|_| Fault::new(pointer, format!("{text:?} must be a host name or address")))
}

#[cfg(test)]
mod tests;
