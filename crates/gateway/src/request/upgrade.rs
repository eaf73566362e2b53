//! Upgrades of a connection to another protocol (WebSocket), on routes that allow them with `enable_websocket`.
//!
//! A client of HTTP/2 asks by an extended CONNECT (RFC 8441). From then on its request is the GET that HTTP/1.1 has for
//! it, for routes, plugins and nodes alike; only the answer differs: 200 in the place of 101.

use std::rc::Rc;

use base64::Engine;
use bytes::Bytes;
use http::header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, UPGRADE};
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::ext::Protocol;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::answer;
use super::live::Live;
use super::response::ResponseBody;
use crate::fault::Fault;
use crate::upstream::{AnswerBody, Stream};
use crate::worker::connection::Tunnel;
use crate::worker::stream::{ClientStream, Tally};

static UPGRADE_OPTION: HeaderValue = HeaderValue::from_static("upgrade");

/// An extended CONNECT: which protocol, and the stream that will speak it.
pub(crate) struct Extended {
    protocol: HeaderValue,
    stream: OnUpgrade,
}

impl Extended {
    /// Takes an extended CONNECT for the GET that it stands for.
    pub(super) fn take(request: &mut Request<Incoming>) -> Option<Box<Self>> {
        if request.method() != Method::CONNECT {
            return None;
        }
        let protocol = request.extensions_mut().remove::<Protocol>()?;
        let protocol = HeaderValue::from_str(protocol.as_str()).ok()?;
        let stream = hyper::upgrade::on(&mut *request);
        *request.method_mut() = Method::GET;
        Some(Box::new(Self { protocol, stream }))
    }
}

/// The protocol to ask the node for.
///
/// # Errors
/// A client of HTTP/2 that may not have it is refused: for it any answer that is good means that it has.
pub(super) fn wanted(live: &Live) -> Result<Option<HeaderValue>, Fault> {
    let is_allowed = live.route().is_some_and(|route| route.websocket);
    match &live.extended {
        Some(extended) if is_allowed => Ok(Some(extended.protocol.clone())),
        Some(_) => Err(Fault::MethodNotAllowed),
        None => Ok(wanted_by_header(live, is_allowed)),
    }
}

/// The protocol that the client asks for, when the route allows it (RFC 9110, section 7.8).
fn wanted_by_header(live: &Live, is_allowed: bool) -> Option<HeaderValue> {
    if !is_allowed || live.exchange.version != Version::HTTP_11 {
        return None;
    }
    let headers = &live.exchange.headers;
    let protocol = headers.get(UPGRADE)?;
    let mut options = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let names_it = |options: &str| options.split(',').any(|option| option.trim().eq_ignore_ascii_case("upgrade"));
    options.any(names_it).then(|| protocol.clone())
}

/// Tells the client of the protocol.
fn tell(headers: &mut HeaderMap, protocol: &HeaderValue) {
    headers.insert(CONNECTION, UPGRADE_OPTION.clone());
    headers.insert(UPGRADE, protocol.clone());
}

/// The key that a client of HTTP/1.1 sends along; one of HTTP/2 has none.
pub(super) fn key() -> String {
    base64::engine::general_purpose::STANDARD.encode(rand::random::<[u8; 16]>())
}

/// The node has switched: so does the client's connection, once it has the head.
pub(super) fn switch(mut live: Box<Live>, upstream: Response<AnswerBody>) -> Response<ResponseBody> {
    let protocol = upstream.headers().get(UPGRADE).cloned();
    let (mut response, body) = answer::head_of(&mut live, upstream);
    // The connection is no longer one that can be leased.
    live.lease = None;
    let Some(node) = body.into_stream() else {
        return answer::fault(live, &Fault::UnwantedUpgrade);
    };
    if let Some(extended) = live.extended.take() {
        return switch_stream(live, response, node, extended.stream);
    }
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    if let Some(protocol) = protocol.or_else(|| live.upgrade.as_deref().cloned()) {
        tell(response.headers_mut(), &protocol);
    }
    let idle = live.read_timeout;
    let connection = live.connection.clone();
    *connection.tunnel.borrow_mut() = Some(Tunnel { live, node, idle });
    response.map(|()| ResponseBody::empty())
}

/// As [`switch`], for one stream of HTTP/2. What runs on it ends with it, and it ends with its connection.
fn switch_stream(
    live: Box<Live>,
    mut response: Response<()>,
    node: (Stream, Bytes),
    client: OnUpgrade,
) -> Response<ResponseBody> {
    *response.status_mut() = StatusCode::OK;
    response.headers_mut().remove(SEC_WEBSOCKET_ACCEPT);
    let idle = live.read_timeout;
    tokio::task::spawn_local(async move {
        let Ok(client) = client.await else { return };
        let tally = Rc::new(Tally::default());
        let stream = ClientStream::new(TokioIo::new(client), tally.clone());
        Tunnel { live, node, idle }.run(stream, &tally).await;
    });
    response.map(|()| ResponseBody::empty())
}
