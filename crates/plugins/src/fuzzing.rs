//! The parsers of untrusted bytes, opened for the fuzz targets.

use plugin_api::Exchange;
use serde_json::Value;

/// What limit-count decides by a server's reply of these bytes: whether a request of `limit` may pass, how many more may, and
/// the milliseconds until the window ends; `None` when it is no reply of its script.
pub fn redis_reply(bytes: &[u8], limit: u64, is_sliding: bool) -> Option<(bool, u64, u64)> {
    crate::limit_count::fuzzed_reply(bytes, limit, is_sliding)
}

/// The algorithm of a JSON Web Token, and whether it is current at `now`; `None` when the text is none.
pub fn jwt(token: &str, now: f64) -> Option<(String, bool)> {
    crate::jwt_auth::fuzzed(token, now)
}

/// What a request's signature of hmac-auth is over; `None` without one.
pub fn hmac_signing_string(exchange: &Exchange) -> Option<Vec<u8>> {
    crate::hmac_auth::fuzzed(exchange)
}

/// A form's fields as request-validation sees them.
pub fn form(text: &str) -> Value {
    crate::request_validation::form(text)
}
