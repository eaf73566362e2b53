//! TLS: the server name decides the certificate.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::{Echo, Gateway, put, settings, soon, tls_node, version_1};

/// A self-signed certificate and the resource that serves it.
pub(crate) fn certificate(id: &str, names: &[&str]) -> (CertificateDer<'static>, model::Change) {
    let made = rcgen::generate_simple_self_signed(names.iter().map(|name| name.to_string()).collect::<Vec<_>>());
    let made = made.expect("a certificate");
    let body = json!({ "snis": names, "cert": made.cert.pem(), "key": made.signing_key.serialize_pem() });
    (made.cert.der().clone(), put(&format!("ssl/{id}"), body))
}

/// A connection for `name` that believes `trusted` and offers these protocols.
pub(crate) async fn tls_stream(
    to: SocketAddr,
    name: &str,
    trusted: &CertificateDer<'static>,
    protocols: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    connect(to, name, trusted, protocols, None).await
}

/// A client's certificate chain and key.
type Own = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

async fn connect(
    to: SocketAddr,
    name: &str,
    trusted: &CertificateDer<'static>,
    protocols: &[&str],
    own: Option<Own>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let config = config.with_root_certificates(roots);
    let mut config = match own {
        Some((chain, key)) => {
            // Whether the two belong together is not asked: of version 1 it cannot be.
            let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).expect("a key");
            config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(CertifiedKey::new(chain, key))))
        }
        None => config.with_no_client_auth(),
    };
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(to).await?;
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

async fn through_tls(to: SocketAddr, name: &str, trusted: &CertificateDer<'static>) -> std::io::Result<String> {
    ask(tls_stream(to, name, trusted, &[]).await?, name, "/").await
}

/// The body of the answer; an error when there is none.
async fn ask(stream: TlsStream<TcpStream>, host: &str, path: &str) -> std::io::Result<String> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("http");
    tokio::spawn(connection);
    let request = Request::get(path).header("host", host).body(Full::<Bytes>::default()).expect("a request");
    let answer = sender.send_request(request).await.map_err(std::io::Error::other)?;
    let body = answer.into_body().collect().await.map_err(std::io::Error::other)?;
    Ok(String::from_utf8_lossy(&body.to_bytes()).into_owned())
}

/// What a client of `asks.test` gets that shows this certificate.
async fn shown(gateway: &Gateway, trusted: &CertificateDer<'static>, own: Option<Own>) -> std::io::Result<String> {
    let stream = connect(gateway.https, "asks.test", trusted, &[], own).await?;
    ask(stream, "asks.test", "/").await
}

/// An authority, and certificates below it with `between` more in their chain.
struct Authority {
    own: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let own = CertifiedIssuer::self_signed(authority_parameters("root"), KeyPair::generate().expect("a key"));
        Self { own: own.expect("an authority") }
    }

    fn client(&self, between: usize) -> Own {
        let mut chain = Vec::new();
        let mut issuer: Option<CertifiedIssuer<'static, KeyPair>> = None;
        for number in 0..between {
            let parameters = authority_parameters(&format!("between {number}"));
            let key = KeyPair::generate().expect("a key");
            let next = CertifiedIssuer::signed_by(parameters, key, issuer.as_ref().unwrap_or(&self.own));
            let next = next.expect("an authority between");
            chain.insert(0, next.der().clone());
            issuer = Some(next);
        }
        let key = KeyPair::generate().expect("a key");
        let parameters = CertificateParams::new(vec!["client.test".to_owned()]).expect("parameters");
        let leaf = parameters.signed_by(&key, issuer.as_ref().unwrap_or(&self.own)).expect("a certificate");
        chain.insert(0, leaf.der().clone());
        (chain, PrivateKeyDer::try_from(key.serialize_der()).expect("a key"))
    }
}

fn authority_parameters(name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    parameters
}

