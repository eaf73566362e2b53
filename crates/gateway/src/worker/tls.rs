//! TLS towards clients: the server name decides the certificate, within a time limit.

use std::rc::Rc;
use std::sync::{Arc, LazyLock};

use plugin_api::exchange::TlsInfo;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::{Acceptor, ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use crate::worker::client_certificate;
use crate::worker::local::Local;
use crate::worker::wheel::Timer;

/// Shakes hands; `None` when that failed, which is the client's affair.
pub(super) async fn accept(worker: &Rc<Local>, stream: TcpStream) -> Option<(Box<TlsStream<TcpStream>>, TlsInfo)> {
    let timer = Timer::new();
    let shaken = timer.limit(worker.limits.client_idle, shake(worker, stream)).await;
    match shaken {
        Ok(Ok(stream)) => {
            let info = info(&stream);
            Some((Box::new(stream), info))
        }
        Ok(Err(error)) => {
            tracing::debug!(%error, "TLS handshake failed");
            None
        }
        Err(_) => None,
    }
}

async fn shake(worker: &Rc<Local>, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
    let handshake = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let config = {
        let hello = handshake.client_hello();
        let plan = worker.plan();
        hello.server_name().zip(plan).and_then(|(sni, plan)| plan.tls().find(sni).map(|host| host.config.clone()))
    };
    handshake.into_stream(config.unwrap_or_else(no_certificate)).await
}

/// For names that nothing is known of: the client is told so by an alert.
fn no_certificate() -> Arc<ServerConfig> {
    static CONFIG: LazyLock<Arc<ServerConfig>> = LazyLock::new(|| {
        let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = builder.with_protocol_versions(rustls::ALL_VERSIONS);
        #[allow(clippy::expect_used, reason = "the provider's own versions and suites fit together")]
        let builder = builder.expect("versions of the provider").with_no_client_auth();
        Arc::new(builder.with_cert_resolver(Arc::new(NoCertificate)))
    });
    CONFIG.clone()
}

#[derive(Debug)]
struct NoCertificate;

impl ResolvesServerCert for NoCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        None
    }
}

fn info(stream: &TlsStream<TcpStream>) -> TlsInfo {
    let (_, connection) = stream.get_ref();
    let protocol = match connection.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
        _ => "unknown",
    };
    let cipher = connection.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite()));
    TlsInfo {
        sni: connection.server_name().map(Into::into),
        protocol,
        cipher: cipher.unwrap_or_default(),
        is_http2: connection.alpn_protocol() == Some(b"h2"),
        // One that does not hold has ended the handshake.
        client_certificate: connection
            .peer_certificates()
            .and_then(<[_]>::first)
            .map(|own| client_certificate::read(own)),
    }
}
