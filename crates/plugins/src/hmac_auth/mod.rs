//! `hmac-auth`: consumers by a keyed hash over parts of the request.
//!
//! ```json
//! { "signed_headers": ["date"], "clock_skew": 300, "validate_request_body": true }
//! ```
//! The consumer's part: `{ "key_id": "john-key", "secret_key": "john-secret-key" }`. Clients send
//! `Authorization: Signature keyId="john-key",algorithm="hmac-sha256",headers="@request-target date",signature=".."`.
//! Source: <https://apisix.apache.org/docs/apisix/plugins/hmac-auth/>

mod signature;

use std::sync::{Arc, LazyLock};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, DATE, HeaderName};
use model::Fault;
use plugin_api::schema::with_meta;
use plugin_api::{BodyNeed, CompileInput, ConsumerEntry, Exchange, Flow, Phases, Plugin, PluginType, Prepared};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::consumer::{Doorkeeper, credentials, doorkeeper};
use signature::Signature;

static DIGEST: HeaderName = HeaderName::from_static("digest");
static X_DATE: HeaderName = HeaderName::from_static("x-date");

/// What a client learns of a signature that is wrong; the reason is for the log.
const REFUSED: &str = "client request can't be validated";

/// The plugin by name.
pub(crate) struct HmacAuth;

#[derive(Deserialize)]
struct Conf {
    #[serde(default = "Algorithm::all")]
    allowed_algorithms: Vec<Algorithm>,
    #[serde(default = "five_minutes")]
    clock_skew: u64,
    #[serde(default = "date_alone")]
    signed_headers: Vec<String>,
    #[serde(default)]
    validate_request_body: bool,
    #[serde(default = "mebibytes_64")]
    max_req_body_size: usize,
    #[serde(default)]
    hide_credentials: bool,
    #[serde(default = "realm")]
    realm: String,
    anonymous_consumer: Option<String>,
}

fn five_minutes() -> u64 {
    300
}

/// So that a request cannot be sent again with another date. Source: the schema of APISIX since 3.17.
fn date_alone() -> Vec<String> {
    vec![DATE.as_str().to_owned()]
}

fn mebibytes_64() -> usize {
    64 << 20
}

fn realm() -> String {
    "hmac".to_owned()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Algorithm {
    #[serde(rename = "hmac-sha1")]
    Sha1,
    #[serde(rename = "hmac-sha256")]
    Sha256,
    #[serde(rename = "hmac-sha512")]
    Sha512,
}

impl Algorithm {
    const NAMES: [(&str, Self); 3] =
        [("hmac-sha1", Self::Sha1), ("hmac-sha256", Self::Sha256), ("hmac-sha512", Self::Sha512)];

    fn all() -> Vec<Self> {
        Self::NAMES.iter().map(|(_, algorithm)| *algorithm).collect()
    }

    fn parse(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, algorithm)| *algorithm)
    }
}

/// A consumer's secret, ready for each algorithm.
struct Keys {
    sha1: hmac::Key,
    sha256: hmac::Key,
    sha512: hmac::Key,
}

impl Keys {
    fn of(secret: &[u8]) -> Self {
        Self {
            sha1: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret),
            sha256: hmac::Key::new(hmac::HMAC_SHA256, secret),
            sha512: hmac::Key::new(hmac::HMAC_SHA512, secret),
        }
    }

    fn key(&self, algorithm: Algorithm) -> &hmac::Key {
        match algorithm {
            Algorithm::Sha1 => &self.sha1,
            Algorithm::Sha256 => &self.sha256,
            Algorithm::Sha512 => &self.sha512,
        }
    }
}

impl PluginType for HmacAuth {
    fn name(&self) -> &'static str {
        "hmac-auth"
    }

    fn priority(&self) -> i32 {
        2530
    }

    fn schema(&self) -> &'static Value {
        static SCHEMA: LazyLock<Value> = LazyLock::new(schema);
        &SCHEMA
    }

    fn consumer_schema(&self) -> Option<&'static Value> {
        static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
            let text = json!({ "type": "string", "minLength": 1, "maxLength": 256 });
            json!({
                "type": "object",
                "properties": { "key_id": text, "secret_key": text },
                "required": ["key_id", "secret_key"],
            })
        });
        Some(&SCHEMA)
    }

    fn is_authentication(&self) -> bool {
        true
    }

    fn credential_key<'v>(&self, credential: &'v Value) -> Option<&'v str> {
        credential.get("key_id")?.as_str()
    }

    fn prepare_credential(&self, credential: &Value) -> Result<Option<Prepared>, Fault> {
        let secret = credential.get("secret_key").and_then(Value::as_str);
        let secret = secret.ok_or_else(|| Fault::new("/secret_key", "property \"secret_key\" is required"))?;
        let keys = Some(secret.as_bytes()).filter(|secret| credentials::proves(secret)).map(Keys::of);
        Ok(keys.map(|keys| Box::new(keys) as Prepared))
    }

    fn secret_fields(&self) -> &'static [&'static str] {
        &["secret_key"]
    }

    fn compile(&self, input: &CompileInput<'_>) -> Result<Arc<dyn Plugin>, Fault> {
        let conf: Conf = crate::read(input.conf)?;
        let doorkeeper = Doorkeeper::new("hmac", &conf.realm, conf.anonymous_consumer.clone())?;
        Ok(Arc::new(Compiled { conf, doorkeeper }))
    }
}

