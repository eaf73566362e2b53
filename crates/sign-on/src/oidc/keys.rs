//! The provider's keys: kept for a while, and fetched anew when a token names one that is not there.

use std::time::{Duration, SystemTime};

use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;

use super::cache::Cache;
use super::http::Http;
use super::jose::{Algorithm, Header, Jwk};
use crate::error::{SignOnError, TokenError};

/// How long keys are believed: a key that the provider takes back is refused after this.
const AGE_MAX: Duration = Duration::from_secs(3600);

/// Keys younger than this are not fetched again, whatever tokens name: no token makes us a flood.
const REFETCH_AFTER: Duration = Duration::from_secs(10);

/// The keys of one provider.
#[derive(Debug)]
pub(super) struct Keys(Cache<KeySet>);

/// A key set (RFC 7517, section 5).
#[derive(Debug)]
struct KeySet(Vec<Jwk>);

impl Keys {
    pub(super) fn none_yet() -> Self {
        Self(Cache::empty())
    }

    /// The key that a token names.
    pub(super) async fn find(
        &self,
        http: &Http,
        uri: &Url,
        wanted: (&Header, &Algorithm),
        now: SystemTime,
    ) -> Result<Jwk, SignOnError> {
        if let Some(kept) = self.0.get(AGE_MAX, now) {
            match kept.document.find(wanted) {
                // The provider may have changed its keys: look once more, but not at every such token.
                Err(_) if !kept.is_within(REFETCH_AFTER, now) => {}
                found => return Ok(found?),
            }
        }
        // Without a lock: of several logins at once each fetches for itself, and none waits for another's slow call.
        let set = self.0.put(http.get::<KeySet>(uri, None).await?, now);
        Ok(set.find(wanted)?)
    }
}

impl KeySet {
    /// The key with the token's id; the only one that suits, if the token names none (OpenID Connect Core 1.0, 10.1).
    fn find(&self, (header, algorithm): (&Header, &Algorithm)) -> Result<Jwk, TokenError> {
        let suits = |key: &&Jwk| key.suits(&header.alg, algorithm) && (header.kid.is_none() || key.kid == header.kid);
        let mut suiting = self.0.iter().filter(suits);
        match (suiting.next(), suiting.next()) {
            (Some(key), None) => Ok(key.clone()),
            _ => Err(TokenError::UnknownKey { kid: header.kid.clone() }),
        }
    }
}

impl<'de> Deserialize<'de> for KeySet {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<Value>,
        }
        // Keys of types that are yet to come are passed over (RFC 7517, section 5).
        let keys = Document::deserialize(deserializer)?.keys;
        Ok(Self(keys.into_iter().filter_map(|key| serde_json::from_value(key).ok()).collect()))
    }
}
