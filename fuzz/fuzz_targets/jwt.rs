//! Tokens of jwt-auth, and those of OpenID Connect with the key that is to prove them.

#![no_main]

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str, &str, &[u8], &[u8])| {
    let (text, header, claims, signature, jwk) = input;
    let _ = plugins::fuzzing::jwt(text, 1e9);
    let _ = sign_on::fuzzing::signed_token(text, jwk);
    let encode = |part: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(part);
    let token = format!("{}.{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()), encode(signature));
    let _ = plugins::fuzzing::jwt(&token, 1e9);
    let _ = sign_on::fuzzing::signed_token(&token, jwk);
});
