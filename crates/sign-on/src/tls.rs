//! TLS towards providers and directories.

use std::sync::Arc;

use model::{Fault, Faults};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls_platform_verifier::BuilderVerifierExt;

use crate::error::SignOnError;

/// Whom to take for the server.
pub(crate) enum Trust<'a> {
    /// The authorities of the operating system.
    System,
    /// The authorities of a PEM text.
    Authorities(&'a str),
    /// Anyone, because an administrator said so.
    Anyone,
}

impl<'a> Trust<'a> {
    /// What a configuration says; `authorities` is PEM, and empty for the system's.
    pub(crate) fn of(is_verified: bool, authorities: &'a str) -> Self {
        match (is_verified, authorities) {
            (false, _) => Self::Anyone,
            (true, "") => Self::System,
            (true, authorities) => Self::Authorities(authorities),
        }
    }
}

/// A certificate of ours and its key, as PEM.
pub(crate) struct Identity<'a> {
    pub(crate) certificate: &'a str,
    pub(crate) key: &'a str,
}

/// A client's side of TLS.
pub(crate) fn client(trust: Trust<'_>, identity: Option<Identity<'_>>) -> Result<ClientConfig, SignOnError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
    let builder = match trust {
        Trust::System => builder.with_platform_verifier()?,
        Trust::Authorities(pem) => builder.with_root_certificates(roots(pem)?),
        Trust::Anyone => builder.dangerous().with_custom_certificate_verifier(Arc::new(Anyone(provider))),
    };
    let Some(identity) = identity else { return Ok(builder.with_no_client_auth()) };
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes());
    let key = key.map_err(|_| fault("/client_key", "must be a PEM private key"))?;
    Ok(builder.with_client_auth_cert(certificates(identity.certificate, "/client_cert")?, key)?)
}

fn roots(pem: &str) -> Result<RootCertStore, SignOnError> {
    const POINTER: &str = "/root_ca_cert";
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem, POINTER)? {
        roots.add(certificate).map_err(|_| fault(POINTER, "must be certificates of authorities"))?;
    }
    Ok(roots)
}

fn certificates(pem: &str, pointer: &str) -> Result<Vec<CertificateDer<'static>>, Faults> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    read.map_err(|_| fault(pointer, "must be PEM certificates"))
}

fn fault(pointer: &str, right: &str) -> Faults {
    Fault::new(pointer, right).into()
}

/// Believes any certificate, but still makes the server prove that it holds its key.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
