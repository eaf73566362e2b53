//! One HTTP/2 connection to a control plane, over TLS with or without this instance's certificate.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, version};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};
use wire::limits::{MAX_FROM_INSTANCE_BYTES, MAX_TO_INSTANCE_BYTES};
use wire::v1::config_channel_client::ConfigChannelClient;

use super::identity::Identity;
use super::verify::{ControlPlaneVerifier, Trust};

/// The config channel's port when an URL names none.
const DEFAULT_PORT: u16 = 7943;
/// TCP and TLS together.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
/// One chunk and some: a snapshot streams, and neither side holds much of it.
const WINDOW_BYTES: u32 = 256 << 10;

/// A client of the config channel.
pub(super) type Client = ConfigChannelClient<Channel>;

/// Why a control plane cannot be reached.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("{0:?} is not the URL of a control plane, as in https://control.example:7943")]
    BadUrl(String),
    #[error("this instance's certificate cannot be used: {0}")]
    Tls(#[from] rustls::Error),
    #[error("{url}: {source}")]
    Unreachable { url: String, source: io::Error },
    #[error("{url}: {source}")]
    Http { url: String, source: tonic::transport::Error },
}

/// Connects to `url`. Without an identity only `Join` will be answered.
pub(super) async fn connect(url: &str, trust: Trust, identity: Option<&Identity>) -> Result<Client, ConnectError> {
    let (host, port) = host_and_port(url).ok_or_else(|| ConnectError::BadUrl(url.to_owned()))?;
    let tls = TlsConnector::from(client_config(trust, identity)?);
    // Connected here rather than by tonic, so that the reason of a failure is not lost on the way.
    let stream = tokio::time::timeout(CONNECT_DEADLINE, open(&host, port, tls)).await;
    let stream = stream
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        .map_err(|source| ConnectError::Unreachable { url: url.to_owned(), source })?;
    let channel = over(stream).await.map_err(|source| ConnectError::Http { url: url.to_owned(), source })?;
    Ok(ConfigChannelClient::new(channel)
        .max_decoding_message_size(MAX_TO_INSTANCE_BYTES)
        .max_encoding_message_size(MAX_FROM_INSTANCE_BYTES))
}

type TlsStream = tokio_rustls::client::TlsStream<TcpStream>;

async fn open(host: &str, port: u16, tls: TlsConnector) -> io::Result<TlsStream> {
    let tcp = TcpStream::connect((host, port)).await?;
    tcp.set_nodelay(true)?;
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    tls.connect(name, tcp).await
}

/// HTTP/2 over one stream. When it is gone the client is too: reconnecting is `sync`'s decision.
async fn over(stream: TlsStream) -> Result<Channel, tonic::transport::Error> {
    let mut stream = Some(stream);
    let connector = tower::service_fn(move |_: Uri| {
        let stream = stream.take().ok_or(io::ErrorKind::NotConnected);
        async move { stream.map(TokioIo::new).map_err(io::Error::from) }
    });
    // TLS is ours, so for tonic the scheme is plain.
    Endpoint::from_static("http://control-plane")
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .connect_with_connector(connector)
        .await
}

fn client_config(trust: Trust, identity: Option<&Identity>) -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = Arc::new(ControlPlaneVerifier { trust, provider: provider.clone() });
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match identity {
        Some(identity) => builder.with_client_auth_cert(identity.chain().to_vec(), identity.key())?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

/// `https://host:port`, `host:port`, `https://host` or `host`.
fn host_and_port(url: &str) -> Option<(String, u16)> {
    let rest = url.strip_prefix("https://").unwrap_or(url);
    let uri: Uri = rest.trim_end_matches('/').parse().ok()?;
    let authority = uri.authority()?;
    let is_bare = uri.scheme().is_none() && matches!(uri.path(), "" | "/") && !authority.as_str().contains('@');
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    (is_bare && !host.is_empty()).then(|| (host.to_owned(), authority.port_u16().unwrap_or(DEFAULT_PORT)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_a_host_and_perhaps_a_port() {
        let read = |url: &str| host_and_port(url).map(|(host, port)| format!("{host} {port}"));
        assert_eq!(read("https://control.example:1234/").as_deref(), Some("control.example 1234"));
        assert_eq!(read("https://control.example").as_deref(), Some("control.example 7943"));
        assert_eq!(read("127.0.0.1:5").as_deref(), Some("127.0.0.1 5"));
        assert_eq!(read("https://[::1]:5").as_deref(), Some("::1 5"));
        for url in ["", "http://x:1", "https://", "https://a/b", "https://u@a", "a b"] {
            assert_eq!(read(url), None, "{url}");
        }
    }
}
