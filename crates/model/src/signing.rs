//! The bytes that a control plane signs and an instance verifies.

use crate::digest::Digest;
use crate::id::{GroupId, Revision};

/// Marks what the signature is for, so that it can never be taken for another message.
const PURPOSE: &[u8] = b"flotilla-configuration-v1";

/// What Ed25519 signs: purpose, group id with its length, revision (big endian), digest.
pub fn payload(group: &GroupId, revision: Revision, digest: &Digest) -> Vec<u8> {
    let group = group.as_str().as_bytes();
    let mut out = Vec::with_capacity(PURPOSE.len() + group.len() + 48);
    out.extend_from_slice(PURPOSE);
    out.extend_from_slice(&(group.len() as u64).to_be_bytes());
    out.extend_from_slice(group);
    out.extend_from_slice(&revision.to_be_bytes());
    out.extend_from_slice(&digest.0);
    out
}
