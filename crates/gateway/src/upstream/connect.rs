//! Opening a connection to a node, and speaking to it.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use http::uri::Authority;
use hyper::client::conn::http2;
use hyper_util::rt::TokioIo;
use model::resource::Scheme;
use plan::{ClientIdentity, CompiledNode, CompiledUpstream, HostHeader};
use rustls::sign::SingleCertAndKey;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::http1::Http1;
use super::stream::Stream;
use super::trust;
use crate::request::UpstreamBody;
use crate::worker::OnWorker;

/// Where to connect and how.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Target {
    pub(crate) host: Box<str>,
    pub(crate) port: u16,
    /// Where it is; not known yet of one that is named.
    pub(crate) socket: Option<SocketAddr>,
    /// Whether it is spoken to in HTTP/2, as gRPC needs it.
    pub(crate) http2: bool,
    /// Server name, when the connection is encrypted.
    pub(crate) tls: Option<TlsTarget>,
}

/// How to encrypt.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct TlsTarget {
    pub(crate) server_name: Box<str>,
    pub(crate) verify: bool,
    /// What we show when asked.
    pub(crate) identity: Option<ClientIdentity>,
}

impl Target {
    /// The target of a node of an upstream.
    pub(crate) fn of(upstream: &CompiledUpstream, node: &CompiledNode) -> Self {
        let server_name = match &upstream.host_header {
            HostHeader::Fixed(host) => server_name(host.as_bytes()).unwrap_or_else(|| node.host.clone()),
            HostHeader::Client | HostHeader::Node => node.host.clone(),
        };
        let tls =
            TlsTarget { server_name, verify: upstream.verify_certificate, identity: upstream.client_identity.clone() };
        Self {
            host: node.host.clone(),
            port: node.port,
            socket: node.socket,
            http2: matches!(upstream.scheme, Scheme::Grpc | Scheme::Grpcs),
            tls: upstream.scheme.is_tls().then_some(tls),
        }
    }
}

/// The server name of a Host header, whose port is no part of it.
pub(crate) fn server_name(host: &[u8]) -> Option<Box<str>> {
    let authority = Authority::try_from(host).ok()?;
    Some(authority.host().trim_matches(['[', ']']).into())
}

/// How requests go onto a connection.
pub(crate) enum Sender {
    /// One after another.
    Http1(Rc<Http1>),
    /// Several at once.
    Http2(http2::SendRequest<UpstreamBody>),
}

impl Sender {
    /// Whether a request can go onto it now. One of HTTP/1 was seen to be open when it was taken from its pool.
    pub(crate) fn is_ready(&self) -> bool {
        match self {
            Sender::Http1(_) => true,
            Sender::Http2(sender) => sender.is_ready(),
        }
    }
}

/// Connects and makes HTTP of it. A connection of HTTP/2 runs as a task of the worker until it closes.
pub(crate) async fn connect(target: &Target) -> io::Result<Sender> {
    let socket = target.socket.ok_or(io::ErrorKind::NotFound)?;
    let stream = TcpStream::connect(socket).await?;
    stream.set_nodelay(true)?;
    let stream = match &target.tls {
        None => Stream::Plain(stream),
        Some(tls) => Stream::Tls(Box::new(encrypt(stream, tls, target.http2).await?)),
    };
    if !target.http2 {
        return Ok(Sender::Http1(Http1::new(stream)));
    }
    let handshake = http2::handshake(OnWorker, TokioIo::new(stream));
    let (sender, connection) = handshake.await.map_err(io::Error::other)?;
    // What goes wrong on a connection shows at the request that uses it.
    tokio::task::spawn_local(async move { drop(connection.await) });
    Ok(Sender::Http2(sender))
}

async fn encrypt(stream: TcpStream, tls: &TlsTarget, http2: bool) -> io::Result<TlsStream<TcpStream>> {
    let mut config = if tls.verify { trust::verifying().await? } else { trust::trusting()? };
    if let Some(identity) = &tls.identity {
        let shown = SingleCertAndKey::from(identity.certified.clone());
        Arc::make_mut(&mut config).client_auth_cert_resolver = Arc::new(shown);
    }
    if http2 {
        Arc::make_mut(&mut config).alpn_protocols = vec![b"h2".to_vec()];
    }
    let name = ServerName::try_from(tls.server_name.to_string()).map_err(io::Error::other)?;
    TlsConnector::from(config).connect(name, stream).await
}
