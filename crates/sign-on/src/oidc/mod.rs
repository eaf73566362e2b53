//! Signing in by a provider of OpenID Connect: authorisation code flow with PKCE.
//!
//! 1. [`Oidc::begin`] gives the address to send the user's browser to, and what to keep until it comes back.
//! 2. The provider signs the user in and redirects the browser to us with a [`Callback`].
//! 3. [`Oidc::finish`] checks the callback against what was kept, exchanges its code for tokens, checks those, asks the
//!    userinfo endpoint, and says who the user is.
//!
//! Sources: OpenID Connect Core 1.0 and Discovery 1.0, RFC 6749, 7636, 9207, and RFC 9700 (current best practice).

mod cache;
mod discovery;
mod http;
mod id_token;
mod jose;
mod keys;
mod pending;
mod token_endpoint;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};

use crate::config::OidcConfig;
use crate::error::{SignOnError, TokenError};
use crate::identity::ExternalIdentity;
use cache::Cache;
use discovery::Metadata;
use http::Http;
use id_token::Expected;
use jose::Token;
use keys::Keys;
pub use pending::{Callback, Pending};
use token_endpoint::Tokens;

/// How long the provider's description is believed.
const METADATA_AGE_MAX: Duration = Duration::from_secs(3600);

/// A client of one provider. It is made once per login option, for it keeps the provider's description and keys.
#[derive(Debug)]
pub struct Oidc {
    config: OidcConfig,
    http: Http,
    metadata: Cache<Metadata>,
    keys: Keys,
}

/// A sign-in that was begun.
#[derive(Debug, Clone)]
pub struct Started {
    /// Where to send the user's browser.
    pub url: String,
    /// What to keep until it comes back.
    pub pending: Pending,
}

impl Oidc {
    /// A client; it calls nobody yet.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(config: OidcConfig) -> Result<Self, SignOnError> {
        let http = Http::new(&config)?;
        Ok(Self { config, http, metadata: Cache::empty(), keys: Keys::none_yet() })
    }

    /// Begins a sign-in. `redirect_uri` is our callback's address as registered with the provider.
    ///
    /// # Errors
    /// When the provider's description cannot be had or is not this issuer's.
    pub async fn begin(&self, redirect_uri: &str, now: SystemTime) -> Result<Started, SignOnError> {
        let metadata = self.metadata(now).await?;
        let pending = Pending::begin(redirect_uri, &self.config.issuer, now)?;
        let mut url = metadata.authorization_endpoint.clone();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.config.client_id)
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("scope", &self.config.scope())
            .append_pair("state", &pending.state)
            .append_pair("nonce", pending.nonce.reveal())
            .append_pair("code_challenge", &pending.challenge())
            .append_pair("code_challenge_method", "S256");
        Ok(Started { url: url.into(), pending })
    }

    /// Finishes a sign-in. The caller has forgotten `pending` by now, so that no callback is answered twice.
    ///
    /// # Errors
    /// When the callback is another sign-in's, the provider refuses or cannot be reached, or a token is not to be believed.
    pub async fn finish(
        &self,
        callback: &Callback,
        pending: &Pending,
        now: SystemTime,
    ) -> Result<ExternalIdentity, SignOnError> {
        pending.accept(callback, &self.config.issuer, now)?;
        let metadata = self.metadata(now).await?;
        callback.check_issuer(&self.config.issuer, metadata.names_issuer)?;
        if let Some(error) = &callback.error {
            let description = callback.error_description.as_deref().unwrap_or_default();
            return Err(token_endpoint::refused(error.clone(), description));
        }
        let code = callback.code.as_ref().ok_or(SignOnError::Callback("it has neither a code nor an error"))?;
        let tokens = token_endpoint::exchange(&self.http, &metadata, &self.config, code.reveal(), pending).await?;
        let mut claims = self.believe(&metadata, &tokens, pending, now).await?;
        self.add_userinfo(&metadata, &tokens, &mut claims).await?;
        Ok(identity(claims)?)
    }

    /// The claims of the ID token, once its signature and all that it says have been checked.
    async fn believe(
        &self,
        metadata: &Metadata,
        tokens: &Tokens,
        pending: &Pending,
        now: SystemTime,
    ) -> Result<Map<String, Value>, SignOnError> {
        let token = Token::parse(&tokens.id_token)?;
        let algorithm = token.algorithm(&metadata.algorithms)?;
        let key = self.keys.find(&self.http, &metadata.jwks_uri, (&token.header, &algorithm), now).await?;
        token.verify(&algorithm, &key)?;
        let expected = Expected {
            issuer: &self.config.issuer,
            client_id: &self.config.client_id,
            nonce: pending.nonce.reveal(),
            access_token: &tokens.access_token,
            now: i64::try_from(pending::seconds(now)).unwrap_or(i64::MAX),
        };
        id_token::check(&token.claims, &algorithm, &expected)?;
        Ok(token.claims)
    }

    /// Adds what the userinfo endpoint says (OpenID Connect Core 1.0, section 5.3); what the signed token says stands.
    ///
    /// A failure fails the sign-in: with half the claims, a mapping could leave out the boundary that it should draw.
    async fn add_userinfo(
        &self,
        metadata: &Metadata,
        tokens: &Tokens,
        claims: &mut Map<String, Value>,
    ) -> Result<(), SignOnError> {
        let Some(endpoint) = &metadata.userinfo_endpoint else { return Ok(()) };
        let more: Map<String, Value> = self.http.get(endpoint, Some(&tokens.access_token)).await?;
        if more.get("sub") != claims.get("sub") {
            return Err(TokenError::UserinfoSubject.into());
        }
        for (name, value) in more {
            claims.entry(name).or_insert(value);
        }
        Ok(())
    }

    async fn metadata(&self, now: SystemTime) -> Result<Arc<Metadata>, SignOnError> {
        if let Some(kept) = self.metadata.get(METADATA_AGE_MAX, now) {
            return Ok(kept.document);
        }
        Ok(self.metadata.put(discovery::fetch(&self.http, &self.config).await?, now))
    }
}

fn identity(claims: Map<String, Value>) -> Result<ExternalIdentity, TokenError> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let subject = id_token::subject(&claims)?.to_owned();
    // Some providers write the truth value as text.
    let is_disowned = claims.get("email_verified").is_some_and(|verified| verified == false || verified == "false");
    let email = text("email").filter(|_| !is_disowned);
    let username = text("preferred_username").or_else(|| email.clone()).unwrap_or_else(|| subject.clone());
    let display_name = text("name");
    Ok(ExternalIdentity { subject, username, email, display_name, attributes: claims })
}

#[cfg(feature = "fuzzing")]
pub(crate) fn fuzzed(token: &str, jwk: &[u8]) -> Option<bool> {
    let (token, key) = (Token::parse(token).ok()?, serde_json::from_slice(jwk).ok()?);
    let algorithm = token.algorithm(&[]).ok()?;
    Some(token.verify(&algorithm, &key).is_ok())
}
