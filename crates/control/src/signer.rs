//! The Ed25519 key with which the control plane signs configurations.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use model::{Digest, GroupId, Revision, signing};
use store::Store;

use crate::error::ControlError;

const SETTING: &str = "configuration-signing-key";

/// Signs (group, revision, digest).
pub(crate) struct Signer {
    key: Ed25519KeyPair,
    public: [u8; 32],
}

impl Signer {
    /// The key of this database; made on the first start. Replicas that start at once agree on one.
    pub(crate) async fn load(store: &Store) -> Result<Self, ControlError> {
        let fresh =
            Ed25519KeyPair::generate().and_then(|key| key.to_pkcs8().map(|document| document.as_ref().to_vec()));
        let fresh = zeroize::Zeroizing::new(fresh.map_err(ControlError::internal)?);
        let stands = store.settings().put_if_absent(SETTING, &fresh).await?;
        let key = Ed25519KeyPair::from_pkcs8(&stands).map_err(ControlError::internal)?;
        let public = key.public_key().as_ref().try_into().map_err(ControlError::internal)?;
        Ok(Self { key, public })
    }

    pub(crate) fn public_key(&self) -> [u8; 32] {
        self.public
    }

    pub(crate) fn sign(&self, group: &GroupId, revision: Revision, digest: &Digest) -> Vec<u8> {
        self.key.sign(&signing::payload(group, revision, digest)).as_ref().to_vec()
    }
}
