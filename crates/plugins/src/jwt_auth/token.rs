//! A token in compact form (RFC 7519): read, not yet believed.

use serde_json::{Map, Value};

use crate::consumer::credentials::base64_url;

/// Header, claims and signature of a token.
#[derive(Debug)]
pub(super) struct Token<'t> {
    /// What the signature is over: header and claims as they came.
    pub(super) signed: &'t str,
    /// `alg` of the header.
    pub(super) algorithm: String,
    pub(super) claims: Map<String, Value>,
    pub(super) signature: Vec<u8>,
}

impl<'t> Token<'t> {
    /// `None` when the text is no signed token.
    pub(super) fn parse(text: &'t str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let algorithm = object(header)?.get("alg")?.as_str()?.to_owned();
        Some(Self { signed, algorithm, claims: object(claims)?, signature: base64_url(signature)? })
    }

    /// Whether `exp` is ahead and `nbf` behind, as far as they are asked for. Times in seconds.
    pub(super) fn is_current(&self, claims: Claims, now: f64, grace: f64) -> bool {
        let holds = |name: &str, is_asked: bool, holds: &dyn Fn(f64) -> bool| match self.claims.get(name) {
            _ if !is_asked => true,
            Some(value) => value.as_f64().is_some_and(holds),
            None => !claims.are_required,
        };
        holds("exp", claims.exp, &|exp| exp > now - grace) && holds("nbf", claims.nbf, &|nbf| nbf < now + grace)
    }
}

/// Which claims are verified.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claims {
    pub(super) exp: bool,
    pub(super) nbf: bool,
    /// Whether a token without one of them is refused.
    pub(super) are_required: bool,
}

fn object(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&base64_url(part)?).ok()
}
