//! What a client says of the connection that it got the request on: believed of trusted addresses, else replaced by what is so
//! of ours, before any plugin or variable sees it.
//!
//! Source: `apisix.trusted_addresses` of APISIX 3.18, also for `X-Forwarded-For`: where no address is trusted it is kept
//! whoever sends it, for nothing was said of whom to believe; else a client that is not trusted loses it.

use http::HeaderValue;
use http::header::{FORWARDED, HOST, HeaderName};
use plugin_api::Exchange;

use super::headers::{X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PORT, X_FORWARDED_PROTO, port, scheme};
use crate::settings::Networks;
use crate::worker::connection::ClientFacts;

/// Takes such headers from a client that is not trusted; variables have them as they were.
pub(super) fn check(exchange: &mut Exchange, facts: &ClientFacts, trusted: &Networks) {
    // Most requests have none, and a look over the names costs less than a search for each.
    let is_bounded = !trusted.is_empty();
    if !exchange.headers.keys().any(|name| is_claim(name, is_bounded)) {
        return;
    }
    if trusted.contains(exchange.client.peer.ip()) {
        return drop_empty(exchange);
    }
    if is_bounded {
        replace(exchange, &X_FORWARDED_FOR, "original_x_forwarded_for", None);
    }
    let host = exchange.headers.get(HOST).cloned();
    let port = port(host.as_ref(), facts).unwrap_or_else(|| facts.local_port.clone());
    let scheme = scheme(exchange).clone();
    replace(exchange, &FORWARDED, "original_forwarded", None);
    replace(exchange, &X_FORWARDED_PROTO, "original_x_forwarded_proto", Some(scheme));
    replace(exchange, &X_FORWARDED_PORT, "original_x_forwarded_port", Some(port));
    replace(exchange, &X_FORWARDED_HOST, "original_x_forwarded_host", host);
}

/// An empty one says nothing, as in nginx, where it is the same as none.
fn drop_empty(exchange: &mut Exchange) {
    for name in [&X_FORWARDED_PROTO, &X_FORWARDED_HOST, &X_FORWARDED_PORT] {
        if exchange.headers.get(name).is_some_and(HeaderValue::is_empty) {
            exchange.headers.remove(name);
        }
    }
}

/// Whether it says something of the connection before ours; `X-Forwarded-For` where it was said whom to believe.
fn is_claim(name: &HeaderName, is_bounded: bool) -> bool {
    let name = name.as_str();
    match name.len() {
        9 => name == "forwarded",
        15 => is_bounded && name == "x-forwarded-for",
        16 => matches!(name, "x-forwarded-host" | "x-forwarded-port"),
        17 => name == "x-forwarded-proto",
        _ => false,
    }
}

/// What the client did not say is not said for it either.
fn replace(exchange: &mut Exchange, name: &HeaderName, original: &'static str, truth: Option<HeaderValue>) {
    let Some(claim) = exchange.headers.remove(name) else { return };
    exchange.set_note(original, String::from_utf8_lossy(claim.as_bytes()).into());
    if let Some(truth) = truth {
        exchange.headers.insert(name, truth);
    }
}
