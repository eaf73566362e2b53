//! Signed tokens and the keys that prove them (RFC 7515, 7517, 7518, 8037).

use aws_lc_rs::digest;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384,
    RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::TokenError;

/// A token as it came: read, not yet believed.
pub(super) struct Token<'t> {
    /// What the signature is over.
    signed: &'t str,
    signature: Vec<u8>,
    pub(super) header: Header,
    pub(super) claims: Map<String, Value>,
}

/// A token's header.
#[derive(Deserialize)]
pub(super) struct Header {
    pub(super) alg: String,
    pub(super) kid: Option<String>,
    crit: Option<Value>,
}

/// An asymmetric algorithm. There is none with a shared secret and no `none`: a public key can never serve as a secret.
pub(super) struct Algorithm {
    scheme: Scheme,
    /// The hash that `at_hash` is made with (OpenID Connect Core 1.0, section 3.1.3.6).
    pub(super) digest: &'static digest::Algorithm,
}

enum Scheme {
    Rsa(&'static RsaParameters),
    Curve { name: &'static str, coordinate_bytes: usize, verification: &'static dyn VerificationAlgorithm },
    Edwards,
}

/// A public key of the provider.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Jwk {
    kty: String,
    pub(super) kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl<'t> Token<'t> {
    pub(super) fn parse(text: &'t str) -> Result<Self, TokenError> {
        Self::parts(text).ok_or(TokenError::Shape)
    }

    fn parts(text: &'t str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        Some(Self {
            signed,
            signature: base64_url(signature)?,
            header: serde_json::from_slice(&base64_url(header)?).ok()?,
            claims: serde_json::from_slice(&base64_url(claims)?).ok()?,
        })
    }

    /// The algorithm that the token names, if it may be used. `announced` are those of the provider, if it says.
    pub(super) fn algorithm(&self, announced: &[String]) -> Result<Algorithm, TokenError> {
        if self.header.crit.is_some() {
            return Err(TokenError::Critical);
        }
        let name = &self.header.alg;
        let is_announced = announced.is_empty() || announced.contains(name);
        let algorithm = Algorithm::named(name).filter(|_| is_announced);
        algorithm.ok_or_else(|| TokenError::Algorithm(name.clone()))
    }

    /// Whether the signature is the key's.
    pub(super) fn verify(&self, algorithm: &Algorithm, key: &Jwk) -> Result<(), TokenError> {
        algorithm.verify(key, self.signed.as_bytes(), &self.signature).ok_or(TokenError::Signature)
    }
}

impl Algorithm {
    fn named(name: &str) -> Option<Self> {
        let rsa = |parameters, digest| Self { scheme: Scheme::Rsa(parameters), digest };
        let curve = |name, coordinate_bytes, verification: &'static dyn VerificationAlgorithm, digest| Self {
            scheme: Scheme::Curve { name, coordinate_bytes, verification },
            digest,
        };
        Some(match name {
            "RS256" => rsa(&RSA_PKCS1_2048_8192_SHA256, &digest::SHA256),
            "RS384" => rsa(&RSA_PKCS1_2048_8192_SHA384, &digest::SHA384),
            "RS512" => rsa(&RSA_PKCS1_2048_8192_SHA512, &digest::SHA512),
            "PS256" => rsa(&RSA_PSS_2048_8192_SHA256, &digest::SHA256),
            "PS384" => rsa(&RSA_PSS_2048_8192_SHA384, &digest::SHA384),
            "PS512" => rsa(&RSA_PSS_2048_8192_SHA512, &digest::SHA512),
            "ES256" => curve("P-256", 32, &ECDSA_P256_SHA256_FIXED, &digest::SHA256),
            "ES384" => curve("P-384", 48, &ECDSA_P384_SHA384_FIXED, &digest::SHA384),
            "ES512" => curve("P-521", 66, &ECDSA_P521_SHA512_FIXED, &digest::SHA512),
            // Ed25519 hashes by SHA-512 itself.
            "EdDSA" => Self { scheme: Scheme::Edwards, digest: &digest::SHA512 },
            _ => return None,
        })
    }

    fn verify(&self, key: &Jwk, signed: &[u8], signature: &[u8]) -> Option<()> {
        match self.scheme {
            Scheme::Rsa(parameters) => {
                let (n, e) = (field(&key.n)?, field(&key.e)?);
                // Leading zeros are wrong (RFC 7518, 6.3.1.1) but known to occur, and our library refuses them.
                let key = RsaPublicKeyComponents { n: without_zeros(&n), e: without_zeros(&e) };
                key.verify(parameters, signed, signature).ok()
            }
            Scheme::Curve { coordinate_bytes, verification, .. } => {
                let (x, y) = (field(&key.x)?, field(&key.y)?);
                if x.len() != coordinate_bytes || y.len() != coordinate_bytes {
                    return None;
                }
                // An uncompressed point (SEC 1, 2.3.3); the library refuses those that are not on the curve.
                let point = [&[4], x.as_slice(), y.as_slice()].concat();
                UnparsedPublicKey::new(verification, point).verify(signed, signature).ok()
            }
            Scheme::Edwards => UnparsedPublicKey::new(&ED25519, field(&key.x)?).verify(signed, signature).ok(),
        }
    }
}

impl Jwk {
    /// Whether the key is made to prove tokens of the algorithm of that name.
    pub(super) fn suits(&self, name: &str, algorithm: &Algorithm) -> bool {
        let is_of =
            |kty: &str, curve: Option<&str>| self.kty == kty && (curve.is_none() || self.crv.as_deref() == curve);
        let has_type = match algorithm.scheme {
            Scheme::Rsa(_) => is_of("RSA", None),
            Scheme::Curve { name, .. } => is_of("EC", Some(name)),
            Scheme::Edwards => is_of("OKP", Some("Ed25519")),
        };
        let is_for_signatures = self.usage.as_deref().is_none_or(|usage| usage == "sig");
        let may_verify = self.key_ops.as_ref().is_none_or(|operations| operations.iter().any(|name| name == "verify"));
        has_type && is_for_signatures && may_verify && self.alg.as_deref().is_none_or(|own| own == name)
    }
}

fn field(text: &Option<String>) -> Option<Vec<u8>> {
    base64_url(text.as_deref()?)
}

pub(super) fn base64_url(text: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|&&byte| byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

#[cfg(test)]
mod tests;
