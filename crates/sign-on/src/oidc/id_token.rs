//! What an ID token must say to be believed (OpenID Connect Core 1.0, section 3.1.3.7), once its signature is right.

use aws_lc_rs::{constant_time, digest};
use serde_json::{Map, Value};

use super::jose::{Algorithm, base64_url};
use crate::error::TokenError;

/// How far the provider's clock may be from ours.
const CLOCK_SKEW_SECONDS: i64 = 60;

/// Longest subject (section 2, `sub`).
const SUBJECT_LENGTH_MAX: usize = 255;

/// What the token is held against.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    pub(super) access_token: &'a str,
    /// Seconds since 1970.
    pub(super) now: i64,
}

/// Whether the claims are what is expected.
pub(super) fn check(
    claims: &Map<String, Value>,
    algorithm: &Algorithm,
    expected: &Expected<'_>,
) -> Result<(), TokenError> {
    let issuer = text(claims, "iss")?;
    if issuer != expected.issuer {
        return Err(TokenError::Issuer(issuer.to_owned()));
    }
    check_audience(claims, expected.client_id)?;
    check_times(claims, expected.now)?;
    if text(claims, "nonce")? != expected.nonce {
        return Err(TokenError::Nonce);
    }
    check_access_token(claims, algorithm, expected.access_token)?;
    subject(claims).map(drop)
}

/// Whom the token speaks of.
pub(super) fn subject(claims: &Map<String, Value>) -> Result<&str, TokenError> {
    let is_right = |subject: &&str| (1..=SUBJECT_LENGTH_MAX).contains(&subject.len());
    text(claims, "sub").ok().filter(is_right).ok_or(TokenError::Claim("sub"))
}

fn check_audience(claims: &Map<String, Value>, client_id: &str) -> Result<(), TokenError> {
    let audiences: Vec<_> = match claims.get("aud") {
        Some(Value::String(audience)) => vec![audience.as_str()],
        Some(Value::Array(audiences)) => audiences.iter().filter_map(Value::as_str).collect(),
        _ => return Err(TokenError::Claim("aud")),
    };
    if !audiences.contains(&client_id) {
        return Err(TokenError::Audience);
    }
    match claims.get("azp") {
        Some(party) if party == client_id => Ok(()),
        None if audiences.len() == 1 => Ok(()),
        _ => Err(TokenError::AuthorizedParty),
    }
}

fn check_times(claims: &Map<String, Value>, now: i64) -> Result<(), TokenError> {
    let expires = time(claims, "exp")?.ok_or(TokenError::Claim("exp"))?;
    if expires.saturating_add(CLOCK_SKEW_SECONDS) <= now {
        return Err(TokenError::Expired(expires));
    }
    let issued = time(claims, "iat")?.ok_or(TokenError::Claim("iat"))?;
    for (name, begins) in [("iat", Some(issued)), ("nbf", time(claims, "nbf")?)] {
        if begins.is_some_and(|begins| begins.saturating_sub(CLOCK_SKEW_SECONDS) > now) {
            return Err(TokenError::Early(name));
        }
    }
    Ok(())
}

/// Section 3.1.3.8: the left half of the access token's hash.
fn check_access_token(
    claims: &Map<String, Value>,
    algorithm: &Algorithm,
    access_token: &str,
) -> Result<(), TokenError> {
    let Some(claim) = claims.get("at_hash") else { return Ok(()) };
    let hash = digest::digest(algorithm.digest, access_token.as_bytes());
    let half = hash.as_ref().get(..hash.as_ref().len() / 2).unwrap_or_default();
    let found = claim.as_str().and_then(base64_url).ok_or(TokenError::Claim("at_hash"))?;
    constant_time::verify_slices_are_equal(half, &found).map_err(|_| TokenError::AccessTokenHash)
}

fn text<'c>(claims: &'c Map<String, Value>, name: &'static str) -> Result<&'c str, TokenError> {
    claims.get(name).and_then(Value::as_str).ok_or(TokenError::Claim(name))
}

/// Seconds since 1970; fractions are allowed (RFC 7519, section 2, `NumericDate`).
fn time(claims: &Map<String, Value>, name: &'static str) -> Result<Option<i64>, TokenError> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64));
    seconds.map(Some).ok_or(TokenError::Claim(name))
}

#[cfg(test)]
mod tests;
