//! Sealing at rest: AES-256-GCM, one data key per gateway group, wrapped by the master key.
//!
//! Every sealed value is bound to its place by associated data, so that a row copied to another
//! group, resource, revision or column does not open there.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use zeroize::{Zeroize, Zeroizing};

use crate::error::StoreError;

const KEY_LEN: usize = 32;
/// First byte of every sealed value; another algorithm would take another one.
const FORMAT: u8 = 1;

/// The key that wraps all others. It comes from a file or the environment and never enters the database.
pub struct MasterKey(Zeroizing<[u8; KEY_LEN]>);

impl MasterKey {
    /// Takes 32 random bytes as the key and wipes the caller's copy.
    pub fn new(mut bytes: [u8; 32]) -> Self {
        let key = Self(Zeroizing::new(bytes));
        bytes.zeroize();
        key
    }

    /// Draws a new key from the system's random source.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when there is no randomness to be had.
    pub fn generate() -> Result<Self, StoreError> {
        random_key().map(Self)
    }

    /// The key's bytes, to be kept in a file that only its owner can read.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

/// A key ready for use.
pub(crate) struct Sealer(RandomizedNonceKey);

impl Sealer {
    pub(crate) fn of_master(key: &MasterKey) -> Result<Self, StoreError> {
        Self::new(key.as_bytes())
    }

    fn new(key: &[u8; KEY_LEN]) -> Result<Self, StoreError> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, key).map_err(|_| no_cryptography())?;
        Ok(Self(key))
    }

    /// Seals `plain` for its `place`: format byte, nonce, ciphertext, tag.
    pub(crate) fn seal(&self, place: &Place, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut text = plain.to_vec();
        let nonce = self.0.seal_in_place_append_tag(Aad::from(&place.0), &mut text).map_err(|_| no_cryptography())?;
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + text.len());
        sealed.push(FORMAT);
        sealed.extend_from_slice(nonce.as_ref());
        sealed.extend_from_slice(&text);
        Ok(sealed)
    }

    /// Opens what was sealed for this very `place` with this key.
    pub(crate) fn open(&self, place: &Place, sealed: &[u8]) -> Result<Vec<u8>, Unsealable> {
        let (format, rest) = sealed.split_first().ok_or(Unsealable)?;
        let (nonce, text) = rest.split_at_checked(NONCE_LEN).ok_or(Unsealable)?;
        if *format != FORMAT {
            return Err(Unsealable);
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Unsealable)?;
        let mut text = text.to_vec();
        let length = self.0.open_in_place(nonce, Aad::from(&place.0), &mut text).map_err(|_| Unsealable)?.len();
        text.truncate(length);
        Ok(text)
    }

    /// Draws a data key for a group and wraps it with this (master) key.
    pub(crate) fn new_data_key(&self, group: &str) -> Result<Vec<u8>, StoreError> {
        self.seal(&Place::data_key(group), &*random_key()?)
    }

    /// Unwraps a group's data key with this (master) key.
    pub(crate) fn data_key(&self, group: &str, wrapped: &[u8]) -> Result<Sealer, StoreError> {
        let what = || format!("data key of gateway group {group}");
        let plain = self.open(&Place::data_key(group), wrapped).map(Zeroizing::new);
        let plain = plain.map_err(|error| StoreError::corrupt(what(), error))?;
        let key = <&[u8; KEY_LEN]>::try_from(plain.as_slice()).map_err(|error| StoreError::corrupt(what(), error))?;
        Sealer::new(key)
    }
}

/// A sealed value that does not open: another key, another place, or other bytes than were sealed.
#[derive(Debug, thiserror::Error)]
#[error("it does not open with its key at this place")]
pub(crate) struct Unsealable;

/// Where a sealed value stands: the associated data. Each part goes in with its length, so that no
/// two places share one text.
pub(crate) struct Place(Vec<u8>);

impl Place {
    fn new(parts: &[&str]) -> Self {
        let mut text = Vec::with_capacity(parts.iter().map(|part| part.len() + 4).sum());
        for part in parts {
            text.extend_from_slice(&(part.len() as u64).to_be_bytes());
            text.extend_from_slice(part.as_bytes());
        }
        Self(text)
    }

    pub(crate) fn data_key(group: &str) -> Self {
        Self::new(&["data-key", group])
    }

    pub(crate) fn setting(name: &str) -> Self {
        Self::new(&["setting", name])
    }

    /// The key of a user's second factor.
    pub(crate) fn second_factor(user: &str) -> Self {
        Self::new(&["second-factor", user])
    }

    pub(crate) fn login_option(id: &str) -> Self {
        Self::new(&["login-option", id])
    }

    /// What a browser keeps of a sign-in that is under way.
    pub(crate) fn sign_in(option: &str) -> Self {
        Self::new(&["sign-in", option])
    }

    /// A resource's current body.
    pub(crate) fn resource(group: &str, key: [&str; 3]) -> Self {
        Self::new(&["resource", group, key[0], key[1], key[2]])
    }

    /// A body in the change log; `side` is `before` or `after`.
    pub(crate) fn change(side: &str, group: &str, revision: u64, position: u64, key: [&str; 3]) -> Self {
        Self::new(&[side, group, &revision.to_string(), &position.to_string(), key[0], key[1], key[2]])
    }
}

fn random_key() -> Result<Zeroizing<[u8; KEY_LEN]>, StoreError> {
    let mut key = Zeroizing::new([0; KEY_LEN]);
    aws_lc_rs::rand::fill(key.as_mut_slice()).map_err(|_| no_cryptography())?;
    Ok(key)
}

fn no_cryptography() -> StoreError {
    StoreError::Unavailable("the cryptographic library failed".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer() -> Sealer {
        Sealer::of_master(&MasterKey::new([7; 32])).unwrap()
    }

    #[test]
    fn opens_only_at_its_place_and_unchanged() {
        let here = Place::resource("default", ["route", "", "r1"]);
        let sealed = sealer().seal(&here, b"secret").unwrap();
        assert_eq!(sealer().open(&here, &sealed).unwrap(), b"secret");
        assert!(sealer().open(&Place::resource("default", ["route", "", "r2"]), &sealed).is_err());
        assert!(sealer().open(&Place::resource("default", ["route", "r", "1"]), &sealed).is_err());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(sealer().open(&here, &changed).is_err(), "byte {at}");
        }
        assert!(sealer().open(&here, &[]).is_err());
    }

    #[test]
    fn a_data_key_belongs_to_its_group_and_master_key() {
        let wrapped = sealer().new_data_key("a").unwrap();
        assert!(sealer().data_key("a", &wrapped).is_ok());
        assert!(sealer().data_key("b", &wrapped).is_err());
        let other = Sealer::of_master(&MasterKey::new([8; 32])).unwrap();
        assert!(other.data_key("a", &wrapped).is_err());
    }

    #[test]
    fn the_master_key_is_never_printed() {
        assert_eq!(format!("{:?}", MasterKey::new([0xAB; 32])), "MasterKey(..)");
    }
}
