//! A digest of a set of resources that is kept in O(change) and does not depend on order.
//!
//! LtHash (Bellare and Micciancio; Lewi et al., "Securing Update Propagation with Homomorphic
//! Hashing", 2019): every element is expanded to 1,024 lanes of 16 bits, the set is the lane-wise
//! sum. Adding and removing an element are exact inverses, and finding two sets with one sum is a
//! short-vector problem of about 200 bits of security.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::ResourceKey;

const LANES: usize = 1024;

/// The running sum of a set of resources.
#[derive(Clone)]
pub struct SetHash {
    lanes: Box<[u16; LANES]>,
}

impl Default for SetHash {
    fn default() -> Self {
        Self { lanes: Box::new([0; LANES]) }
    }
}

impl SetHash {
    /// Adds a resource with its canonical bytes.
    pub fn add(&mut self, key: &ResourceKey, body: &[u8]) {
        self.each_lane(key, body, u16::wrapping_add);
    }

    /// Takes a resource out again that was added with these very bytes.
    pub fn remove(&mut self, key: &ResourceKey, body: &[u8]) {
        self.each_lane(key, body, u16::wrapping_sub);
    }

    /// The digest of the set as it stands.
    pub fn digest(&self) -> Digest {
        let mut hasher = blake3::Hasher::new();
        for lane in self.lanes.iter() {
            hasher.update(&lane.to_le_bytes());
        }
        Digest(*hasher.finalize().as_bytes())
    }

    fn each_lane(&mut self, key: &ResourceKey, body: &[u8], combine: fn(u16, u16) -> u16) {
        let mut expanded = [0u8; LANES * 2];
        element_hasher(key, body).finalize_xof().fill(&mut expanded);
        for (lane, bytes) in self.lanes.iter_mut().zip(expanded.chunks_exact(2)) {
            *lane = combine(*lane, u16::from_le_bytes([bytes[0], bytes[1]]));
        }
    }
}

/// Every part goes in with its length, so that no two elements share one input.
fn element_hasher(key: &ResourceKey, body: &[u8]) -> blake3::Hasher {
    let parent = key.parent.as_ref().map_or("", |parent| parent.as_str());
    let mut hasher = blake3::Hasher::new();
    for part in [key.kind.name().as_bytes(), parent.as_bytes(), key.id.as_str().as_bytes(), body] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher
}

/// Digest of a group's configuration: 32 bytes, shown as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Takes 32 bytes as they came over the wire.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl Default for Digest {
    /// Digest of the empty configuration.
    fn default() -> Self {
        SetHash::default().digest()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = hex::FromHexError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Digest {
    type Error = hex::FromHexError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Kind, ResourceId};

    /// Instances and control planes of different versions compare digests: another algorithm would be drift
    /// everywhere. Should one of these have to change, the channel's protocol needs a new version.
    #[test]
    fn digests_are_the_same_in_every_version() {
        let id = |text: &str| ResourceId::new(text).expect("id");
        let mut hash = SetHash::default();
        let empty = hash.digest();
        hash.add(&ResourceKey::new(Kind::Route, id("r")), br#"{"uri":"/"}"#);
        let route = hash.digest();
        hash.add(&ResourceKey::below(id("jack"), Kind::Credential, id("k")), b"{}");
        assert_eq!(
            [empty, route, hash.digest()].map(|digest| digest.to_string()),
            [
                "be2a8de3dcf46c94ce85cdc8e07ac308f4d8a95490d956c38d780fd610db0813",
                "fd089b5d9c50289308801fc9a6b1a9dd5ccd716572b356d70ce86ff33e614b58",
                "ab50bbd2fafc2886023691a358ff9997052f34ae4d7ca10ff3c0af0c1d4a4d4e",
            ]
        );
    }

    #[test]
    fn text_and_bytes_give_the_digest_back() {
        let digest = Digest::default();
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert_eq!(Digest::from_slice(&digest.0), Some(digest));
        assert_eq!(Digest::from_slice(&digest.0[1..]), None);
        assert!("abc".parse::<Digest>().is_err());
        assert!("zz".repeat(32).parse::<Digest>().is_err());
    }
}
