//! What a client says of the connection that it got the request on: believed of trusted addresses, else replaced by what is so
//! of ours, before any plugin or variable sees it.
//!
//! Source: `apisix.trusted_addresses` of APISIX 3.18. As there, `X-Forwarded-For` is kept whoever sends it.

use http::HeaderValue;
use http::header::{FORWARDED, HeaderName};
use plugin_api::Exchange;

use super::headers::{X_FORWARDED_HOST, X_FORWARDED_PORT, X_FORWARDED_PROTO, scheme};
use crate::settings::Networks;
use crate::worker::connection::ClientFacts;

/// Takes such headers from a client that is not trusted.
pub(super) fn check(exchange: &mut Exchange, facts: &ClientFacts, trusted: &Networks) {
    // Most requests have none, and a look over the names costs less than a search for each.
    if !exchange.headers.keys().any(is_claim) || trusted.contains(exchange.client.peer.ip()) {
        return;
    }
    exchange.headers.remove(FORWARDED);
    replace(exchange, &X_FORWARDED_PROTO, Some(scheme(exchange).clone()));
    replace(exchange, &X_FORWARDED_PORT, Some(facts.local_port.clone()));
    replace(exchange, &X_FORWARDED_HOST, HeaderValue::from_str(exchange.host()).ok().filter(|host| !host.is_empty()));
}

fn is_claim(name: &HeaderName) -> bool {
    let name = name.as_str();
    match name.len() {
        9 => name == "forwarded",
        16 => matches!(name, "x-forwarded-host" | "x-forwarded-port"),
        17 => name == "x-forwarded-proto",
        _ => false,
    }
}

/// What the client did not say is not said for it either.
fn replace(exchange: &mut Exchange, name: &HeaderName, truth: Option<HeaderValue>) {
    if exchange.headers.remove(name).is_some()
        && let Some(truth) = truth
    {
        exchange.headers.insert(name, truth);
    }
}
