//! Why the control plane does not do what it was asked, in the words of those who ask.

use std::time::Duration;

use model::{Fault, Faults, ResourceKey, Revision};
use store::StoreError;

use crate::fleet::JoinRefusal;
use crate::iam::Forbidden;

/// Why a use case did not end well. Nothing was written, except where a variant says that it is unknown.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// What was sent is wrong: 400.
    #[error("{0}")]
    Invalid(#[from] Faults),
    /// Of many items sent some are wrong; all faults are here: 400.
    #[error("{}", list(.0))]
    InvalidItems(Vec<ItemFault>),
    /// Nobody we know: 401.
    #[error("{0}")]
    Unauthenticated(&'static str),
    /// A session that somebody ended before its time: 401.
    #[error("the session has ended: {0}; log in again")]
    SessionEnded(String),
    /// The password is right, but the user has a second factor: 401.
    #[error("a one-time code of your second factor is needed: send it as totp_code")]
    SecondFactorNeeded,
    /// An account's own affair that this way in is not good for: 403.
    #[error("not permitted to {0} here: log in with a password of your own, or use a token that is not narrowed")]
    OwnAccount(&'static str),
    /// Too many wrong passwords of late: 429.
    #[error("too many failed logins; try again in {} s", .retry_after.as_secs())]
    TooManyAttempts {
        /// How long to wait.
        retry_after: Duration,
    },
    /// A name that too many wrong passwords in a row have locked, whether there is such a user or not: 429.
    #[error(
        "too many wrong passwords or codes in a row: this name is locked for another {} s, unless an administrator unlocks it",
        .retry_after.as_secs()
    )]
    Locked {
        /// How long it is locked still.
        retry_after: Duration,
    },
    /// Known, but not permitted: 403.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// It is not there: 404.
    #[error("{what} {id:?} does not exist")]
    NotFound {
        /// In words: `gateway group`, `route`.
        what: &'static str,
        /// The id asked for.
        id: String,
    },
    /// It cannot be as long as something else is as it is: 409.
    #[error("{0}")]
    Conflict(String),
    /// The caller wrote against something that has changed since: 412.
    #[error("the revision expected is {expected}, but the gateway group is at {head}")]
    Stale {
        /// What the caller named.
        expected: Revision,
        /// The head of the group.
        head: Revision,
    },
    /// An instance may not join, renew or stay.
    #[error(transparent)]
    Join(#[from] JoinRefusal),
    /// The database cannot be reached: 503. When it was a write, it is unknown whether it took place.
    #[error("the control plane cannot answer now: {0}")]
    Unavailable(String),
    /// A fault of ours or of the data: 500. The text is for the log, not for clients.
    #[error("{0}")]
    Internal(String),
}

/// What is wrong with one item of many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemFault {
    /// Its place in the request, from 0.
    pub index: usize,
    /// Which resource it is.
    pub key: ResourceKey,
    /// What is wrong.
    pub fault: Fault,
}

impl std::fmt::Display for ItemFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "item {} ({}): {}", self.index, self.key, self.fault)
    }
}

fn list(items: &[ItemFault]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl ControlError {
    pub(crate) fn internal(cause: impl std::fmt::Display) -> Self {
        Self::Internal(cause.to_string())
    }

    pub(crate) fn not_found(key: &ResourceKey) -> Self {
        Self::NotFound { what: key.kind.name(), id: key.id.to_string() }
    }

    pub(crate) fn fault(pointer: &str, message: impl Into<String>) -> Self {
        Fault::new(pointer, message).into()
    }
}

impl From<Fault> for ControlError {
    fn from(fault: Fault) -> Self {
        Self::Invalid(fault.into())
    }
}

impl From<StoreError> for ControlError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(cause) => Self::Unavailable(cause),
            StoreError::NotFound { what, id } => Self::NotFound { what, id },
            StoreError::Duplicate { .. }
            | StoreError::Conflict { .. }
            | StoreError::Changed { .. }
            | StoreError::InUse { .. } => Self::Conflict(error.to_string()),
            StoreError::Nul => Self::fault("", error.to_string()),
            StoreError::Revoked(_) => Self::Join(JoinRefusal::NotAdmitted),
            other => Self::Internal(other.to_string()),
        }
    }
}
