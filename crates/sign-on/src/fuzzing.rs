//! The parsers of untrusted bytes, opened for the fuzz targets.

/// Reads a directory's message as it comes: how long it says it is, and once that much is here whether it is one.
pub fn ldap_message(bytes: &[u8]) -> Option<(usize, bool)> {
    crate::ldap::fuzzed(bytes)
}

/// Whether a provider's token is signed by the key that its JWK says; `None` when one of the two is none.
pub fn signed_token(token: &str, jwk: &[u8]) -> Option<bool> {
    crate::oidc::fuzzed(token, jwk)
}
