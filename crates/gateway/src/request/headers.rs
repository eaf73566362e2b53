//! Headers that belong to one connection, and those that tell the next about the client.

use http::header::{CONNECTION, HOST, HeaderName, HeaderValue, TE};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, Request, Uri, Version};
use plan::{CompiledNode, CompiledUpstream, HostHeader};
use plugin_api::Exchange;
use smallvec::SmallVec;

use crate::worker::connection::Connection;

static X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

/// Headers that are added to a request at most.
const ADDED: usize = 7;

/// The headers that a node gets. What a client says of itself in `X-Forwarded-*` is not passed on as truth:
/// only `X-Forwarded-For` keeps it, with the connection's address at its end.
pub(crate) fn for_upstream(
    exchange: &Exchange,
    connection: &Connection,
    upstream: &CompiledUpstream,
    node: &CompiledNode,
) -> HeaderMap {
    let mut headers = exchange.headers.clone();
    // One growth instead of several.
    headers.reserve(ADDED);
    remove_hop_by_hop(&mut headers);
    let client_host = headers.get(HOST).cloned();
    let address = client_address(exchange, connection);
    let forwarded_for = forwarded_for(&headers, &address);
    headers.insert(&X_REAL_IP, address);
    headers.insert(&X_FORWARDED_FOR, forwarded_for);
    headers.insert(&X_FORWARDED_PROTO, HeaderValue::from_static(exchange.scheme()));
    headers.insert(&X_FORWARDED_PORT, connection.facts.local_port.clone());
    let rewritten = exchange.target.host.as_deref().and_then(|host| HeaderValue::from_str(host).ok());
    let host = rewritten.or_else(|| match &upstream.host_header {
        HostHeader::Client => client_host.clone(),
        HostHeader::Node => Some(node.host_header.clone()),
        HostHeader::Fixed(host) => Some(host.clone()),
    });
    // A client of HTTP/1.0 may give no Host; HTTP/1.1 to the node demands one.
    headers.insert(HOST, host.unwrap_or_else(|| node.host_header.clone()));
    if let Some(forwarded_host) = forwarded_host(exchange, client_host) {
        headers.insert(&X_FORWARDED_HOST, forwarded_host);
    }
    headers
}

/// Makes a request of HTTP/2: the Host becomes a part of the target, and TE may say `trailers` (RFC 9113, section 8).
pub(super) fn to_http2<B>(request: &mut Request<B>, is_tls: bool, exchange: &Exchange) {
    let takes_trailers = |te: &HeaderValue| te.as_bytes().eq_ignore_ascii_case(b"trailers");
    let takes_trailers = exchange.headers.get_all(TE).iter().any(takes_trailers);
    let host = request.headers_mut().remove(HOST);
    if takes_trailers {
        request.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
    }
    *request.version_mut() = Version::HTTP_2;
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(if is_tls { Scheme::HTTPS } else { Scheme::HTTP });
    parts.authority = host.and_then(|host| Authority::try_from(host.as_bytes()).ok());
    parts.path_and_query.get_or_insert_with(|| PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
}

/// The connection's address as text, unless a plugin found the real one.
fn client_address(exchange: &Exchange, connection: &Connection) -> HeaderValue {
    if exchange.client.remote == connection.facts.client.remote {
        return connection.facts.client_address.clone();
    }
    HeaderValue::try_from(exchange.client.remote.ip().to_string())
        .unwrap_or_else(|_| connection.facts.client_address.clone())
}

/// The host as it was routed by: lower case, without port, as APISIX tells it.
fn forwarded_host(exchange: &Exchange, written: Option<HeaderValue>) -> Option<HeaderValue> {
    let host = exchange.host();
    match written {
        Some(written) if written.as_bytes() == host.as_bytes() => Some(written),
        Some(_) => HeaderValue::from_str(host).ok(),
        None => None,
    }
}

fn forwarded_for(headers: &HeaderMap, address: &HeaderValue) -> HeaderValue {
    let mut all = headers.get_all(&X_FORWARDED_FOR).iter().peekable();
    if all.peek().is_none() {
        return address.clone();
    }
    let mut joined = Vec::new();
    for part in all.chain([address]) {
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
    let present: SmallVec<[HeaderName; 4]> = headers.keys().filter(|name| is_hop_by_hop(name)).cloned().collect();
    if present.contains(&CONNECTION) {
        let options: SmallVec<[HeaderValue; 2]> = headers.get_all(CONNECTION).iter().cloned().collect();
        options.iter().for_each(|options| remove_named(headers, options));
    }
    for name in present {
        headers.remove(name);
    }
}

fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "keep-alive"
            | "proxy-connection"
            // The engine has answered it.
            | "expect"
            | "te"
            | "transfer-encoding"
            | "upgrade"
            | "proxy-authenticate"
            | "proxy-authorization"
    )
}

fn remove_named(headers: &mut HeaderMap, connection: &HeaderValue) {
    let Ok(text) = connection.to_str() else {
        return;
    };
    let tokens = text.split(',').map(str::trim).filter(|token| !token.eq_ignore_ascii_case("keep-alive"));
    let names: SmallVec<[HeaderName; 2]> = tokens.filter_map(|token| token.parse().ok()).collect();
    for name in names {
        // A client must not be able to strip what later steps rely on.
        if name != HOST && !name.as_str().starts_with("x-") {
            headers.remove(name);
        }
    }
}
