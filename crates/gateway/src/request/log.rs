//! The end of a request, whichever way it went: plugins' `log`, then the access log.

use http::{HeaderMap, StatusCode};
use plugin_api::Phases;

use super::live::Live;
use super::phases;

/// nginx's status for a client that went away before it got an answer.
const CLIENT_GONE: u16 = 499;

/// Runs once for each request that was taken in.
pub(super) fn finish(live: &mut Live) {
    let outcome = &mut live.exchange.outcome;
    outcome.total = live.exchange.started.elapsed();
    outcome.bytes_sent += outcome.body_bytes_sent;
    if !live.answered {
        outcome.fault = Some("client_gone");
        live.exchange.response.status = StatusCode::from_u16(CLIENT_GONE).unwrap_or_default();
    }
    let status = live.exchange.response.status.as_u16();
    live.worker.counters.request_ends(status, &live.exchange.outcome);
    phases::each(live, Phases::LOG, |entry, exchange| entry.plugin.log(exchange));
    if let Some(log) = &live.worker.access_log {
        log.write(&live.exchange);
    }
}

/// About how many bytes a head takes on the wire: names and values with `: ` and line ends, and its first line.
pub(super) fn head_bytes(headers: &HeaderMap) -> u64 {
    const FIRST_LINE: usize = 19;
    let lines = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    (FIRST_LINE + lines.sum::<usize>()) as u64
}
