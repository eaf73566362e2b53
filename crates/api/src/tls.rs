//! TLS of the HTTPS listener.

use std::sync::Arc;

use control::Control;
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::serve::ServerCertificate;

/// Why the listener has no usable certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A given text holds no certificate, or no key.
    #[error("the {0} given for the HTTPS listener is no PEM text that can be used")]
    Pem(&'static str),
    /// The control plane's own CA cannot issue one.
    #[error("the control plane's CA cannot issue a certificate for the HTTPS listener: {0}")]
    OwnCa(String),
    /// Certificate and key do not belong together.
    #[error("the certificate of the HTTPS listener cannot be used: {0}")]
    Rustls(#[from] rustls::Error),
}

/// The acceptor of a listener that shows this certificate and speaks HTTP/2 and HTTP/1.1.
pub(crate) fn acceptor(certificate: &ServerCertificate, control: &Control) -> Result<TlsAcceptor, TlsError> {
    let (chain, key) = match certificate {
        ServerCertificate::Given { chain_pem, key_pem } => given(chain_pem, key_pem)?,
        ServerCertificate::OwnCa => own(control)?,
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn given(chain: &str, key: &str) -> Result<Identity, TlsError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain.as_bytes()).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or(TlsError::Pem("certificate"))?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| TlsError::Pem("key"))?;
    Ok((chain, key))
}

/// The CA's own certificate goes along, so that a client that knows only its fingerprint can find it.
fn own(control: &Control) -> Result<Identity, TlsError> {
    let issued = control.issue_server_certificate().map_err(|error| TlsError::OwnCa(error.to_string()))?;
    Ok((issued.chain, issued.key))
}
