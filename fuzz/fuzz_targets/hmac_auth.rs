//! The Authorization header of hmac-auth, and the lines that its signature is over.

#![no_main]

use http::HeaderValue;
use libfuzzer_sys::fuzz_target;
use plugin_api::testing::exchange;

fuzz_target!(|input: (&[u8], &[u8])| {
    let (authorization, other) = input;
    let mut exchange = exchange("/a?b=c");
    let Ok(value) = HeaderValue::from_bytes(&[b"Signature", authorization].concat()) else { return };
    exchange.headers.insert("authorization", value);
    if let Ok(other) = HeaderValue::from_bytes(other) {
        exchange.headers.insert("x-other", other);
    }
    if let Some(signed) = plugins::fuzzing::hmac_signing_string(&exchange) {
        assert!(signed.ends_with(b"\n"));
    }
});
