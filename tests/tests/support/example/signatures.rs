//! Tokens and signed requests, as a client would make them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::SigningKey;
use serde_json::json;

use super::format::{Jwt, Signature};
use super::names::Names;

type Headers = Vec<(&'static str, String)>;

/// `Authorization: Bearer ...`, RS256.
pub fn bearer(jwt: &Jwt, names: &mut Names) -> anyhow::Result<Headers> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let mut claims = jwt.claims.clone();
    claims.insert("exp".to_owned(), now.saturating_add_signed(jwt.expires_in).into());
    let part = |value: String| URL_SAFE_NO_PAD.encode(value);
    let header = json!({ "alg": "RS256", "typ": "JWT" });
    let signed = format!("{}.{}", part(header.to_string()), part(serde_json::to_string(&claims)?));
    let signature = URL_SAFE_NO_PAD.encode(names.key(&jwt.key)?.sign(signed.as_bytes())?);
    Ok(vec![("authorization", format!("Bearer {signed}.{signature}"))])
}

/// What hmac-auth asks for, with a digest of the body.
pub fn signed(signature: &Signature, method: &str, target: &str, body: &[u8]) -> anyhow::Result<Headers> {
    let signed_at = SystemTime::now().checked_sub(Duration::from_secs(signature.age)).context("too long ago")?;
    let date = httpdate::fmt_http_date(signed_at);
    let body = signature.other_body.as_ref().map_or(body, |other| other.as_bytes());
    let digest = format!("SHA-256={}", STANDARD.encode(digest::digest(&digest::SHA256, body)));
    let key_id = &signature.key_id;
    let lines = format!("{key_id}\n{method} {target}\ndate: {date}\ndigest: {digest}\n");
    let key = hmac::Key::new(hmac::HMAC_SHA256, signature.secret.as_bytes());
    let made = STANDARD.encode(hmac::sign(&key, lines.as_bytes()));
    let authorization = format!(
        r#"Signature keyId="{key_id}",algorithm="hmac-sha256",headers="@request-target date digest",signature="{made}""#
    );
    Ok(vec![("date", date), ("digest", digest), ("authorization", authorization)])
}

/// `Sec-WebSocket-Accept` of a key. Source: RFC 6455, section 4.2.2.
pub fn websocket_accept(key: &str) -> String {
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()))
}
