//! TLS towards clients: the server name decides the certificate, within a time limit.

use std::rc::Rc;
use std::sync::Arc;

use plugin_api::exchange::TlsInfo;
use rustls::server::Acceptor;
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use crate::worker::local::Local;
use crate::worker::wheel::Timer;

/// Shakes hands; `None` when that failed, which is the client's affair.
pub(super) async fn accept(worker: &Rc<Local>, stream: TcpStream) -> Option<(TlsStream<TcpStream>, TlsInfo)> {
    let timer = Timer::new();
    let shaken = timer.limit(worker.limits.client_idle, shake(worker, stream)).await;
    match shaken {
        Ok(Ok(stream)) => {
            let info = info(&stream);
            Some((stream, info))
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
        hello.server_name().zip(plan).and_then(|(sni, plan)| plan.tls().find(sni).map(Arc::clone))
    };
    match config {
        Some(config) => handshake.into_stream(config).await,
        None => Err(std::io::Error::other("no certificate for this server name")),
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
    TlsInfo { sni: connection.server_name().map(Into::into), protocol, cipher: cipher.unwrap_or_default() }
}
