//! What can go wrong between a client and the control plane.

use crate::trust::TrustError;

/// What a call gives back.
pub type ClientResult<T> = Result<T, ClientError>;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server's address is none.
    #[error("the server's address must look like https://host:7443, not {0:?}")]
    Address(String),
    /// The certificate authority to trust cannot be used.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// No answer came: the server is away, its certificate is not trusted, or it took too long.
    #[error("no answer from {server}: {}", chain(source))]
    NoAnswer {
        /// The server asked.
        server: String,
        /// What the connection says.
        source: reqwest::Error,
    },
    /// The server refused.
    #[error("{error_msg} (HTTP {status})")]
    Refused {
        /// Status of the answer.
        status: u16,
        /// The server's words.
        error_msg: String,
    },
    /// The answer is not what this version of the API gives.
    #[error("the answer to {what} is not understood: {detail}")]
    Answer {
        /// Method and path.
        what: String,
        /// What is wrong with it.
        detail: String,
    },
    /// What was asked for by name is not there.
    #[error("{kind} {name:?} does not exist")]
    NoSuch {
        /// What it would be.
        kind: &'static str,
        /// The name.
        name: String,
    },
}

impl ClientError {
    /// Status of the answer, when one came.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether the password is right and a one-time code is asked for, too.
    pub fn wants_second_factor(&self) -> bool {
        // The field that is missing is what the answer names; there is no other sign.
        matches!(self, Self::Refused { status: 401, error_msg } if error_msg.contains("totp_code"))
    }
}

/// reqwest's own text stops at "error sending request"; what helps stands in its sources.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
