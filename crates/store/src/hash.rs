//! How secrets that we made ourselves are kept: join tokens, admin keys, sessions, personal tokens.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};

/// SHA-256 of a secret with enough randomness of its own (passwords need argon2, which is not here).
/// The secret itself never reaches the database.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// Hashes the secret as the client sends it.
    pub fn of(secret: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, secret.as_bytes()).as_ref());
        Self(bytes)
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(..)")
    }
}

impl From<&SecretHash> for crate::db::Arg {
    fn from(hash: &SecretHash) -> Self {
        Self::from(hash.0.as_slice())
    }
}
