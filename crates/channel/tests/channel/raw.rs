//! A client that keeps to no rules: any certificate, any frames.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hyper_util::rt::TokioIo;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair, SanType};
use rustls::{ClientConfig, RootCertStore, version};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_stream::StreamExt;
use tonic::transport::{Channel, Endpoint};
use wire::v1::config_channel_client::ConfigChannelClient;
use wire::v1::{self, to_instance::Frame};

pub(crate) type Client = ConfigChannelClient<Channel>;
pub(crate) type Certified = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// The key and certificate that an instance has on disk.
pub(crate) fn stolen_from(data_dir: &Path) -> Certified {
    let text = std::fs::read(data_dir.join("identity.json")).unwrap();
    let stored: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let decode = |value: &serde_json::Value| BASE64.decode(value.as_str().unwrap()).unwrap();
    let chain = stored["chain"].as_array().unwrap().iter().map(|der| decode(der).into()).collect();
    (chain, PrivatePkcs8KeyDer::from(decode(&stored["key"])).into())
}

/// A client certificate with this URI by any CA.
pub(crate) fn certified(uri: &str, issuer: &Issuer<'static, KeyPair>) -> Certified {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let leaf = params.signed_by(&key, issuer).unwrap();
    (vec![leaf.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
}

pub(crate) async fn connect(
    address: SocketAddr,
    ca: &CertificateDer<'static>,
    certified: Option<Certified>,
) -> Result<Client, Box<dyn std::error::Error>> {
    let mut roots = RootCertStore::empty();
    roots.add(ca.clone())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13])?
        .with_root_certificates(roots);
    let mut config = match certified {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key)?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    let tcp = TcpStream::connect(address).await?;
    let name = "control.flotilla.test".try_into()?;
    let mut stream = Some(TlsConnector::from(Arc::new(config)).connect(name, tcp).await?);
    let connector = tower::service_fn(move |_: http::Uri| {
        let stream = stream.take().ok_or(std::io::ErrorKind::NotConnected);
        async move { stream.map(TokioIo::new).map_err(std::io::Error::from) }
    });
    Ok(ConfigChannelClient::new(Endpoint::from_static("http://raw").connect_with_connector(connector).await?))
}

/// Says `frames` and reads until a frame that is `last`, or the stream's end.
pub(crate) async fn sync_until(
    client: &mut Client,
    frames: Vec<v1::FromInstance>,
    last: impl Fn(&Frame) -> bool,
) -> Result<Vec<Frame>, tonic::Status> {
    let outgoing = tokio_stream::iter(frames).chain(tokio_stream::pending());
    let mut stream = client.sync(outgoing).await?.into_inner();
    let mut received = Vec::new();
    while let Ok(Some(message)) = stream.message().await {
        received.extend(message.frame);
        if received.last().is_some_and(&last) {
            break;
        }
    }
    Ok(received)
}

/// The same until a whole configuration has come, or a goodbye.
pub(crate) async fn sync(client: &mut Client, frames: Vec<v1::FromInstance>) -> Result<Vec<Frame>, tonic::Status> {
    sync_until(client, frames, |frame| matches!(frame, Frame::SnapshotEnd(_) | Frame::Goodbye(_))).await
}

pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