fn schema() -> Value {
    let algorithms = Algorithm::NAMES.map(|(name, _)| name);
    with_meta(json!({
        "type": "object",
        "properties": {
            "allowed_algorithms": {
                "type": "array",
                "minItems": 1,
                "items": { "type": "string", "enum": algorithms },
                "default": algorithms,
            },
            "clock_skew": { "type": "integer", "default": five_minutes(), "minimum": 1 },
            "signed_headers": {
                "type": "array",
                "items": { "type": "string", "minLength": 1, "maxLength": 50 },
                "default": date_alone(),
            },
            "validate_request_body": { "type": "boolean", "default": false },
            "max_req_body_size": {
                "description": "most bytes of a body that is validated; a longer one is answered 413",
                "type": "integer",
                "minimum": 1,
                "default": mebibytes_64(),
            },
            "hide_credentials": { "type": "boolean", "default": false },
            "realm": doorkeeper::realm("hmac"),
            "anonymous_consumer": doorkeeper::anonymous_consumer(),
        },
    }))
}

struct Compiled {
    conf: Conf,
    doorkeeper: Doorkeeper,
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases::REWRITE
    }

    fn request_body(&self) -> BodyNeed {
        match self.conf.validate_request_body {
            true => BodyNeed::Whole { limit: self.conf.max_req_body_size },
            false => BodyNeed::Stream,
        }
    }

    fn rewrite<'a>(&'a self, exchange: &'a mut Exchange) -> Flow<'a> {
        let found = self.find(exchange);
        if self.conf.hide_credentials {
            exchange.headers.remove(AUTHORIZATION);
        }
        Flow::Done(self.doorkeeper.admit(exchange, found))
    }
}

impl Compiled {
    fn find(&self, exchange: &Exchange) -> Result<Arc<ConsumerEntry>, &'static str> {
        let signature = Signature::of(exchange)?;
        let validated = self.validate(exchange, &signature);
        validated.map_err(|reason| {
            tracing::debug!(reason, "hmac-auth: {REFUSED}");
            REFUSED
        })
    }

    fn validate(&self, exchange: &Exchange, signature: &Signature<'_>) -> Result<Arc<ConsumerEntry>, &'static str> {
        let (Some(key_id), Some(given)) = (signature.key_id, signature.signature) else {
            return Err("keyId or signature missing");
        };
        let name = signature.algorithm.ok_or("algorithm missing")?;
        let entry = exchange.consumers.find("hmac-auth", key_id).ok_or("Invalid key_id")?;
        let algorithm = Algorithm::parse(name).filter(|algorithm| self.conf.allowed_algorithms.contains(algorithm));
        let algorithm = algorithm.ok_or("Invalid algorithm")?;
        self.check_clock(exchange)?;
        if !self.conf.signed_headers.iter().all(|header| signature.covers(sent_as(header, exchange))) {
            return Err("expected header missing in signing");
        }
        let prepared = entry.prepared.as_ref().and_then(|prepared| prepared.downcast_ref::<Keys>());
        let key = prepared.ok_or("no key")?.key(algorithm);
        let given = credentials::base64(given).ok_or("Invalid signature")?;
        hmac::verify(key, &signature.signing_string(exchange), &given).map_err(|_| "Invalid signature")?;
        self.check_body(exchange)?;
        Ok(entry.clone())
    }

    fn check_clock(&self, exchange: &Exchange) -> Result<(), &'static str> {
        let date = exchange.headers.get(DATE).or_else(|| exchange.headers.get(&X_DATE));
        let date = date.ok_or("Date header missing. failed to validate clock skew")?;
        let date = date.to_str().ok().and_then(|text| httpdate::parse_http_date(text).ok());
        let date = date.ok_or("Invalid GMT format time")?;
        let is_near = in_seconds(SystemTime::now()).abs_diff(in_seconds(date)) <= self.conf.clock_skew;
        if is_near { Ok(()) } else { Err("Clock skew exceeded") }
    }

    fn check_body(&self, exchange: &Exchange) -> Result<(), &'static str> {
        if !self.conf.validate_request_body {
            return Ok(());
        }
        let body = exchange.request_body.as_deref().unwrap_or_default();
        let expected = format!("SHA-256={}", STANDARD.encode(digest::digest(&digest::SHA256, body)));
        let given = exchange.headers.get(&DIGEST).ok_or("Invalid digest")?;
        if given.as_bytes() == expected.as_bytes() { Ok(()) } else { Err("Invalid digest") }
    }
}

/// Where X-Date tells the time, for browsers may not send Date, it is what must be signed.
fn sent_as<'h>(header: &'h str, exchange: &Exchange) -> &'h str {
    match header == DATE.as_str() && !exchange.headers.contains_key(DATE) {
        true => X_DATE.as_str(),
        false => header,
    }
}

/// Since 1970, without parts of a second: dates have none.
fn in_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(feature = "fuzzing")]
pub(crate) fn fuzzed(exchange: &Exchange) -> Option<Vec<u8>> {
    signature::Signature::of(exchange).ok().map(|signature| signature.signing_string(exchange))
}

#[cfg(test)]
mod tests;
