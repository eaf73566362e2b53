//! The provider's keys, and tokens signed with them.

use anyhow::Context;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
    RsaEncoding, RsaKeyPair,
};
use aws_lc_rs::{digest, hmac, rand};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// How a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

pub(super) struct Key {
    pub(super) id: String,
    algorithm: Algorithm,
    pair: Pair,
}

enum Pair {
    Rsa(RsaKeyPair),
    Curve(EcdsaKeyPair),
    Edwards(Ed25519KeyPair),
}

impl Algorithm {
    fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

impl Key {
    pub(super) fn generate(algorithm: Algorithm) -> anyhow::Result<Self> {
        let pair = match algorithm {
            Algorithm::Rs256 | Algorithm::Ps256 => RsaKeyPair::generate(KeySize::Rsa2048).map(Pair::Rsa),
            Algorithm::Es256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map(Pair::Curve),
            Algorithm::EdDsa => Ed25519KeyPair::generate().map(Pair::Edwards),
        };
        Ok(Self { id: random()?, algorithm, pair: pair.ok().context("no key can be made")? })
    }

    /// The public half as it is published (RFC 7517).
    pub(super) fn published(&self) -> Value {
        let mut key = json!({ "kid": self.id, "use": "sig", "alg": self.algorithm.name() });
        let parts = match &self.pair {
            // PKCS #1: the modulus of 256 bytes stands behind a head of nine; the exponent is 65537.
            Pair::Rsa(pair) => {
                json!({ "kty": "RSA", "n": encoded(part(pair.public_key().as_ref(), 9, 256)), "e": "AQAB" })
            }
            Pair::Curve(pair) => {
                let point = pair.public_key().as_ref();
                let (x, y) = (encoded(part(point, 1, 32)), encoded(part(point, 33, 32)));
                json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y })
            }
            Pair::Edwards(pair) => json!({ "kty": "OKP", "crv": "Ed25519", "x": encoded(pair.public_key()) }),
        };
        for (name, value) in parts.as_object().into_iter().flatten() {
            key[name] = value.clone();
        }
        key
    }

    /// A signed token that names the key `id`.
    pub(super) fn token(&self, id: &str, claims: &Value) -> anyhow::Result<String> {
        let header = json!({ "alg": self.algorithm.name(), "kid": id, "typ": "JWT" });
        let body = body(&header, claims);
        Ok(format!("{body}.{}", encoded(self.sign(body.as_bytes())?)))
    }

    /// A token whose secret is what everybody may know.
    pub(super) fn token_with_public_key_as_secret(&self, claims: &Value) -> String {
        let public = match &self.pair {
            Pair::Rsa(pair) => pair.public_key().as_ref(),
            Pair::Curve(pair) => pair.public_key().as_ref(),
            Pair::Edwards(pair) => pair.public_key().as_ref(),
        };
        let body = body(&json!({ "alg": "HS256", "kid": self.id }), claims);
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, public), body.as_bytes());
        format!("{body}.{}", encoded(signature))
    }

    /// The claim `at_hash`.
    pub(super) fn access_token_hash(&self, access_token: &str) -> String {
        let algorithm = if self.algorithm == Algorithm::EdDsa { &digest::SHA512 } else { &digest::SHA256 };
        let hash = digest::digest(algorithm, access_token.as_bytes());
        encoded(part(hash.as_ref(), 0, hash.as_ref().len() / 2))
    }

    fn sign(&self, message: &[u8]) -> anyhow::Result<Vec<u8>> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let padding: &'static dyn RsaEncoding =
                    if self.algorithm == Algorithm::Ps256 { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, message, &mut signature).ok().context("no signature")?;
                Ok(signature)
            }
            Pair::Curve(pair) => Ok(pair.sign(&random, message).ok().context("no signature")?.as_ref().to_vec()),
            Pair::Edwards(pair) => Ok(pair.sign(message).as_ref().to_vec()),
        }
    }
}

/// A token that nobody signed.
pub(super) fn unsigned_token(claims: &Value) -> String {
    format!("{}.", body(&json!({ "alg": "none" }), claims))
}

/// 128 random bits as text.
pub(super) fn random() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).ok().context("no random numbers")?;
    Ok(encoded(bytes))
}

pub(super) fn encoded(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn body(header: &Value, claims: &Value) -> String {
    format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()))
}

fn part(bytes: &[u8], from: usize, length: usize) -> &[u8] {
    bytes.get(from..from + length).unwrap_or_default()
}
