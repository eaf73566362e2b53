//! A snapshot while it arrives.

use bytes::Bytes;
use model::{Change, GroupState, Revision};

use crate::changes::{ChangesError, decode_changes};
use crate::limits::MAX_SNAPSHOT_BYTES;
use crate::signed::Signed;

/// Why a snapshot is refused before the compiler sees it.
#[derive(Debug, thiserror::Error)]
pub(super) enum StagingError {
    #[error("a snapshot of {0} bytes is over the limit of {MAX_SNAPSHOT_BYTES}")]
    TooLarge(u64),
    #[error("the snapshot has more bytes than its start announced")]
    MoreThanAnnounced,
    #[error("a snapshot's chunk deletes {0}")]
    Delete(String),
    #[error(transparent)]
    Changes(#[from] ChangesError),
    #[error("the snapshot has {found} resources instead of {announced}")]
    Count { found: u64, announced: u64 },
    #[error("the snapshot's digest is not the signed one")]
    DigestMismatch,
}

/// What has come so far. Its signature is verified already; its content is not.
pub(super) struct Staging {
    signed: Signed,
    state: GroupState,
    announced: u64,
    bytes_left: u64,
}

impl Staging {
    pub(super) fn new(signed: Signed, resources: u64, bytes: u64) -> Result<Self, StagingError> {
        if bytes > MAX_SNAPSHOT_BYTES {
            return Err(StagingError::TooLarge(bytes));
        }
        Ok(Self { signed, state: GroupState::default(), announced: resources, bytes_left: bytes })
    }

    pub(super) fn revision(&self) -> Revision {
        self.signed.revision
    }

    pub(super) fn add(&mut self, chunk: Bytes) -> Result<(), StagingError> {
        let left = self.bytes_left.checked_sub(chunk.len() as u64);
        self.bytes_left = left.ok_or(StagingError::MoreThanAnnounced)?;
        for change in decode_changes(chunk)? {
            if let Change::Delete(key) = &change {
                return Err(StagingError::Delete(key.to_string()));
            }
            self.state.apply(&change);
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<(Signed, GroupState), StagingError> {
        let found = self.state.len() as u64;
        if found != self.announced {
            return Err(StagingError::Count { found, announced: self.announced });
        }
        if self.state.digest() != self.signed.digest {
            return Err(StagingError::DigestMismatch);
        }
        Ok((self.signed, self.state))
    }
}
