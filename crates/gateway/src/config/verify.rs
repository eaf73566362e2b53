//! Whether the other end is a control plane of the CA we trust.
//!
//! Names do not matter: control planes are reached by address, through balancers and tunnels. What
//! matters is the private CA, that the certificate is for servers, and that it is not an instance's.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::token::Fingerprint;

/// Which CA is trusted.
#[derive(Debug, Clone)]
pub(super) enum Trust {
    /// First contact: the one of which the join token has the fingerprint. The server must send it along.
    Fingerprint(Fingerprint),
    /// The one learnt at joining.
    Ca(CertificateDer<'static>),
}

/// SHA-256 of a certificate's DER.
pub(super) fn fingerprint(certificate: &CertificateDer<'_>) -> Fingerprint {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, certificate).as_ref());
    out
}

#[derive(Debug)]
pub(super) struct ControlPlaneVerifier {
    pub(super) trust: Trust,
    pub(super) provider: Arc<CryptoProvider>,
}

impl ControlPlaneVerifier {
    fn root(&self, chain: &[CertificateDer<'_>]) -> Result<CertificateDer<'static>, Error> {
        match &self.trust {
            Trust::Ca(ca) => Ok(ca.clone()),
            Trust::Fingerprint(expected) => chain
                .iter()
                .find(|certificate| fingerprint(certificate) == *expected)
                .map(|ca| ca.clone().into_owned())
                .ok_or_else(|| Error::General("the server's CA has not the fingerprint in the join token".to_owned())),
        }
    }
}

impl ServerCertVerifier for ControlPlaneVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let mut roots = RootCertStore::empty();
        roots.add(self.root(intermediates)?)?;
        let leaf = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&leaf, &roots, intermediates, now, algorithms)?;
        refuse_instance(end_entity)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Instances have certificates of the same CA; one that was broken into must not play control plane.
fn refuse_instance(leaf: &CertificateDer<'_>) -> Result<(), Error> {
    let refused = || Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure);
    let (_, certificate) = X509Certificate::from_der(leaf).map_err(|_| refused())?;
    let names = certificate.subject_alternative_name().map_err(|_| refused())?;
    let mut names = names.iter().flat_map(|names| &names.value.general_names);
    let is_instance = |name: &GeneralName<'_>| matches!(name, GeneralName::URI(uri) if uri.contains("/gateway-group/"));
    if names.any(is_instance) { Err(refused()) } else { Ok(()) }
}
