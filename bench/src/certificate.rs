//! The one server certificate, P-256, that all proxies show.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::{self, kx_group};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme, version};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use serde_json::{Value, json};

use crate::case::Case;
use crate::load::SERVER_NAME;

pub(crate) struct Certificate {
    chain_pem: String,
    key_pem: String,
    pub(crate) chain_file: PathBuf,
    pub(crate) key_file: PathBuf,
    /// Chain and key in one file, as HAProxy wants it.
    pub(crate) both_file: PathBuf,
    client: ClientConfig,
    /// As [`Self::client`], for whom a handshake costs little.
    cheap_client: ClientConfig,
}

impl Certificate {
    /// Makes a fresh one with its files in `dir`.
    pub(crate) fn make(dir: &Path) -> Result<Self> {
        let (certificate, key) = issue(SERVER_NAME)?;
        let (chain_pem, key_pem) = (certificate.pem(), key.serialize_pem());
        let path = |name: &str| dir.join(name);
        let (chain_file, key_file, both_file) = (path("chain.pem"), path("key.pem"), path("both.pem"));
        fs::write(&chain_file, &chain_pem)?;
        fs::write(&key_file, &key_pem)?;
        fs::write(&both_file, format!("{chain_pem}{key_pem}"))?;
        let client = client_config(certificate.der())?;
        let mut cheap_client = client.clone();
        cheap_client.resumption = Resumption::disabled();
        cheap_client.dangerous().set_certificate_verifier(Arc::new(ByBytes(certificate.der().clone())));
        Ok(Self { chain_pem, key_pem, chain_file, key_file, both_file, client, cheap_client })
    }

    /// A client that trusts it and nothing else.
    pub(crate) fn client_config(&self, case: Case) -> Arc<ClientConfig> {
        let mut config = if case == Case::Handshakes { self.cheap_client.clone() } else { self.client.clone() };
        let protocol = if case == Case::Http2 { "h2" } else { "http/1.1" };
        config.alpn_protocols = vec![protocol.into()];
        Arc::new(config)
    }

    /// As our API takes it.
    pub(crate) fn resource(&self) -> Value {
        json!({ "snis": [SERVER_NAME], "cert": self.chain_pem, "key": self.key_pem })
    }
}

/// A certificate that nobody asks for, as our API takes it.
pub(crate) fn other_resource(name: &str) -> Result<Value> {
    let (certificate, key) = issue(name)?;
    Ok(json!({ "snis": [name], "cert": certificate.pem(), "key": key.serialize_pem() }))
}

fn issue(name: &str) -> Result<(rcgen::Certificate, KeyPair)> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    Ok((CertificateParams::new(vec![name.to_owned()])?.self_signed(&key)?, key))
}

/// TLS 1.3 and X25519 only, so that all proxies do the same work.
fn client_config(certificate: &CertificateDer<'static>) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone())?;
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups = vec![kx_group::X25519];
    let builder = ClientConfig::builder_with_provider(Arc::new(provider)).with_protocol_versions(&[&version::TLS13])?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Knows the certificate by its bytes and does not verify the signature of the handshake. The load generator shares
/// its processor with the upstream, and verifying takes longer than what the proxy has to do for it. That the proxy
/// has the key it should have is no question here; that it agreed on the same secrets still is verified.
#[derive(Debug)]
struct ByBytes(CertificateDer<'static>);

impl ServerCertVerifier for ByBytes {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if *end_entity == self.0 {
            return Ok(ServerCertVerified::assertion());
        }
        Err(CertificateError::UnknownIssuer.into())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("only TLS 1.3 is asked for".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}
