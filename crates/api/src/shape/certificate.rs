//! What answers tell of a certificate beside its text.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, X509Certificate};

/// From when until when a certificate is good, in unix seconds.
pub(crate) struct Validity {
    /// Not before.
    pub(crate) start: i64,
    /// Not after.
    pub(crate) end: i64,
}

/// The validity of a chain's first certificate; none when the text holds none.
pub(crate) fn validity(pem: &str) -> Option<Validity> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
    let (_, certificate) = X509Certificate::from_der(&der).ok()?;
    let validity = certificate.validity();
    Some(Validity { start: validity.not_before.timestamp(), end: validity.not_after.timestamp() })
}
