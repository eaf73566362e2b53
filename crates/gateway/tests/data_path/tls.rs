//! TLS: the server name decides the certificate.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::support::{Echo, Gateway, put, soon};

/// A self-signed certificate and the resource that serves it.
fn certificate(id: &str, names: &[&str]) -> (CertificateDer<'static>, model::Change) {
    let made = rcgen::generate_simple_self_signed(names.iter().map(|name| name.to_string()).collect::<Vec<_>>());
    let made = made.expect("a certificate");
    let body = json!({ "snis": names, "cert": made.cert.pem(), "key": made.signing_key.serialize_pem() });
    (made.cert.der().clone(), put(&format!("ssl/{id}"), body))
}

async fn through_tls(to: SocketAddr, name: &str, trusted: &CertificateDer<'static>) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(to).await?;
    let name_given = ServerName::try_from(name.to_owned()).expect("a name");
    let stream = TlsConnector::from(Arc::new(config)).connect(name_given, stream).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("http");
    tokio::spawn(connection);
    let request = Request::get("/").header("host", name).body(Full::<Bytes>::default()).expect("a request");
    let body = sender.send_request(request).await.expect("an answer").into_body();
    Ok(String::from_utf8_lossy(&body.collect().await.expect("a body").to_bytes()).into_owned())
}

#[tokio::test]
async fn each_name_gets_its_certificate_and_unknown_names_get_none() {
    let echo = Echo::start().await;
    let (shop, shop_ssl) = certificate("shop", &["shop.test"]);
    let (any, any_ssl) = certificate("any", &["*.wild.test"]);
    let route = put("route/r", json!({ "uri": "/*", "upstream": { "nodes": echo.nodes() } }));
    let mut gateway = Gateway::start(vec![route, shop_ssl, any_ssl]);
    let get = |name, trusted| soon("a handshake", through_tls(gateway.https, name, trusted));
    let answer = get("shop.test", &shop).await.expect("the exact name");
    assert!(answer.contains("\"x-forwarded-proto\":\"https\""), "{answer}");
    assert!(get("a.wild.test", &any).await.is_ok(), "the wildcard");
    assert!(get("shop.test", &any).await.is_err(), "not with another's certificate");
    assert!(get("unknown.test", &shop).await.is_err());
    let (renewed, renewed_ssl) = certificate("shop", &["shop.test"]);
    gateway.apply(vec![renewed_ssl]);
    let get = |name, trusted| soon("a handshake", through_tls(gateway.https, name, trusted));
    assert!(get("shop.test", &renewed).await.is_ok(), "a new certificate serves at once");
    assert!(get("shop.test", &shop).await.is_err());
    gateway.stop().await;
}
