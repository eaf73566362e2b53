//! Why somebody was not signed in.

use std::time::Duration;

use model::Faults;

/// Why a sign-in failed. `Display` is for the log; [`SignOnError::user_text`] is what the user may be told.
///
/// Texts that came from outside are shown quoted and escaped, so that they cannot forge lines of a log.
#[derive(Debug, thiserror::Error)]
pub enum SignOnError {
    /// A configuration that cannot be used.
    #[error("the login option's configuration is wrong: {0}")]
    Config(#[from] Faults),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// The HTTP client cannot be made.
    #[error("the HTTP client cannot be set up: {0}")]
    Client(#[source] reqwest::Error),
    /// No random numbers are to be had.
    #[error("the system has no random numbers to give")]
    Random,
    /// The user's name or password is wrong, or must not be tried; the text says which, for the log alone.
    #[error("sign-in of {name:?} refused: {why}")]
    Credentials {
        /// What the user typed as name.
        name: String,
        /// What was wrong with it.
        why: &'static str,
    },
    /// The name stands for more than one user.
    #[error("{name:?} names more than one entry of the directory")]
    Ambiguous {
        /// What the user typed as name.
        name: String,
    },
    /// A server cannot be reached, or the connection broke.
    #[error("{what} cannot be reached: {why}")]
    Unreachable {
        /// Which server.
        what: String,
        /// What happened.
        why: String,
    },
    /// A server did not answer in time.
    #[error("{what} did not answer within {after:?}")]
    TimedOut {
        /// Which server.
        what: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// A server's answer is larger than any right one.
    #[error("{what} answers with more than {limit_bytes} bytes")]
    TooLarge {
        /// Which server.
        what: String,
        /// The limit.
        limit_bytes: usize,
    },
    /// A server's answer is not what the protocol says.
    #[error("{what} answers wrongly: {why}")]
    Answer {
        /// Which server.
        what: String,
        /// What is wrong with the answer.
        why: String,
    },
    /// The directory refused what was asked of it.
    #[error("the directory refused {what} with result code {code}: {diagnostic:?}")]
    Directory {
        /// What was asked.
        what: &'static str,
        /// The result code (RFC 4511, 4.1.9).
        code: u32,
        /// What the directory says about it.
        diagnostic: String,
    },
    /// The provider refused (RFC 6749, 4.1.2.1 and 5.2).
    #[error("the provider refused with {error:?}: {description:?}")]
    Provider {
        /// The code of the refusal, such as `access_denied`.
        error: String,
        /// What the provider says about it.
        description: String,
    },
    /// The callback does not belong to this sign-in: somebody may be trying to sign a user in as another.
    #[error("the callback is not this sign-in's: {0}")]
    Callback(&'static str),
    /// The ID token, or what belongs to it, is not to be believed.
    #[error("the ID token is not to be believed: {0}")]
    Token(#[from] TokenError),
}

/// What is wrong with an ID token.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is no signed token in compact form.
    #[error("it is no signed JWT")]
    Shape,
    /// Its algorithm is none that proves the provider's word: `none`, one with a shared secret, or one not announced.
    #[error("its algorithm {0:?} is not among those allowed")]
    Algorithm(String),
    /// Its header has extensions that must be understood (RFC 7515, 4.1.11).
    #[error("its header has critical extensions, and none is known")]
    Critical,
    /// No key of the provider fits.
    #[error("the provider has no key {kid:?} for it")]
    UnknownKey {
        /// The key that the token names.
        kid: Option<String>,
    },
    /// The signature is not the key's.
    #[error("its signature is wrong")]
    Signature,
    /// A claim is missing or of a wrong type.
    #[error("its claim {0} is missing or of a wrong type")]
    Claim(&'static str),
    /// Another issuer.
    #[error("it is of the issuer {0:?}")]
    Issuer(String),
    /// For somebody else.
    #[error("it is not for this client")]
    Audience,
    /// Handed out to somebody else, or to nobody named although it has several audiences.
    #[error("it was not handed out to this client (azp)")]
    AuthorizedParty,
    /// Past its time.
    #[error("it expired at {0} (seconds since 1970)")]
    Expired(i64),
    /// Before its time.
    #[error("its claim {0} is in the future")]
    Early(&'static str),
    /// Of another sign-in.
    #[error("its nonce is another sign-in's")]
    Nonce,
    /// It belongs to another access token.
    #[error("its at_hash is not the access token's")]
    AccessTokenHash,
    /// The userinfo endpoint speaks of somebody else.
    #[error("the userinfo endpoint speaks of another subject")]
    UserinfoSubject,
}

impl SignOnError {
    /// A short text for the user, that tells nothing of the inside and never whether a user exists.
    pub fn user_text(&self) -> &'static str {
        match self {
            Self::Credentials { .. } | Self::Ambiguous { .. } => "The user name or the password is wrong.",
            Self::Unreachable { .. } | Self::TimedOut { .. } => {
                "The sign-in service does not answer. Please try again later."
            }
            Self::Provider { error, .. } if error == "access_denied" => "The sign-in was cancelled or denied.",
            Self::Callback(_) => "This sign-in has expired or was begun elsewhere. Please start again.",
            Self::Config(_)
            | Self::Tls(_)
            | Self::Client(_)
            | Self::Random
            | Self::TooLarge { .. }
            | Self::Answer { .. }
            | Self::Directory { .. }
            | Self::Provider { .. }
            | Self::Token(_) => "The sign-in failed. Please ask your administrator, whose log says why.",
        }
    }

    /// Whether the user's own doing explains it, so that it is no fault of the installation: worth an audit entry, no alarm.
    pub fn is_users(&self) -> bool {
        match self {
            Self::Credentials { .. } | Self::Callback(_) => true,
            Self::Provider { error, .. } => error == "access_denied",
            _ => false,
        }
    }
}
