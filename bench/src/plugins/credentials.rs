//! What callers show who they are with, made as a client would make it.

use std::time::SystemTime;

use anyhow::Result;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// The consumer's name or key, and its secret.
pub(super) const NAME: &str = "bench-key";
pub(super) const SECRET: &str = "a-secret-of-the-benchmark-32-bytes-long";

/// The header line of basic-auth.
pub(super) fn basic() -> String {
    format!("Authorization: Basic {}", STANDARD.encode(format!("{NAME}:{SECRET}")))
}

/// The header line of jwt-auth, with a token that never expires (RFC 7519).
pub(super) fn jwt() -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let claims = format!(r#"{{"key":"{NAME}","exp":4102444800}}"#);
    let signed = format!("{}.{}", part(r#"{"alg":"HS256","typ":"JWT"}"#), part(&claims));
    format!("Authorization: Bearer {signed}.{}", URL_SAFE_NO_PAD.encode(hash(&signed)))
}

/// The two header lines of hmac-auth: the date, and the signature over it and the request's target.
pub(super) fn hmac(method: &str, path: &str) -> Result<[String; 2]> {
    let date = httpdate::fmt_http_date(SystemTime::now());
    let signature = STANDARD.encode(hash(&format!("{NAME}\n{method} {path}\ndate: {date}\n")));
    let fields = format!(r#"keyId="{NAME}",algorithm="hmac-sha256",headers="@request-target date""#);
    Ok([format!("Date: {date}"), format!(r#"Authorization: Signature {fields},signature="{signature}""#)])
}

fn hash(text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), text.as_bytes())
}