/// A server certificate for `name` whose clients must show one of the authority's.
fn asking(name: &str, authority: &Authority, extra: serde_json::Value) -> (CertificateDer<'static>, model::Change) {
    let (trusted, change) = certificate("asking", &[name]);
    let model::Change::Put(key, body) = change else { panic!("a put") };
    let mut body: serde_json::Value = serde_json::from_slice(&body).expect("json");
    let mut client = json!({ "ca": authority.own.pem() });
    client.as_object_mut().expect("an object").extend(extra.as_object().cloned().unwrap_or_default());
    body["client"] = client;
    (trusted, model::Change::Put(key, model::json::canonical(&body).into()))
}

#[tokio::test]
async fn clients_show_a_certificate_of_the_authority_within_its_depth() {
    within_a_depth_of_one(json!({ "depth": 1 })).await;
    // Left out, it is the same.
    within_a_depth_of_one(json!({})).await;
}

async fn within_a_depth_of_one(extra: serde_json::Value) {
    let echo = Echo::start().await;
    let (authority, other) = (Authority::new(), Authority::new());
    let (trusted, ssl) = asking("asks.test", &authority, extra);
    let route = put("route/r", json!({ "uri": "/*", "upstream": { "nodes": echo.nodes() } }));
    let gateway = Gateway::start(vec![route, ssl]);
    let get = |own| shown(&gateway, &trusted, own);
    assert!(soon("an answer", get(Some(authority.client(0)))).await.is_ok(), "right below the authority");
    assert!(soon("an answer", get(Some(authority.client(1)))).await.is_ok(), "one between");
    for (what, own) in
        [("two between", Some(authority.client(2))), ("another's", Some(other.client(0))), ("none", None)]
    {
        assert!(soon("an end", get(own)).await.is_err(), "{what}");
    }
    gateway.stop().await;
}

/// As APISIX's page on mutual TLS does it.
#[tokio::test]
async fn nodes_may_be_told_who_the_client_is() {
    let echo = Echo::start().await;
    let authority = Authority::new();
    let (trusted, ssl) = asking("asks.test", &authority, json!({ "skip_mtls_uri_regex": ["^/open"] }));
    let told = [("x-verify", "verify"), ("x-serial", "serial"), ("x-subject", "s_dn"), ("x-issuer", "i_dn")];
    let headers = told.map(|(name, part)| (name.to_owned(), json!(format!("$ssl_client_{part}"))));
    let rewrite = json!({ "proxy-rewrite": { "headers": { "set": serde_json::Map::from_iter(headers) } } });
    let route = put("route/r", json!({ "uri": "/*", "plugins": rewrite, "upstream": { "nodes": echo.nodes() } }));
    let gateway = Gateway::start_with(settings(), ::plugins::registry(), vec![route, ssl]);
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(rcgen::DnType::CommonName, "client");
    parameters.distinguished_name.push(rcgen::DnType::OrganizationName, "Shop");
    parameters.serial_number = Some(rcgen::SerialNumber::from_slice(&[0xab, 0xcd]));
    let key = KeyPair::generate().expect("a key");
    let leaf = parameters.signed_by(&key, &authority.own).expect("a certificate");
    let own = (vec![leaf.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).expect("a key"));
    for (own, path, expected) in [
        (Some(own), "/closed", ["SUCCESS", "ABCD", "O=Shop,CN=client", "CN=root"]),
        (None, "/open", ["NONE", "", "", ""]),
    ] {
        let stream = connect(gateway.https, "asks.test", &trusted, &[], own).await.expect("a handshake");
        let got = ask(stream, "asks.test", path).await.expect("an answer");
        let got: serde_json::Value = serde_json::from_str(&got).expect("what the node got");
        let got = told.map(|(name, _)| got["headers"][name].as_str().unwrap_or_default());
        assert_eq!(got, expected);
    }
    gateway.stop().await;
}

