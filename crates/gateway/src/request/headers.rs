//! Headers that belong to one connection, and those that tell the next about the client.

use std::rc::Rc;

use http::header::{CONNECTION, HOST, HeaderName, HeaderValue, TE};
use http::uri::{self, Authority, PathAndQuery, Scheme};
use http::{HeaderMap, Request, Uri, Version};
use plan::{CompiledNode, CompiledUpstream, HostHeader};
use plugin_api::Exchange;
use smallvec::SmallVec;

use crate::worker::connection::{ClientFacts, Connection};

static X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
pub(super) static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(super) static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub(super) static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub(super) static X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
static HTTP: HeaderValue = HeaderValue::from_static("http");
static HTTPS: HeaderValue = HeaderValue::from_static("https");

/// Headers that are added to a request at most.
const ADDED: usize = 7;

/// What becomes of a request's header on its way to a node.
#[derive(PartialEq, Eq)]
enum Fate {
    Passes,
    /// It concerns the client's connection only.
    Stays,
    /// The first of them passes; where there is none we say it.
    IsFilledIn,
    /// We say it ourselves.
    IsOurs,
}

impl Fate {
    fn of(name: &HeaderName) -> Self {
        let name = name.as_str();
        match name.as_bytes().first() {
            Some(b'h') if name == "host" => Fate::IsOurs,
            Some(b'x') => Fate::of_extension(name),
            _ if is_hop_by_hop(name) => Fate::Stays,
            _ => Fate::Passes,
        }
    }

    fn of_extension(name: &str) -> Self {
        match name.strip_prefix("x-forwarded-") {
            Some("for") => Fate::IsOurs,
            Some("proto" | "host" | "port") => Fate::IsFilledIn,
            None if name == "x-real-ip" => Fate::IsOurs,
            _ => Fate::Passes,
        }
    }
}

/// Which of the headers that we add were there.
#[derive(Default)]
struct Said {
    forwarded_for: bool,
    proto: bool,
    host: bool,
    port: bool,
}

impl Said {
    /// Notes one of those that are filled in. Whether it is the first of its name: a node gets one of each, as nginx's
    /// `proxy_set_header` sends them.
    fn is_first(&mut self, name: &HeaderName) -> bool {
        let said = match name {
            name if *name == X_FORWARDED_PROTO => &mut self.proto,
            name if *name == X_FORWARDED_HOST => &mut self.host,
            _ => &mut self.port,
        };
        !std::mem::replace(said, true)
    }

    /// What a plugin took away is not filled in again.
    fn note_withheld(&mut self, exchange: &Exchange) {
        for name in exchange.target.withheld.iter().filter(|name| Fate::of(name) == Fate::IsFilledIn) {
            self.is_first(name);
        }
    }
}

/// The port in a Host header, which APISIX tells in place of the listener's; none where it is the same.
pub(super) fn port(host: Option<&HeaderValue>, facts: &ClientFacts) -> Option<HeaderValue> {
    let is_port = |port: &&[u8]| !port.is_empty() && port.iter().all(u8::is_ascii_digit);
    let parts = host.map(|host| host.as_bytes().rsplitn(2, |byte| *byte == b':'));
    // What has no colon has no port, even if it is a number.
    let named = parts.and_then(|mut parts| parts.next().zip(parts.next())).map(|(port, _)| port).filter(is_port);
    named.filter(|port| facts.local_port.as_bytes() != *port).and_then(|port| HeaderValue::from_bytes(port).ok())
}

/// The scheme of the client's connection.
pub(super) fn scheme(exchange: &Exchange) -> &'static HeaderValue {
    if exchange.client.tls.is_some() { &HTTPS } else { &HTTP }
}

/// Calls `visit` with the headers that a node gets. What `X-Forwarded-Proto`, `-Host` and `-Port` say here is a plugin's word or
/// that of a trusted client (see [`super::forwarded`]), the first where there are several; `X-Forwarded-For` gets the
/// connection's address at its end.
pub(super) fn each_for_upstream(
    exchange: &Exchange,
    connection: &Connection,
    (upstream, node): (&CompiledUpstream, &CompiledNode),
    mut visit: impl FnMut(&HeaderName, &HeaderValue),
) {
    let options = named_by_connection(&exchange.headers);
    let (mut client_host, mut said) = (None, Said::default());
    for (name, value) in &exchange.headers {
        match Fate::of(name) {
            Fate::Passes if !options.contains(name) => visit(name, value),
            Fate::IsOurs if *name == HOST => client_host = client_host.or(Some(value)),
            Fate::IsOurs => said.forwarded_for |= *name == X_FORWARDED_FOR,
            Fate::IsFilledIn if said.is_first(name) => visit(name, value),
            Fate::Passes | Fate::Stays | Fate::IsFilledIn => {}
        }
    }
    let found = (!Rc::ptr_eq(&exchange.client, &connection.facts.client)).then(|| client_address(exchange, connection));
    let address = found.as_ref().unwrap_or(&connection.facts.client_address);
    visit(&X_REAL_IP, address);
    let joined = said.forwarded_for.then(|| forwarded_for(&exchange.headers, address));
    visit(&X_FORWARDED_FOR, joined.as_ref().unwrap_or(address));
    said.note_withheld(exchange);
    if !said.proto {
        visit(&X_FORWARDED_PROTO, scheme(exchange));
    }
    if !said.port {
        visit(&X_FORWARDED_PORT, port(client_host, &connection.facts).as_ref().unwrap_or(&connection.facts.local_port));
    }
    let rewritten = exchange.target.host.as_deref().and_then(|host| HeaderValue::from_str(host).ok());
    let host = rewritten.as_ref().or(match &upstream.host_header {
        HostHeader::Client => client_host,
        HostHeader::Node => Some(&node.host_header),
        HostHeader::Fixed(host) => Some(host),
    });
    // A client of HTTP/1.0 may give no Host; HTTP/1.1 to the node demands one.
    visit(&HOST, host.unwrap_or(&node.host_header));
    if let Some(written) = client_host.filter(|_| !said.host) {
        visit(&X_FORWARDED_HOST, forwarded_host(exchange, written).as_ref().unwrap_or(written));
    }
}

