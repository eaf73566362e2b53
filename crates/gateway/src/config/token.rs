//! The join token: a secret, and whom to tell it.

use std::fmt;
use std::str::FromStr;

/// SHA-256 of a certificate's DER.
pub(super) type Fingerprint = [u8; 32];

/// `<secret>.<hexadecimal SHA-256 of the CA certificate's DER>`.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinToken {
    /// Proves to the control plane that this instance may join.
    pub(super) secret: String,
    /// Proves to this instance that it talks to the right control plane, before the secret is told.
    pub(super) ca: Fingerprint,
}

/// Why a text is no join token. Never shows the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// There is no dot, or nothing before it.
    #[error("a join token has the form <secret>.<fingerprint of the control plane's CA>")]
    BadForm,
    /// What stands behind the last dot is not 64 hexadecimal digits.
    #[error("the join token's fingerprint is not 64 hexadecimal digits: it was cut or changed on its way")]
    BadFingerprint,
}

impl FromStr for JoinToken {
    type Err = TokenError;
    fn from_str(text: &str) -> Result<Self, TokenError> {
        let (secret, fingerprint) = text.trim().rsplit_once('.').ok_or(TokenError::BadForm)?;
        if secret.is_empty() {
            return Err(TokenError::BadForm);
        }
        let mut ca = [0; 32];
        hex::decode_to_slice(fingerprint, &mut ca).map_err(|_| TokenError::BadFingerprint)?;
        Ok(Self { secret: secret.to_owned(), ca })
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinToken(ca: {})", hex::encode(self.ca))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_a_secret_and_a_fingerprint() {
        let token: JoinToken = format!("se.cret.{}\n", "0a".repeat(32)).parse().unwrap();
        assert_eq!((token.secret.as_str(), token.ca), ("se.cret", [10; 32]));
        assert!(!format!("{token:?}").contains("se.cret"));
        for (text, error) in [
            ("", TokenError::BadForm),
            ("secret", TokenError::BadForm),
            (&format!(".{}", "0a".repeat(32)), TokenError::BadForm),
            ("secret.", TokenError::BadFingerprint),
            (&format!("secret.{}", "0a".repeat(31)), TokenError::BadFingerprint),
            (&format!("secret.{}", "0g".repeat(32)), TokenError::BadFingerprint),
        ] {
            assert_eq!(text.parse::<JoinToken>(), Err(error), "{text}");
        }
    }
}
