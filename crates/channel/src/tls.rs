//! Who is on the other end: the listener's TLS and the identity in a client's certificate.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, version};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use wire::InstanceIdentity;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// The listener's own certificate, and the CA that issues the instances'.
pub struct TlsMaterial {
    /// The CA's certificate, DER; the only root for client certificates.
    pub ca: CertificateDer<'static>,
    /// The listener's chain, leaf first, the CA's certificate last: a joining instance looks for it.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's key.
    pub key: PrivateKeyDer<'static>,
}

/// A certificate is asked for but not demanded, since `Join` comes before the first one. `Renew` and
/// `Sync` demand it themselves.
pub(crate) fn server_config(material: TlsMaterial) -> Result<Arc<ServerConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(material.ca)?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .allow_unauthenticated()
        .build()
        .map_err(|error| rustls::Error::General(error.to_string()))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(material.chain, material.key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    // A resumed session would skip the certificate's expiry, and tickets cost memory per instance.
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// Whom a client certificate is for, and for how long.
pub(crate) struct Holder {
    pub(crate) identity: InstanceIdentity,
    pub(crate) expires_at: SystemTime,
}

/// Reads a verified client certificate: exactly one SAN, a URI of our form and trust domain.
pub(crate) fn holder_of(leaf: &CertificateDer<'_>, trust_domain: &str) -> Option<Holder> {
    let (rest, certificate) = X509Certificate::from_der(leaf).ok()?;
    let names = &certificate.subject_alternative_name().ok()??.value.general_names;
    let identity = match names.as_slice() {
        [GeneralName::URI(uri)] if rest.is_empty() => {
            uri.parse::<InstanceIdentity>().ok()?.within(trust_domain).ok()?
        }
        _ => return None,
    };
    let expires_at = u64::try_from(certificate.validity().not_after.timestamp()).ok()?;
    Some(Holder { identity, expires_at: UNIX_EPOCH + Duration::from_secs(expires_at) })
}
