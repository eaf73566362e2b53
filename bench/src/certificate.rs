//! The one server certificate, P-256, that all proxies show.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::{ClientConfig, RootCertStore, version};

use crate::load::SERVER_NAME;

pub(crate) struct Certificate {
    pub(crate) chain_pem: String,
    pub(crate) key_pem: String,
    pub(crate) chain_file: PathBuf,
    pub(crate) key_file: PathBuf,
    /// Chain and key in one file, as HAProxy wants it.
    pub(crate) both_file: PathBuf,
    client: Arc<ClientConfig>,
}

impl Certificate {
    /// Makes a fresh one with its files in `dir`.
    pub(crate) fn make(dir: &Path) -> Result<Self> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let certificate = CertificateParams::new(vec![SERVER_NAME.to_owned()])?.self_signed(&key)?;
        let mut roots = RootCertStore::empty();
        roots.add(certificate.der().clone())?;
        let (chain_pem, key_pem) = (certificate.pem(), key.serialize_pem());
        let path = |name: &str| dir.join(name);
        let (chain_file, key_file, both_file) = (path("chain.pem"), path("key.pem"), path("both.pem"));
        fs::write(&chain_file, &chain_pem)?;
        fs::write(&key_file, &key_pem)?;
        fs::write(&both_file, format!("{chain_pem}{key_pem}"))?;
        let client = Arc::new(client_config(roots)?);
        Ok(Self { chain_pem, key_pem, chain_file, key_file, both_file, client })
    }

    /// A client that trusts it and nothing else.
    pub(crate) fn client_config(&self) -> Arc<ClientConfig> {
        self.client.clone()
    }
}

/// TLS 1.3 only, so that all proxies do the same work.
fn client_config(roots: RootCertStore) -> Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&version::TLS13])?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
