//! A sign-in that was begun: what its callback is held against.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::{constant_time, digest, rand};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::config::Secret;
use crate::error::SignOnError;

/// How long a user may take at the provider.
const LIFETIME: Duration = Duration::from_secs(600);

/// A sign-in that was begun and not finished: the caller keeps it where only the browser that began it can bring it back
/// (sealed in a cookie, or in a session), and forgets it at the first callback, whatever that brings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// Ties the callback to the browser; a caller with many sign-ins at once finds this one by it.
    pub state: String,
    /// Ties the ID token to this sign-in.
    pub(super) nonce: Secret,
    /// Ties the code to whoever asked for it (RFC 7636).
    pub(super) verifier: Secret,
    pub(super) redirect_uri: String,
    /// Whom the user was sent to.
    pub(super) issuer: String,
    /// Seconds since 1970.
    begun: u64,
}

/// What a provider sends the user's browser back with: the query of the redirect address.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Callback {
    /// What tokens are given for.
    pub code: Option<Secret>,
    /// As it was sent along.
    pub state: Option<String>,
    /// Who sends the user back (RFC 9207).
    pub iss: Option<String>,
    /// Why the user is not signed in.
    pub error: Option<String>,
    /// The same in words.
    pub error_description: Option<String>,
}

impl Pending {
    pub(super) fn begin(redirect_uri: &str, issuer: &str, now: SystemTime) -> Result<Self, SignOnError> {
        Ok(Self {
            state: random()?,
            nonce: random()?.into(),
            verifier: random()?.into(),
            redirect_uri: redirect_uri.to_owned(),
            issuer: issuer.to_owned(),
            begun: seconds(now),
        })
    }

    /// RFC 7636, section 4.2, method `S256`.
    pub(super) fn challenge(&self) -> String {
        let hash = digest::digest(&digest::SHA256, self.verifier.reveal().as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(hash)
    }

    /// Whether the callback belongs to this sign-in, and this to the provider.
    pub(super) fn accept(&self, callback: &Callback, issuer: &str, now: SystemTime) -> Result<(), SignOnError> {
        let state = callback.state.as_deref().unwrap_or_default();
        if constant_time::verify_slices_are_equal(state.as_bytes(), self.state.as_bytes()).is_err() {
            return Err(SignOnError::Callback("its state is another's"));
        }
        if self.issuer != issuer {
            return Err(SignOnError::Callback("it was begun with another provider"));
        }
        // A moment in the future is as wrong as one long past.
        let is_current = seconds(now).checked_sub(self.begun).is_some_and(|past| past < LIFETIME.as_secs());
        if is_current { Ok(()) } else { Err(SignOnError::Callback("it was begun too long ago")) }
    }
}

impl Callback {
    /// RFC 9207, section 2.4: a user who was sent to one provider must not come back from another.
    pub(super) fn check_issuer(&self, issuer: &str, must_be_named: bool) -> Result<(), SignOnError> {
        match &self.iss {
            Some(named) if named != issuer => Err(SignOnError::Callback("it comes from another provider")),
            None if must_be_named => Err(SignOnError::Callback("it does not name its provider")),
            _ => Ok(()),
        }
    }
}

/// 256 bits, as text that needs no escaping anywhere.
fn random() -> Result<String, SignOnError> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|_| SignOnError::Random)?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

pub(super) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://id.example.com";

    fn callback(state: &str) -> Callback {
        Callback { state: Some(state.to_owned()), ..Callback::default() }
    }

    #[test]
    fn a_callback_belongs_to_one_sign_in() {
        let now = SystemTime::now();
        let pending = Pending::begin("https://us/callback", ISSUER, now).expect("begun");
        let other = Pending::begin("https://us/callback", ISSUER, now).expect("begun");
        let refused =
            |callback: &Callback, issuer, now| pending.accept(callback, issuer, now).expect_err("refused").to_string();
        let right = callback(&pending.state);
        pending.accept(&right, ISSUER, now).expect("accepted");
        pending.accept(&right, ISSUER, now + LIFETIME - Duration::from_secs(2)).expect("accepted");
        assert!(refused(&callback(&other.state), ISSUER, now).contains("state"));
        assert!(refused(&Callback::default(), ISSUER, now).contains("state"));
        assert!(refused(&right, "https://other.example.com", now).contains("another provider"));
        assert!(refused(&right, ISSUER, now + LIFETIME).contains("too long"));
        assert!(refused(&right, ISSUER, now - LIFETIME).contains("too long"));
    }

    #[test]
    fn the_challenge_is_that_of_the_rfc() {
        // RFC 7636, appendix B.
        let mut pending = Pending::begin("", ISSUER, SystemTime::now()).expect("begun");
        pending.verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned().into();
        assert_eq!(pending.challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn it_can_be_kept_and_shows_no_secret() {
        let pending = Pending::begin("https://us/callback", ISSUER, SystemTime::now()).expect("begun");
        let kept = serde_json::to_string(&pending).expect("JSON");
        assert_eq!(serde_json::from_str::<Pending>(&kept).expect("the same"), pending);
        assert!(!format!("{pending:?}").contains(pending.verifier.reveal()));
    }

    #[test]
    fn the_issuer_is_ours_when_named_and_named_when_promised() {
        let named = |iss: Option<&str>| Callback { iss: iss.map(str::to_owned), ..Callback::default() };
        for must in [false, true] {
            named(Some(ISSUER)).check_issuer(ISSUER, must).expect("right");
            named(Some("https://id.example.com/")).check_issuer(ISSUER, must).expect_err("another");
        }
        named(None).check_issuer(ISSUER, false).expect("not promised");
        named(None).check_issuer(ISSUER, true).expect_err("promised");
    }
}
