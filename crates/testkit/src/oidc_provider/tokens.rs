//! Tokens for codes, and claims for tokens (RFC 6749, sections 4.1.3 and 5; OpenID Connect Core 1.0, sections 3.1.3 and 5.3).

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use aws_lc_rs::digest;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::StatusCode;
use serde_json::{Value, json};

use super::endpoints::{Answer, Asked, json, plain};
use super::fault::Fault;
use super::keys::{Algorithm, Key, encoded, random, unsigned_token};
use super::{Grant, Shared, User};

/// How long tokens live.
const LIFETIME_SECONDS: u64 = 300;

/// How far off a token's times are when they are to be wrong.
const HOUR_SECONDS: u64 = 3600;

pub(super) fn exchange(shared: &Shared, asked: &Asked) -> Answer {
    if !is_our_client(shared, asked) {
        return refuse(StatusCode::UNAUTHORIZED, "invalid_client");
    }
    if asked.parameter("grant_type") != Some("authorization_code") {
        return refuse(StatusCode::BAD_REQUEST, "unsupported_grant_type");
    }
    // Taken out: a code is good once.
    let grant = asked.parameter("code").and_then(|code| shared.state().grants.remove(code));
    let Some(grant) = grant.filter(|grant| is_askers(grant, asked)) else {
        return refuse(StatusCode::BAD_REQUEST, "invalid_grant");
    };
    match tokens(shared, &grant) {
        Ok(tokens) => json(StatusCode::OK, &tokens),
        Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

pub(super) fn userinfo(shared: &Shared, asked: &Asked) -> Answer {
    let token = asked.authorization.as_deref().and_then(|value| value.strip_prefix("Bearer "));
    let state = shared.state();
    let name = token.and_then(|token| state.sessions.get(token));
    let Some(user) = name.and_then(|name| shared.user(|user| user.name == *name)) else {
        return refuse(StatusCode::UNAUTHORIZED, "invalid_token");
    };
    let mut claims = user.userinfo.clone();
    claims["sub"] = json!(user.subject);
    if state.fault == Some(Fault::UserinfoSubject) {
        claims["sub"] = json!("somebody else");
    }
    json(StatusCode::OK, &claims)
}

/// By the header or in the form, never both (RFC 6749, section 2.3).
fn is_our_client(shared: &Shared, asked: &Asked) -> bool {
    let in_form = (asked.parameter("client_id"), asked.parameter("client_secret"));
    let registration = &shared.registration;
    let ours = (registration.client_id.as_str(), registration.client_secret.as_str());
    match (&asked.authorization, in_form) {
        (Some(header), (None, None)) => {
            basic(header).is_some_and(|(id, secret)| (id.as_str(), secret.as_str()) == ours)
        }
        (None, (Some(id), Some(secret))) => (id, secret) == ours,
        _ => false,
    }
}

fn basic(header: &str) -> Option<(String, String)> {
    let text = String::from_utf8(BASE64_STANDARD.decode(header.strip_prefix("Basic ")?).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let decoded =
        |text: &str| form_urlencoded::parse(format!("x={text}").as_bytes()).next().map(|(_, value)| value.into_owned());
    Some((decoded(id)?, decoded(secret)?))
}

/// Whether whoever brings the code is who asked for it (RFC 7636, section 4.6).
fn is_askers(grant: &Grant, asked: &Asked) -> bool {
    let verifier = asked.parameter("code_verifier").filter(|verifier| (43..=128).contains(&verifier.len()));
    let challenge = verifier.map(|verifier| encoded(digest::digest(&digest::SHA256, verifier.as_bytes())));
    challenge.as_ref() == Some(&grant.challenge) && asked.parameter("redirect_uri") == Some(&grant.redirect_uri)
}

fn tokens(shared: &Shared, grant: &Grant) -> anyhow::Result<Value> {
    let user = shared.user(|user| user.name == grant.user).context("no such user")?;
    let access_token = random()?;
    let mut state = shared.state();
    state.sessions.insert(access_token.clone(), user.name.clone());
    let key = state.keys.last().context("no key")?;
    let claims = claims(shared, grant, user, &access_token, (key, state.fault))?;
    let id_token = match state.fault {
        Some(Fault::Unsigned) => unsigned_token(&claims),
        Some(Fault::PublicKeyAsSecret) => key.token_with_public_key_as_secret(&claims),
        Some(Fault::Signature) => Key::generate(Algorithm::Rs256)?.token(&key.id, &claims)?,
        Some(Fault::UnpublishedKey) => key.token("unpublished", &claims)?,
        _ => key.token(&key.id, &claims)?,
    };
    Ok(json!({
        "access_token": access_token, "token_type": "Bearer", "expires_in": LIFETIME_SECONDS, "id_token": id_token,
    }))
}

fn claims(
    shared: &Shared,
    grant: &Grant,
    user: &User,
    access_token: &str,
    (key, fault): (&Key, Option<Fault>),
) -> anyhow::Result<Value> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let mut claims = user.token_claims.clone();
    claims["iss"] = json!(shared.issuer);
    claims["sub"] = json!(user.subject);
    claims["aud"] = json!(shared.registration.client_id);
    claims["iat"] = json!(now);
    claims["exp"] = json!(now + LIFETIME_SECONDS);
    claims["nonce"] = json!(grant.nonce);
    claims["at_hash"] = json!(key.access_token_hash(access_token));
    match fault {
        Some(Fault::Nonce) => claims["nonce"] = json!("another"),
        Some(Fault::Audience) => claims["aud"] = json!("another"),
        Some(Fault::AuthorizedParty) => {
            claims["aud"] = json!([shared.registration.client_id, "another"]);
            claims["azp"] = json!("another");
        }
        Some(Fault::Issuer) => claims["iss"] = json!("http://127.0.0.1:1"),
        Some(Fault::Expired) => claims["exp"] = json!(now - HOUR_SECONDS),
        Some(Fault::Early) => claims["nbf"] = json!(now + HOUR_SECONDS),
        Some(Fault::AccessTokenHash) => claims["at_hash"] = json!(key.access_token_hash("another")),
        _ => {}
    }
    Ok(claims)
}

fn refuse(status: StatusCode, error: &str) -> Answer {
    json(status, &json!({ "error": error, "error_description": "the provider for tests refuses" }))
}
