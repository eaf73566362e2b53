//! Who this instance is, kept across restarts: key, certificate chain, the keys it trusts.

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};
use wire::{InstanceIdentity, SignedError, VerifyingKeys, v1};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::disk;
use super::verify::fingerprint;

const FILE: &str = "identity.json";

/// Why an identity cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum IdentityFileError {
    #[error("{FILE}: {0}")]
    Io(#[from] io::Error),
    #[error("{FILE} is unreadable: {0}")]
    Unreadable(String),
    #[error("the certificate is not one of a gateway instance: {0}")]
    BadCertificate(String),
    #[error(transparent)]
    BadKey(#[from] SignedError),
    #[error("no key or certificate request could be made: {0}")]
    Csr(#[from] rcgen::Error),
}

/// A key with what the control plane gave for it.
pub(super) struct Identity {
    /// From the certificate, not from what anyone said.
    pub(super) name: InstanceIdentity,
    pub(super) signing_keys: VerifyingKeys,
    key: PrivatePkcs8KeyDer<'static>,
    chain: Vec<CertificateDer<'static>>,
    valid: (SystemTime, SystemTime),
}

/// A fresh key and the request to certify it. The names are the control plane's to choose.
pub(super) struct CertificateRequest {
    key: KeyPair,
    pub(super) csr: Vec<u8>,
}

impl CertificateRequest {
    pub(super) fn new() -> Result<Self, IdentityFileError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let csr = CertificateParams::default().serialize_request(&key)?.der().to_vec();
        Ok(Self { key, csr })
    }

    /// The identity that the answer makes of it.
    pub(super) fn fulfilled(self, certificate: v1::Certificate) -> Result<Identity, IdentityFileError> {
        let chain = certificate.chain.into_iter().map(|der| CertificateDer::from(der.to_vec())).collect();
        let keys = VerifyingKeys::new(certificate.signing_keys)?;
        Identity::new(PrivatePkcs8KeyDer::from(self.key.serialize_der()), chain, keys)
    }
}

impl Identity {
    fn new(
        key: PrivatePkcs8KeyDer<'static>,
        chain: Vec<CertificateDer<'static>>,
        signing_keys: VerifyingKeys,
    ) -> Result<Self, IdentityFileError> {
        let leaf = chain.first().ok_or_else(|| bad_certificate("the chain is empty"))?;
        let (name, valid) = read_leaf(leaf)?;
        Ok(Self { name, signing_keys, key, chain, valid })
    }

    pub(super) fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    pub(super) fn key(&self) -> PrivateKeyDer<'static> {
        self.key.clone_key().into()
    }

    /// The CA's certificate: the last of the chain.
    pub(super) fn ca(&self) -> Option<&CertificateDer<'static>> {
        self.chain.last()
    }

    /// Whether this CA issued it.
    pub(super) fn is_of(&self, ca: &[u8; 32]) -> bool {
        self.ca().is_some_and(|own| fingerprint(own) == *ca)
    }

    /// Whether the certificate's life is over.
    pub(super) fn is_expired(&self, now: SystemTime) -> bool {
        self.valid.1 <= now
    }

    /// When to renew: at two thirds of the certificate's life.
    pub(super) fn renew_at(&self) -> SystemTime {
        let (from, to) = self.valid;
        let life = to.duration_since(from).unwrap_or_default();
        from + life / 3 * 2
    }

    /// Reads the identity in `data_dir`, if there is one.
    pub(super) fn load(data_dir: &Path) -> Result<Option<Self>, IdentityFileError> {
        let text = match std::fs::read(data_dir.join(FILE)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let stored: Stored = serde_json::from_slice(&text).map_err(unreadable)?;
        stored.into_identity().map(Some)
    }

    /// Keeps it for the next start.
    pub(super) fn store(&self, data_dir: &Path) -> Result<(), IdentityFileError> {
        let text = serde_json::to_vec_pretty(&Stored::of(self)).map_err(unreadable)?;
        Ok(disk::replace_file(&data_dir.join(FILE), |file| file.write_all(&text))?)
    }
}

/// The file's form; bytes are base64.
#[derive(Serialize, Deserialize)]
struct Stored {
    /// For people who look into the file.
    identity: String,
    key: String,
    chain: Vec<String>,
    signing_keys: Vec<String>,
}

impl Stored {
    fn of(identity: &Identity) -> Self {
        Self {
            identity: identity.name.to_string(),
            key: BASE64.encode(identity.key.secret_pkcs8_der()),
            chain: identity.chain.iter().map(|der| BASE64.encode(der)).collect(),
            signing_keys: identity.signing_keys.iter().map(|key| BASE64.encode(key)).collect(),
        }
    }

    fn into_identity(self) -> Result<Identity, IdentityFileError> {
        let decode = |text: &String| BASE64.decode(text).map_err(unreadable);
        let chain: Result<Vec<_>, _> = self.chain.iter().map(|der| decode(der).map(CertificateDer::from)).collect();
        let keys: Result<Vec<_>, _> = self.signing_keys.iter().map(decode).collect();
        let key = PrivatePkcs8KeyDer::from(decode(&self.key)?);
        Identity::new(key, chain?, VerifyingKeys::new(keys?)?)
    }
}

fn read_leaf(leaf: &[u8]) -> Result<(InstanceIdentity, (SystemTime, SystemTime)), IdentityFileError> {
    let (_, certificate) = X509Certificate::from_der(leaf).map_err(bad_certificate)?;
    let names = certificate.subject_alternative_name().map_err(bad_certificate)?;
    let uri = names.iter().flat_map(|names| &names.value.general_names).find_map(|name| match name {
        GeneralName::URI(uri) => Some(*uri),
        _ => None,
    });
    let name = uri.ok_or_else(|| bad_certificate("it has no URI"))?.parse().map_err(bad_certificate)?;
    let validity = certificate.validity();
    Ok((name, (time(validity.not_before.timestamp()), time(validity.not_after.timestamp()))))
}

fn time(unix_seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(unix_seconds).unwrap_or(0))
}

fn unreadable(error: impl std::fmt::Display) -> IdentityFileError {
    IdentityFileError::Unreadable(error.to_string())
}

fn bad_certificate(error: impl std::fmt::Display) -> IdentityFileError {
    IdentityFileError::BadCertificate(error.to_string())
}
