//! Upgrades of a connection to another protocol (WebSocket), on routes that allow them with `enable_websocket`.

use http::header::{CONNECTION, HeaderValue, UPGRADE};
use http::{HeaderMap, Response, StatusCode, Version};
use hyper::body::Incoming;

use super::answer;
use super::live::Live;
use super::response::ResponseBody;
use crate::worker::connection::Tunnel;

static UPGRADE_OPTION: HeaderValue = HeaderValue::from_static("upgrade");

/// The protocol that the client asks for, when the route allows it (RFC 9110, section 7.8).
pub(super) fn wanted(live: &Live) -> Option<HeaderValue> {
    let is_allowed = live.route.as_ref().is_some_and(|route| route.websocket);
    if !is_allowed || live.exchange.version != Version::HTTP_11 {
        return None;
    }
    let headers = &live.exchange.headers;
    let protocol = headers.get(UPGRADE)?;
    let mut options = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let names_it = |options: &str| options.split(',').any(|option| option.trim().eq_ignore_ascii_case("upgrade"));
    options.any(names_it).then(|| protocol.clone())
}

/// Asks the node for the protocol.
pub(super) fn ask(headers: &mut HeaderMap, protocol: &HeaderValue) {
    headers.insert(CONNECTION, UPGRADE_OPTION.clone());
    headers.insert(UPGRADE, protocol.clone());
}

/// The node has switched: so does the client's connection, once it has the head.
pub(super) fn switch(mut live: Box<Live>, mut upstream: Response<Incoming>) -> Response<ResponseBody> {
    let on_upgrade = hyper::upgrade::on(&mut upstream);
    let protocol = upstream.headers().get(UPGRADE).cloned();
    let mut response = answer::head_of(&mut live, upstream);
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    if let Some(protocol) = protocol.or_else(|| live.upgrade.clone()) {
        ask(response.headers_mut(), &protocol);
    }
    // The connection is no longer one that can be leased.
    live.lease = None;
    let idle = live.read_timeout();
    let connection = live.connection.clone();
    *connection.tunnel.borrow_mut() = Some(Tunnel { live, upstream: on_upgrade, idle });
    response.map(|()| ResponseBody::empty())
}
