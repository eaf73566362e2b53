//! A credential ready to verify signatures: keys parsed when the plan is compiled.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, VerificationAlgorithm,
};
use model::Fault;
use model::reference::is_reference;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;
use serde::Deserialize;
use serde_json::Value;

use super::token::Token;
use crate::consumer::credentials;

/// What a consumer's tokens are verified with.
pub(super) struct Verifier {
    algorithm: String,
    key: Key,
    /// Seconds that a token may be late or early.
    pub(super) grace: f64,
}

enum Key {
    Secret(Box<hmac::Key>),
    Public(ParsedPublicKey),
    /// No key could be read: APISIX stores such a credential too, and no token is ever right.
    Unreadable,
}

#[derive(Deserialize)]
struct Credential {
    secret: Option<String>,
    public_key: Option<String>,
    #[serde(default = "hs256")]
    algorithm: String,
    #[serde(default)]
    base64_secret: bool,
    #[serde(default)]
    lifetime_grace_period: u32,
}

fn hs256() -> String {
    "HS256".to_owned()
}

impl Verifier {
    pub(super) fn of(credential: &Value) -> Result<Self, Fault> {
        let credential: Credential = crate::read(credential)?;
        Ok(Self {
            key: Key::of(&credential)?,
            grace: credential.lifetime_grace_period.into(),
            algorithm: credential.algorithm,
        })
    }

    /// Whether the signature is this key's, by this credential's algorithm: what the token says of its algorithm is
    /// the caller's word, and a public key must never serve as a secret.
    pub(super) fn verify(&self, token: &Token<'_>) -> bool {
        let signed = token.signed.as_bytes();
        token.algorithm == self.algorithm
            && match &self.key {
                Key::Secret(key) => hmac::verify(key, signed, &token.signature).is_ok(),
                Key::Public(key) => key.verify_sig(signed, &token.signature).is_ok(),
                Key::Unreadable => false,
            }
    }
}

impl Key {
    fn of(credential: &Credential) -> Result<Self, Fault> {
        if let Some(algorithm) = by_secret(&credential.algorithm) {
            // Where a reference leads is seen on the instance alone, which comes here again with what it found.
            if credential.base64_secret && credential.secret.as_deref().is_some_and(is_reference) {
                return Ok(Key::Unreadable);
            }
            let secret = secret(credential)?;
            let key = Some(secret).filter(|secret| credentials::proves(secret));
            let key = key.map(|secret| hmac::Key::new(algorithm, &secret));
            return Ok(key.map_or(Key::Unreadable, |key| Key::Secret(Box::new(key))));
        }
        let pem = credential.public_key.as_deref().ok_or_else(|| Fault::new("", "missing valid public key"))?;
        let key = by_public_key(&credential.algorithm).and_then(|algorithm| public_key(algorithm, pem));
        if key.is_none() {
            tracing::warn!(algorithm = credential.algorithm, "jwt-auth: a consumer's public key cannot be read");
        }
        Ok(key.map_or(Key::Unreadable, Key::Public))
    }
}

fn secret(credential: &Credential) -> Result<Vec<u8>, Fault> {
    let Some(secret) = &credential.secret else {
        let which = match credential.algorithm.as_str() {
            "HS256" | "HS512" => "\"HS256\" or \"HS512\"".to_owned(),
            other => format!("\"{other}\""),
        };
        let message = format!("property \"secret\" is required when \"algorithm\" is {which}");
        return Err(Fault::new("/secret", message));
    };
    if !credential.base64_secret {
        return Ok(secret.clone().into_bytes());
    }
    let message = "base64_secret required but the secret is not in base64 format";
    credentials::base64(secret).ok_or_else(|| Fault::new("/secret", message))
}

fn public_key(algorithm: &'static dyn VerificationAlgorithm, pem: &str) -> Option<ParsedPublicKey> {
    let der = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()).ok()?;
    ParsedPublicKey::new(algorithm, der.as_ref()).ok()
}

fn by_secret(algorithm: &str) -> Option<hmac::Algorithm> {
    match algorithm {
        "HS256" => Some(hmac::HMAC_SHA256),
        "HS384" => Some(hmac::HMAC_SHA384),
        "HS512" => Some(hmac::HMAC_SHA512),
        _ => None,
    }
}

fn by_public_key(algorithm: &str) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match algorithm {
        "RS256" => &RSA_PKCS1_2048_8192_SHA256,
        "RS384" => &RSA_PKCS1_2048_8192_SHA384,
        "RS512" => &RSA_PKCS1_2048_8192_SHA512,
        "PS256" => &RSA_PSS_2048_8192_SHA256,
        "PS384" => &RSA_PSS_2048_8192_SHA384,
        "PS512" => &RSA_PSS_2048_8192_SHA512,
        "ES256" => &ECDSA_P256_SHA256_FIXED,
        "ES384" => &ECDSA_P384_SHA384_FIXED,
        "ES512" => &ECDSA_P521_SHA512_FIXED,
        "EdDSA" => &ED25519,
        _ => return None,
    })
}