/// What `openssl x509 -req` makes, unless it is told of extensions.
#[tokio::test]
async fn clients_may_show_certificates_of_version_1() {
    let echo = Echo::start().await;
    let (authority, other) = (Authority::new(), Authority::new());
    let (trusted, ssl) = asking("asks.test", &authority, json!({}));
    let route = put("route/r", json!({ "uri": "/*", "upstream": { "nodes": echo.nodes() } }));
    let gateway = Gateway::start(vec![route, ssl]);
    let get = |own| shown(&gateway, &trusted, Some(own));
    let old = |authority: &Authority, until: i32| {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(rcgen::DnType::CommonName, "client");
        parameters.not_before = rcgen::date_time_ymd(2001, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let new = parameters.signed_by(&key, &authority.own).expect("a certificate");
        let old = version_1(new.der(), authority.own.key());
        (vec![old], PrivateKeyDer::try_from(key.serialize_der()).expect("a key"))
    };
    let good = old(&authority, 4000);
    let thief = (good.0.clone(), authority.client(0).1);
    let mut forged = old(&other, 4000);
    forged.0.push(authority.own.der().clone());
    assert!(soon("an answer", get(good)).await.is_ok());
    for (what, own) in [
        ("out of time", old(&authority, 2002)),
        ("another's", old(&other, 4000)),
        ("another's of the same name", forged),
        ("without its key", thief),
    ] {
        assert!(soon("an end", get(own)).await.is_err(), "{what}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_client_s_certificate_may_be_its_own_authority() {
    let echo = Echo::start().await;
    let (authority, other) = (Authority::new(), Authority::new());
    let (trusted, ssl) = asking("asks.test", &authority, json!({}));
    let route = put("route/r", json!({ "uri": "/*", "upstream": { "nodes": echo.nodes() } }));
    let gateway = Gateway::start(vec![route, ssl]);
    for (own, is_known) in [(&authority, true), (&other, false)] {
        let key = PrivateKeyDer::try_from(own.own.key().serialize_der()).expect("a key");
        let own = Some((vec![own.own.der().clone()], key));
        assert_eq!(soon("an end", shown(&gateway, &trusted, own)).await.is_ok(), is_known);
    }
    gateway.stop().await;
}

#[tokio::test]
async fn certificates_of_version_1_are_served_with_their_own_key_only() {
    let made = rcgen::generate_simple_self_signed(vec!["old.test".to_owned()]).expect("a certificate");
    let old = version_1(made.cert.der(), &made.signing_key);
    let ssl = |key: String| {
        put("ssl/old", json!({ "snis": ["old.test"], "cert": armoured("CERTIFICATE", &old), "key": key }))
    };
    let mut gateway = Gateway::start(vec![ssl(made.signing_key.serialize_pem())]);
    // The client reads none of version 1, and says so.
    let met = soon("an end", tls_stream(gateway.https, "old.test", made.cert.der(), &[])).await;
    let why = met.expect_err("not read").to_string();
    assert!(why.contains("UnsupportedCertVersion"), "{why}");
    let another = KeyPair::generate().expect("a key").serialize_pem();
    let refused = gateway.slot.apply(&[ssl(another)]).expect_err("another's key").to_string();
    assert!(refused.contains("must be the key of the certificate"), "{refused}");
    gateway.stop().await;
}

/// As in APISIX whoever answers is believed, with whatever certificate.
#[tokio::test]
async fn nodes_may_show_certificates_of_version_1() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let old = version_1(made.cert.der(), &made.signing_key);
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).expect("a key");
    let own = Arc::new(SingleCertAndKey::from(CertifiedKey::new(vec![old], key)));
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider).with_protocol_versions(&[version]);
        let node =
            tls_node(config.expect("a version").with_no_client_auth().with_cert_resolver(own.clone()), b"old").await;
        let upstream = json!({ "scheme": "https", "nodes": { node.to_string(): 1 } });
        let gateway = Gateway::start(vec![put("route/r", json!({ "uri": "/*", "upstream": upstream }))]);
        assert_eq!(crate::support::get(gateway.http, "/").await.text(), "old", "{version:?}");
        gateway.stop().await;
    }
}

