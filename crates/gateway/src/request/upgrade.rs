//! Upgrades of a connection to another protocol (WebSocket), on routes that allow them with `enable_websocket`.

use http::header::{CONNECTION, HeaderValue, UPGRADE};
use http::{HeaderMap, Response, StatusCode, Version};

use super::answer;
use super::live::Live;
use super::response::ResponseBody;
use crate::fault::Fault;
use crate::upstream::AnswerBody;
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

/// Tells the client of the protocol.
fn tell(headers: &mut HeaderMap, protocol: &HeaderValue) {
    headers.insert(CONNECTION, UPGRADE_OPTION.clone());
    headers.insert(UPGRADE, protocol.clone());
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
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    if let Some(protocol) = protocol.or_else(|| live.upgrade.clone()) {
        tell(response.headers_mut(), &protocol);
    }
    let idle = live.read_timeout();
    let connection = live.connection.clone();
    *connection.tunnel.borrow_mut() = Some(Tunnel { live, node, idle });
    response.map(|()| ResponseBody::empty())
}
