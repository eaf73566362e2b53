//! Certificates that clients must show.

use std::sync::Arc;

use model::Fault;
use model::resource::SslClient;
use regex::RegexSet;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::{certificates, version1};

/// What clients of a server name must show, and for which paths they need not.
#[derive(Debug)]
pub struct ClientAuth {
    /// `skip_mtls_uri_regex`: paths that are served without a certificate.
    skip: RegexSet,
}

impl ClientAuth {
    pub(super) fn new(client: &SslClient) -> Result<Self, Fault> {
        let skip = RegexSet::new(&client.skip_mtls_uri_regex);
        let skip = skip.map_err(|error| Fault::new("/client/skip_mtls_uri_regex", error.to_string()))?;
        Ok(Self { skip })
    }

    /// Whether this path is served without a certificate.
    pub fn skips(&self, path: &str) -> bool {
        self.skip.is_match(path)
    }

    /// Checks certificates in the handshake. Where some paths need none, a client without one gets that far.
    pub(super) fn verifier(
        &self,
        client: &SslClient,
        provider: Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, Fault> {
        let authorities = certificates(&client.ca, "/client/ca")?;
        let mut roots = RootCertStore::empty();
        for certificate in &authorities {
            roots.add(certificate.clone()).map_err(|error| Fault::new("/client/ca", error.to_string()))?;
        }
        let algorithms = provider.signature_verification_algorithms;
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let builder = if self.skip.is_empty() { builder } else { builder.allow_unauthenticated() };
        let inner = builder.build().map_err(|error| Fault::new("/client/ca", error.to_string()))?;
        Ok(Arc::new(WithDepth { inner, authorities, depth: client.longest_chain() as usize, algorithms }))
    }
}

/// As many certificates between the client's and an authority as `depth` allows, and no more.
#[derive(Debug)]
struct WithDepth {
    inner: Arc<dyn ClientCertVerifier>,
    authorities: Vec<CertificateDer<'static>>,
    depth: usize,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for WithDepth {
    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        if version1::is_version_1(certificate) || self.authorities.contains(certificate) {
            version1::verify_client(certificate, &self.authorities, now, &self.algorithms)?;
            return Ok(ClientCertVerified::assertion());
        }
        let between = intermediates.iter().filter(|shown| !self.authorities.contains(*shown)).count();
        if between > self.depth {
            return Err(CertificateError::UnknownIssuer.into());
        }
        self.inner.verify_client_cert(certificate, intermediates, now)
    }

    fn client_auth_mandatory(&self) -> bool {
        self.inner.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        version1::verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        version1::verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