#[tokio::test]
async fn some_paths_need_no_certificate_and_a_handshake_counts_for_its_host_only() {
    let echo = Echo::start().await;
    let authority = Authority::new();
    let (trusted, ssl) = asking("asks.test", &authority, json!({ "skip_mtls_uri_regex": ["^/open/"] }));
    let (plain, plain_ssl) = certificate("plain", &["plain.test"]);
    let route = put("route/r", json!({ "uri": "/*", "upstream": { "nodes": echo.nodes() } }));
    let gateway = Gateway::start(vec![route, ssl, plain_ssl]);
    let get = async |name, trusted, own, host, path| {
        let stream = connect(gateway.https, name, trusted, &[], own).await.expect("a handshake");
        ask(stream, host, path).await.expect("an answer")
    };
    let proxied = |answer: String| answer.contains("\"node\"");
    assert!(proxied(get("asks.test", &trusted, None, "asks.test", "/open/a").await));
    assert!(!proxied(get("asks.test", &trusted, None, "asks.test", "/closed").await));
    assert!(!proxied(get("asks.test", &trusted, None, "asks.test", "/open/../closed").await), "as it is matched");
    assert!(proxied(get("asks.test", &trusted, Some(authority.client(0)), "asks.test", "/closed").await));
    assert!(!proxied(get("plain.test", &plain, None, "asks.test", "/closed").await), "another name's handshake");
    assert!(!proxied(get("plain.test", &plain, None, "asks.test.", "/closed").await), "the same host with its root");
    assert!(proxied(get("asks.test", &trusted, Some(authority.client(0)), "asks.test.", "/closed").await));
    assert!(proxied(get("plain.test", &plain, None, "plain.test", "/closed").await));
    gateway.stop().await;
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

/// A node that answers 200 to clients which show a certificate of the authority, and shakes no hands with others.
async fn node_that_asks(authority: &Authority) -> SocketAddr {
    let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let mut roots = RootCertStore::empty();
    roots.add(authority.own.der().clone()).expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().expect("a verifier");
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).expect("a key");
    let config = config.expect("versions").with_client_cert_verifier(verifier);
    let config = config.with_single_cert(vec![own.cert.der().clone()], key).expect("a certificate");
    tls_node(config, b"known").await
}

fn armoured(label: &str, der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

#[tokio::test]
async fn nodes_are_shown_the_certificate_of_their_upstream() {
    let (authority, other) = (Authority::new(), Authority::new());
    let node = node_that_asks(&authority).await;
    let pem = |own: &Own| {
        let certificates: String = own.0.iter().map(|der| armoured("CERTIFICATE", der)).collect();
        (certificates, armoured("PRIVATE KEY", own.1.secret_der()))
    };
    let upstream = |tls: serde_json::Value| json!({ "scheme": "https", "nodes": { node.to_string(): 1 }, "tls": tls });
    let ssl = |own: &Own| {
        let (cert, key) = pem(own);
        put("ssl/own", json!({ "type": "client", "cert": cert, "key": key }))
    };
    let (cert, key) = pem(&authority.client(0));
    let routes = |upstreams: [(&str, serde_json::Value); 3]| {
        upstreams
            .map(|(id, tls)| put(&format!("route/{id}"), json!({ "uri": format!("/{id}"), "upstream": upstream(tls) })))
    };
    let mut changes = vec![ssl(&other.client(0))];
    changes.extend(routes([
        ("inline", json!({ "client_cert": cert, "client_key": key })),
        ("named", json!({ "client_cert_id": "own" })),
        ("none", json!({})),
    ]));
    let split =
        json!({ "rules": [{ "weighted_upstreams": [{ "upstream": upstream(json!({ "client_cert_id": "own" })) }] }] });
    changes.extend([
        put("service/split", json!({ "plugins": { "traffic-split": split } })),
        put("route/split", json!({ "uri": "/split", "service_id": "split" })),
    ]);
    let mut gateway = Gateway::start_with(settings(), ::plugins::registry(), changes);
    let status = async |gateway: &Gateway, path: &str| crate::support::get(gateway.http, path).await.status.as_u16();
    assert_eq!(status(&gateway, "/inline").await, 200);
    assert_eq!(status(&gateway, "/none").await, 502);
    for path in ["/named", "/split"] {
        assert_eq!(status(&gateway, path).await, 502, "another authority's");
    }
    gateway.apply(vec![ssl(&authority.client(0))]);
    for path in ["/named", "/split"] {
        assert_eq!(status(&gateway, path).await, 200, "the upstream follows its certificate: {path}");
    }
    gateway.stop().await;
}
