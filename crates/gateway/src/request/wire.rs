//! A request as a node gets it: on HTTP/1.1 written where it goes out from, on HTTP/2 as its engine wants it.

use http::header::{CONTENT_LENGTH, TRAILER};
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method, Request};
use http_body::Body;
use plan::{CompiledNode, CompiledUpstream};
use plugin_api::Phases;

use super::body::UpstreamBody;
use super::headers;
use super::live::Live;
use super::upgrade;
use crate::upstream::{Outline, Target};

/// The node that a request goes to, of which upstream, and what it asks there.
#[derive(Clone, Copy)]
pub(super) struct Errand<'e> {
    pub(super) upstream: &'e CompiledUpstream,
    pub(super) node: &'e CompiledNode,
    /// Path and query where they are not the client's.
    pub(super) rewritten: Option<&'e PathAndQuery>,
}

/// The method that the node gets: a plugin's, else the client's.
pub(super) fn method(live: &Live) -> &Method {
    live.exchange.target.method.as_ref().unwrap_or(&live.exchange.method)
}

/// Path and query that the node gets.
fn path_and_query<'l>(live: &'l Live, errand: Errand<'l>) -> Option<&'l PathAndQuery> {
    errand.rewritten.or_else(|| live.exchange.uri.path_and_query())
}

/// What the connection has to know of the head. Trailers come after a body only.
pub(super) fn outline<'l>(live: &'l Live, body: &UpstreamBody) -> Outline<'l> {
    let lines = (!body.is_end_stream()).then(|| live.exchange.headers.get_all(TRAILER));
    let lines = lines.into_iter().flatten().filter_map(|names| names.to_str().ok());
    let names = lines.flat_map(|names| names.split(',')).filter_map(|name| name.trim().parse().ok());
    Outline { method: method(live), trailers: names.collect(), more: more_headers(live) }
}

/// What phases before the response want on it, and what those after it commonly add.
fn more_headers(live: &Live) -> usize {
    const ADDED_BY_FILTERS: usize = 4;
    let filtered = if live.has_phase(Phases::HEADER_FILTER) { ADDED_BY_FILTERS } else { 0 };
    live.exchange.early_headers.len() + filtered
}

/// Writes the head of HTTP/1.1, all but what frames the body.
pub(super) fn write_head(out: &mut Vec<u8>, live: &Live, errand: Errand<'_>) {
    let target = path_and_query(live, errand).map_or("/", PathAndQuery::as_str);
    for part in [method(live).as_str(), " ", target, " HTTP/1.1\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
    let Errand { upstream, node, .. } = errand;
    headers::each_for_upstream(&live.exchange, &live.connection, (upstream, node), |name, value| {
        if *name != CONTENT_LENGTH {
            write_line(out, name, value);
        }
    });
    if let Some(protocol) = &live.upgrade {
        out.extend_from_slice(b"connection: upgrade\r\n");
        write_line(out, &http::header::UPGRADE, protocol);
        if live.extended.is_some() {
            for part in ["sec-websocket-key: ", &upgrade::key(), "\r\n"] {
                out.extend_from_slice(part.as_bytes());
            }
        }
    }
}

fn write_line(out: &mut Vec<u8>, name: &HeaderName, value: &HeaderValue) {
    let (name, value) = (name.as_str().as_bytes(), value.as_bytes());
    // Room for the whole line at once, not for each part of it.
    out.reserve(name.len() + value.len() + 4);
    for part in [name, b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// The request for HTTP/2.
pub(super) fn request(live: &Live, errand: Errand<'_>, target: &Target, body: UpstreamBody) -> Request<UpstreamBody> {
    let Errand { upstream, node, .. } = errand;
    let mut request = Request::new(body);
    *request.method_mut() = method(live).clone();
    *request.headers_mut() = headers::for_upstream(&live.exchange, &live.connection, (upstream, node));
    let path_and_query = path_and_query(live, errand).cloned();
    headers::to_http2(&mut request, path_and_query, target.tls.is_some(), &live.exchange);
    request
}