/// Those headers as a map.
pub(super) fn for_upstream(
    exchange: &Exchange,
    connection: &Connection,
    to: (&CompiledUpstream, &CompiledNode),
) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(exchange.headers.len() + ADDED);
    each_for_upstream(exchange, connection, to, |name, value| {
        headers.append(name, value.clone());
    });
    headers
}

/// Makes a request of HTTP/2: the Host becomes a part of the target, and TE may say `trailers` (RFC 9113, section 8).
pub(super) fn to_http2<B>(
    request: &mut Request<B>,
    path_and_query: Option<PathAndQuery>,
    is_tls: bool,
    exchange: &Exchange,
) {
    let takes_trailers = |te: &HeaderValue| te.as_bytes().eq_ignore_ascii_case(b"trailers");
    let takes_trailers = exchange.headers.get_all(TE).iter().any(takes_trailers);
    let host = request.headers_mut().remove(HOST);
    if takes_trailers {
        request.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
    }
    *request.version_mut() = Version::HTTP_2;
    let mut parts = uri::Parts::default();
    parts.scheme = Some(if is_tls { Scheme::HTTPS } else { Scheme::HTTP });
    parts.authority = host.and_then(|host| Authority::try_from(host.as_bytes()).ok());
    parts.path_and_query = path_and_query.or_else(|| Some(PathAndQuery::from_static("/")));
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
}

/// The client that a plugin found behind the connection's other end.
fn client_address(exchange: &Exchange, connection: &Connection) -> HeaderValue {
    HeaderValue::try_from(exchange.client.remote.ip().to_string())
        .unwrap_or_else(|_| connection.facts.client_address.clone())
}

/// The host that was routed by, where a plugin has written another into the Host header; none where the header says it, which
/// is told as the client wrote it, as APISIX does.
fn forwarded_host(exchange: &Exchange, written: &HeaderValue) -> Option<HeaderValue> {
    let host = &exchange.host[..];
    let parts = written.as_bytes().split_at_checked(host.len());
    // Most write it as it is routed by, and that is seen at once.
    let rest = parts.filter(|(name, _)| *name == host || name.eq_ignore_ascii_case(host)).map(|(_, rest)| rest);
    let is_said = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b":"));
    if is_said { None } else { HeaderValue::from_bytes(host).ok() }
}

fn forwarded_for(headers: &HeaderMap, address: &HeaderValue) -> HeaderValue {
    let mut joined = Vec::new();
    for part in headers.get_all(&X_FORWARDED_FOR).iter().chain([address]) {
        if !joined.is_empty() {
            joined.extend_from_slice(b", ");
        }
        joined.extend_from_slice(part.as_bytes());
    }
    HeaderValue::from_bytes(&joined).unwrap_or_else(|_| address.clone())
}

/// Removes what concerns one connection only (RFC 9110, section 7.6.1).
pub(crate) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    // Most messages have one or none, and a look over the names costs less than a search for each.
    let is_present = |name: &&HeaderName| is_hop_by_hop(name.as_str());
    let present: SmallVec<[HeaderName; 4]> = headers.keys().filter(is_present).cloned().collect();
    if present.contains(&CONNECTION) {
        named_by_connection(headers).iter().for_each(|name| drop(headers.remove(name)));
    }
    for name in present {
        headers.remove(name);
    }
}

fn is_hop_by_hop(name: &str) -> bool {
    // Most names can be told by their first letter.
    match name.as_bytes().first() {
        Some(b'c') => name == "connection",
        Some(b'k') => name == "keep-alive",
        Some(b'p') => matches!(name, "proxy-connection" | "proxy-authenticate" | "proxy-authorization"),
        // The engine has answered it.
        Some(b'e') => name == "expect",
        Some(b't') => matches!(name, "te" | "transfer-encoding"),
        Some(b'u') => name == "upgrade",
        _ => false,
    }
}

/// The headers that `Connection` names. A client must not be able to strip what later steps rely on.
fn named_by_connection(headers: &HeaderMap) -> SmallVec<[HeaderName; 2]> {
    // Most say this alone, and it names no header: that is seen without looking for tokens.
    let names_some = |options: &&HeaderValue| !options.as_bytes().eq_ignore_ascii_case(b"keep-alive");
    let lines = headers.get_all(CONNECTION).iter().filter(names_some).filter_map(|options| options.to_str().ok());
    let tokens = lines.flat_map(|options| options.split(',')).map(str::trim);
    let tokens = tokens.filter(|token| !token.eq_ignore_ascii_case("keep-alive"));
    let may_go = |name: &HeaderName| *name != HOST && !name.as_str().starts_with("x-");
    tokens.filter_map(|token| token.parse().ok()).filter(may_go).collect()
}
