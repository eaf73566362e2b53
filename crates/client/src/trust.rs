//! Whom a client takes for the control plane.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use rustls_platform_verifier::BuilderVerifierExt;
use sha2::{Digest, Sha256};

/// Whom to trust on HTTPS.
#[derive(Debug, Clone, Default)]
pub enum Trust {
    /// The authorities of the operating system.
    #[default]
    System,
    /// The authorities of a PEM text.
    CaPem(String),
    /// The one authority with this fingerprint, sent by the server with its certificate: what a join token carries.
    CaFingerprint(Fingerprint),
}

/// SHA-256 of a CA certificate's DER form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

/// Why an authority cannot be trusted.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The text is no fingerprint.
    #[error("a fingerprint must be 64 hexadecimal digits (SHA-256 of the CA certificate)")]
    Fingerprint,
    /// The text holds no certificate.
    #[error("the CA file holds no usable PEM certificate")]
    CaPem,
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

impl Fingerprint {
    /// Reads 64 hexadecimal digits; colons between them are understood.
    ///
    /// # Errors
    /// [`TrustError::Fingerprint`] for anything else.
    pub fn parse(text: &str) -> Result<Self, TrustError> {
        let digits = text.replace(':', "");
        let bytes = hex::decode(digits.trim()).map_err(|_| TrustError::Fingerprint)?;
        bytes.try_into().map(Self).map_err(|_| TrustError::Fingerprint)
    }

    /// The fingerprint of a certificate.
    pub fn of(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }
}

impl Trust {
    /// The TLS configuration that trusts so.
    pub(crate) fn client_config(&self) -> Result<ClientConfig, TrustError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
        Ok(match self {
            Self::System => builder.with_platform_verifier()?.with_no_client_auth(),
            Self::CaPem(pem) => builder.with_root_certificates(roots(pem)?).with_no_client_auth(),
            Self::CaFingerprint(fingerprint) => {
                let verifier = Arc::new(PinnedCa { fingerprint: *fingerprint, provider });
                builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
            }
        })
    }
}

fn roots(pem: &str) -> Result<RootCertStore, TrustError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        roots.add(certificate.map_err(|_| TrustError::CaPem)?).map_err(|_| TrustError::CaPem)?;
    }
    if roots.is_empty() { Err(TrustError::CaPem) } else { Ok(roots) }
}

/// Takes the CA with the known fingerprint out of the server's chain as the only root, then verifies as usual: chain,
/// validity and host name.
#[derive(Debug)]
struct PinnedCa {
    fingerprint: Fingerprint,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinnedCa {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let pinned = intermediates.iter().find(|certificate| Fingerprint::of(certificate) == self.fingerprint);
        let pinned = pinned.ok_or(CertificateError::UnknownIssuer)?;
        let mut roots = RootCertStore::empty();
        roots.add(pinned.clone().into_owned())?;
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), self.provider.clone())
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_with_and_without_colons() {
        let plain = "ab".repeat(32);
        let colons = vec!["AB"; 32].join(":");
        assert_eq!(Fingerprint::parse(&plain).expect("plain"), Fingerprint::parse(&colons).expect("colons"));
        assert!(Fingerprint::parse("abc").is_err());
        assert!(Trust::CaPem("nothing".into()).client_config().is_err());
    }
}
