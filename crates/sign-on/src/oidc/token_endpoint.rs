//! From the code of a callback to tokens (RFC 6749, sections 4.1.3 and 5; RFC 7636, section 4.5).

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

use super::discovery::{ClientAuthentication, Metadata};
use super::http::{Answer, Http};
use super::pending::Pending;
use crate::config::OidcConfig;
use crate::error::SignOnError;

/// Longest text of a provider that is taken over into an error.
const DESCRIPTION_LENGTH_MAX: usize = 500;

/// What the token endpoint gives.
#[derive(Deserialize)]
pub(super) struct Tokens {
    pub(super) access_token: String,
    token_type: String,
    pub(super) id_token: String,
}

/// A refusal.
#[derive(Deserialize)]
struct Refusal {
    error: String,
    #[serde(default)]
    error_description: String,
}

/// Exchanges a code. Only whoever began the sign-in has the verifier, so a stolen code is worth nothing.
pub(super) async fn exchange(
    http: &Http,
    metadata: &Metadata,
    config: &OidcConfig,
    code: &str,
    pending: &Pending,
) -> Result<Tokens, SignOnError> {
    // Made apart: a serializer held over the call would tie the future to this thread.
    let (form, basic) = form(metadata, config, code, pending);
    let answer = http.post(&metadata.token_endpoint, form, basic).await?;
    tokens(&answer)
}

/// The request's body, and the header that says who we are where that goes into one.
fn form(metadata: &Metadata, config: &OidcConfig, code: &str, pending: &Pending) -> (String, Option<String>) {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "authorization_code")
        .append_pair("code", code)
        .append_pair("redirect_uri", &pending.redirect_uri)
        .append_pair("code_verifier", pending.verifier.reveal());
    let basic = match metadata.client_authentication {
        ClientAuthentication::Basic => Some(basic(config)),
        ClientAuthentication::Post => {
            form.append_pair("client_id", &config.client_id)
                .append_pair("client_secret", config.client_secret.reveal());
            None
        }
    };
    (form.finish(), basic)
}

/// RFC 6749, section 2.3.1: both parts are encoded as in a form first.
fn basic(config: &OidcConfig) -> String {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    BASE64_STANDARD.encode(format!("{}:{}", encoded(&config.client_id), encoded(config.client_secret.reveal())))
}

fn tokens(answer: &Answer) -> Result<Tokens, SignOnError> {
    if answer.status.is_client_error() {
        let refusal = answer.json::<Refusal>().map_err(|_| answer.wrong(format!("status {}", answer.status)))?;
        return Err(refused(refusal.error, &refusal.error_description));
    }
    if !answer.status.is_success() {
        return Err(answer.wrong(format!("status {}", answer.status)));
    }
    let tokens: Tokens = answer.json()?;
    if !tokens.token_type.eq_ignore_ascii_case("bearer") {
        return Err(answer.wrong(format!("a token of type {:?}", tokens.token_type)));
    }
    Ok(tokens)
}

/// A provider's refusal, with as much of its text as a line of a log bears.
pub(super) fn refused(error: String, description: &str) -> SignOnError {
    let short = |text: &str| text.chars().take(DESCRIPTION_LENGTH_MAX).collect();
    SignOnError::Provider { error: short(&error), description: short(description) }
}
