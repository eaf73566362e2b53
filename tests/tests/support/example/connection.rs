//! A client's connections: from an address of its choice, with TLS and a certificate of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

use super::format::Step;
use super::names::Names;

pub trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

pub struct Connection {
    pub io: Box<dyn Io>,
    /// What the other side showed.
    pub certificate: Option<CertificateDer<'static>>,
}

pub async fn plain(to: SocketAddr, from: Option<Ipv4Addr>) -> anyhow::Result<Connection> {
    Ok(Connection { io: Box::new(tcp(to, from).await?), certificate: None })
}

/// TLS for this server name, with the certificate that the step asks for.
pub async fn encrypted(
    to: SocketAddr,
    server_name: &str,
    step: &Step,
    config: ClientConfig,
) -> anyhow::Result<Connection> {
    let name = ServerName::try_from(server_name.to_owned())?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, tcp(to, step.from).await?).await?;
    let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first()).cloned();
    Ok(Connection { io: Box::new(stream), certificate: shown.map(CertificateDer::into_owned) })
}

/// Trusts every server's certificate that has been made.
pub fn tls_config(authority: Option<&str>, names: &mut Names) -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in names.trusted() {
        roots.add(certificate.clone())?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = config.with_root_certificates(roots);
    Ok(match authority {
        Some(authority) => {
            let (certificate, key) = names.client(authority)?;
            config.with_client_auth_cert(vec![certificate], key)?
        }
        None => config.with_no_client_auth(),
    })
}

async fn tcp(to: SocketAddr, from: Option<Ipv4Addr>) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if let Some(from) = from {
        socket.bind(SocketAddr::from((from, 0)))?;
    }
    socket.connect(to).await
}
