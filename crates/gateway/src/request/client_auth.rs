//! Whether the client has shown the certificate that the host it asks for demands.

use plan::TlsMap;
use plugin_api::Exchange;

use crate::fault::Fault;

/// The handshake has checked the certificate for its server name. Left for here: paths that need none, and a request
/// for another host than the handshake was for, whose authority may be another.
pub(super) fn check(exchange: &Exchange, names: &TlsMap) -> Result<(), Fault> {
    let Some(tls) = exchange.client.tls.as_ref().filter(|_| names.asks_clients()) else {
        return Ok(());
    };
    let demanded = names.find(exchange.host()).and_then(|host| host.client_auth.as_ref());
    if demanded.is_none_or(|auth| auth.skips(exchange.path())) {
        return Ok(());
    }
    if tls.client_certificate.is_none() {
        return Err(Fault::BadRequest("a client certificate is required"));
    }
    let is_for_host = tls.sni.as_deref().is_some_and(|sni| sni.eq_ignore_ascii_case(exchange.host()));
    if is_for_host { Ok(()) } else { Err(Fault::BadRequest("the handshake was for another host")) }
}
