//! `jwt-auth`: consumers by a signed token (RFC 7519) in a header, the query or a cookie.
//!
//! ```json
//! { "header": "authorization", "query": "jwt", "cookie": "jwt", "key_claim_name": "key" }
//! ```
//! The consumer's part: `{ "key": "user-key", "secret": "my-secret-key" }`, or with `"algorithm": "RS256"` and a
//! `public_key`. Source: <https://apisix.apache.org/docs/apisix/plugins/jwt-auth/>

mod schema;
mod token;
mod verifier;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use model::Fault;
use plugin_api::{CompileInput, ConsumerEntry, Exchange, Flow, Phases, Plugin, PluginType, Prepared};
use serde::Deserialize;
use serde_json::Value;

use crate::consumer::{Doorkeeper, credentials};
use token::{Claims, Token};
use verifier::Verifier;

/// The plugin by name.
pub(crate) struct JwtAuth;

#[derive(Deserialize)]
#[serde(default)]
struct Conf {
    header: String,
    query: String,
    cookie: String,
    hide_credentials: bool,
    key_claim_name: String,
    store_in_ctx: bool,
    realm: String,
    anonymous_consumer: Option<String>,
    /// Those that a token must have; without any, `exp` and `nbf` are verified where they are there.
    claims_to_verify: Vec<String>,
}

impl Default for Conf {
    fn default() -> Self {
        Self {
            header: "authorization".into(),
            query: "jwt".into(),
            cookie: "jwt".into(),
            hide_credentials: false,
            key_claim_name: "key".into(),
            store_in_ctx: false,
            realm: "jwt".into(),
            anonymous_consumer: None,
            claims_to_verify: Vec::new(),
        }
    }
}

impl PluginType for JwtAuth {
    fn name(&self) -> &'static str {
        "jwt-auth"
    }

    fn priority(&self) -> i32 {
        2510
    }

    fn schema(&self) -> &'static Value {
        &schema::SCHEMA
    }

    fn consumer_schema(&self) -> Option<&'static Value> {
        Some(&schema::CONSUMER)
    }

    fn is_authentication(&self) -> bool {
        true
    }

    fn credential_key<'v>(&self, credential: &'v Value) -> Option<&'v str> {
        credential.get("key")?.as_str()
    }

    fn prepare_credential(&self, credential: &Value) -> Result<Option<Prepared>, Fault> {
        Ok(Some(Box::new(Verifier::of(credential)?)))
    }

    fn secret_fields(&self) -> &'static [&'static str] {
        &["secret"]
    }

    fn compile(&self, input: &CompileInput<'_>) -> Result<Arc<dyn Plugin>, Fault> {
        let conf: Conf = crate::read(input.conf)?;
        let are_required = !conf.claims_to_verify.is_empty();
        let is_verified = |claim: &str| !are_required || conf.claims_to_verify.iter().any(|asked| asked == claim);
        Ok(Arc::new(Compiled {
            header: credentials::Header::parse(&conf.header)?,
            claims: Claims { exp: is_verified("exp"), nbf: is_verified("nbf"), are_required },
            doorkeeper: Doorkeeper::new("Bearer", &conf.realm, conf.anonymous_consumer.clone())?,
            conf,
        }))
    }
}

struct Compiled {
    conf: Conf,
    header: credentials::Header,
    claims: Claims,
    doorkeeper: Doorkeeper,
}

/// Where a token was found.
#[derive(Clone, Copy)]
enum Place {
    Header,
    Query,
    Cookie,
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases::REWRITE
    }

    fn rewrite<'a>(&'a self, exchange: &'a mut Exchange) -> Flow<'a> {
        let found = self.find(exchange);
        Flow::Done(self.doorkeeper.admit(exchange, found))
    }
}

impl Compiled {
    fn find(&self, exchange: &mut Exchange) -> Result<Arc<ConsumerEntry>, &'static str> {
        let (place, text) = self.fetch(exchange).ok_or("Missing JWT token in request")?;
        let text = text.into_owned();
        // Hidden whatever the token is worth: an anonymous consumer's request goes on to the upstream too.
        if self.conf.hide_credentials {
            self.hide(exchange, place);
        }
        let token = Token::parse(&text).ok_or("JWT token invalid")?;
        let entry = self.believe(exchange, &token)?;
        if self.conf.store_in_ctx {
            exchange.set_note("jwt_auth_payload", Value::Object(token.claims));
        }
        Ok(entry)
    }

    /// The consumer that the token names, once its signature and times have been verified.
    fn believe(&self, exchange: &Exchange, token: &Token<'_>) -> Result<Arc<ConsumerEntry>, &'static str> {
        const FAILED: &str = "failed to verify jwt";
        let key = token.claims.get(&self.conf.key_claim_name).ok_or("missing user key in JWT token")?;
        let entry = key.as_str().and_then(|key| exchange.consumers.find("jwt-auth", key));
        let entry = entry.ok_or("Invalid user key in JWT token")?;
        let prepared = entry.prepared.as_ref().and_then(|prepared| prepared.downcast_ref::<Verifier>());
        let verifier = prepared.ok_or(FAILED)?;
        let is_good = verifier.verify(token) && token.is_current(self.claims, now(), verifier.grace);
        if is_good { Ok(entry.clone()) } else { Err(FAILED) }
    }

    /// The first token of header, query and cookie; `Bearer` may stand before one in the header.
    fn fetch<'e>(&self, exchange: &'e Exchange) -> Option<(Place, Cow<'e, str>)> {
        if let Some(value) = self.header.get(&exchange.headers) {
            let text = value.to_str().unwrap_or_default();
            let bare = ["Bearer ", "bearer "].iter().find_map(|scheme| text.strip_prefix(scheme)).unwrap_or(text);
            return Some((Place::Header, bare.into()));
        }
        if let Some(text) = credentials::query_argument(exchange, &self.conf.query) {
            return Some((Place::Query, text));
        }
        exchange.cookie(&self.conf.cookie).map(|text| (Place::Cookie, text.into()))
    }

    fn hide(&self, exchange: &mut Exchange, place: Place) {
        match place {
            Place::Header => drop(self.header.remove(&mut exchange.headers)),
            Place::Query => credentials::hide_query_argument(exchange, &self.conf.query),
            Place::Cookie => credentials::hide_cookie(exchange, &self.conf.cookie),
        }
    }
}

/// Whole seconds since 1970, as APISIX compares them.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() as f64
}

#[cfg(feature = "fuzzing")]
pub(crate) fn fuzzed(token: &str, now: f64) -> Option<(String, bool)> {
    let token = token::Token::parse(token)?;
    let is_current = token.is_current(token::Claims { exp: true, nbf: true, are_required: false }, now, 0.0);
    Some((token.algorithm, is_current))
}

#[cfg(test)]
mod tests;
