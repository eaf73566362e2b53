//! What a control plane vouches for, what an instance holds, and the check between them.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use bytes::Bytes;
use model::{Digest, GroupId, Revision, signing};

use crate::v1;

/// Length of an Ed25519 public key in bytes.
const KEY_BYTES: usize = 32;

/// Why a signed state cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignedError {
    /// The frame lacks what is signed.
    #[error("the frame names no revision")]
    Missing,
    /// The digest has not 32 bytes.
    #[error("the digest has {0} bytes instead of 32")]
    BadDigest(usize),
    /// No known key made this signature over this group, revision and digest.
    #[error("the signature is not the control plane's")]
    BadSignature,
    /// A signing key has not 32 bytes.
    #[error("the signing key has {0} bytes instead of 32")]
    BadKey(usize),
}

/// A group's configuration at one revision, as the control plane signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The group's revision.
    pub revision: Revision,
    /// Digest of the whole configuration at this revision.
    pub digest: Digest,
    /// Ed25519 over [`model::signing::payload`].
    pub signature: Bytes,
}

impl TryFrom<v1::Signed> for Signed {
    type Error = SignedError;
    fn try_from(signed: v1::Signed) -> Result<Self, SignedError> {
        let digest = digest_from_wire(&signed.digest)?;
        Ok(Self { revision: signed.revision, digest, signature: signed.signature })
    }
}

impl From<Signed> for v1::Signed {
    fn from(signed: Signed) -> Self {
        let digest = Bytes::copy_from_slice(&signed.digest.0);
        Self { revision: signed.revision, digest, signature: signed.signature }
    }
}

/// What an instance holds: the revision it serves and the digest it computed itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    /// The applied revision.
    pub revision: Revision,
    /// Digest of the applied configuration.
    pub digest: Digest,
}

impl TryFrom<v1::Applied> for Applied {
    type Error = SignedError;
    fn try_from(applied: v1::Applied) -> Result<Self, SignedError> {
        Ok(Self { revision: applied.revision, digest: digest_from_wire(&applied.digest)? })
    }
}

impl From<Applied> for v1::Applied {
    fn from(applied: Applied) -> Self {
        Self { revision: applied.revision, digest: Bytes::copy_from_slice(&applied.digest.0) }
    }
}

fn digest_from_wire(bytes: &Bytes) -> Result<Digest, SignedError> {
    Digest::from_slice(bytes).ok_or(SignedError::BadDigest(bytes.len()))
}

/// The public keys whose signatures an instance takes. More than one only while a key is replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifyingKeys(Vec<[u8; KEY_BYTES]>);

impl VerifyingKeys {
    /// Takes Ed25519 public keys of 32 bytes each.
    ///
    /// # Errors
    /// [`SignedError::BadKey`] when one has another length.
    pub fn new<K: AsRef<[u8]>>(keys: impl IntoIterator<Item = K>) -> Result<Self, SignedError> {
        let key = |key: K| key.as_ref().try_into().map_err(|_| SignedError::BadKey(key.as_ref().len()));
        keys.into_iter().map(key).collect::<Result<_, _>>().map(Self)
    }

    /// The keys' bytes.
    pub fn iter(&self) -> impl Iterator<Item = &[u8; KEY_BYTES]> {
        self.0.iter()
    }

    /// Checks that one of the keys signed this state of this group.
    ///
    /// # Errors
    /// [`SignedError::BadSignature`] when none did.
    pub fn verify(&self, group: &GroupId, signed: &Signed) -> Result<(), SignedError> {
        let payload = signing::payload(group, signed.revision, &signed.digest);
        let made_by =
            |key: &[u8; KEY_BYTES]| UnparsedPublicKey::new(&ED25519, key).verify(&payload, &signed.signature).is_ok();
        if self.0.iter().any(made_by) { Ok(()) } else { Err(SignedError::BadSignature) }
    }
}
