//! Versions of TLS, resumed sessions, and certificates that are past their time.

use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustls::client::Resumption;
use rustls::{ClientConfig, HandshakeKind, RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::{Echo, Gateway, put, soon};
use crate::tls::certificate;

const NAME: &str = "shop.test";
const TLS12: &SupportedProtocolVersion = &rustls::version::TLS12;
const TLS13: &SupportedProtocolVersion = &rustls::version::TLS13;

/// A client that speaks these versions and keeps sessions.
struct Shopper {
    config: Arc<ClientConfig>,
}

impl Shopper {
    fn new(trusted: &CertificateDer<'static>, versions: &[&'static SupportedProtocolVersion]) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(trusted.clone()).expect("a root");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).expect("versions");
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.resumption = Resumption::in_memory_sessions(16);
        Self { config: Arc::new(config) }
    }

    /// One request on a connection of its own: how hands were shaken, and the answer.
    async fn ask(&self, gateway: &Gateway) -> std::io::Result<(HandshakeKind, rustls::ProtocolVersion, String)> {
        let stream = TcpStream::connect(gateway.https).await?;
        let name = ServerName::try_from(NAME).expect("a name");
        let mut stream: TlsStream<TcpStream> = TlsConnector::from(self.config.clone()).connect(name, stream).await?;
        let request = format!("GET / HTTP/1.1\r\nhost: {NAME}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        let connection = stream.get_ref().1;
        let kind = connection.handshake_kind().expect("hands were shaken");
        let version = connection.protocol_version().expect("hands were shaken");
        Ok((kind, version, String::from_utf8_lossy(&answer).into_owned()))
    }
}

/// A gateway that serves `NAME` with these fields of its certificate besides.
async fn serving(extra: Value) -> (CertificateDer<'static>, Gateway) {
    let echo = Echo::start().await;
    let (trusted, model::Change::Put(key, body)) = certificate("shop", &[NAME]) else { panic!("a put") };
    let mut body: Value = serde_json::from_slice(&body).expect("json");
    body.as_object_mut().expect("an object").extend(extra.as_object().cloned().unwrap_or_default());
    let ssl = model::Change::Put(key, model::json::canonical(&body).into());
    let route = put("route/r", json!({ "uri": "/*", "upstream": { "nodes": echo.nodes() } }));
    (trusted, Gateway::start(vec![route, ssl]))
}

#[tokio::test]
async fn ssl_protocols_decide_which_versions_are_spoken() {
    let cases: [(Value, bool, bool); 4] = [
        (json!({}), true, true),
        (json!({ "ssl_protocols": ["TLSv1.2"] }), true, false),
        (json!({ "ssl_protocols": ["TLSv1.3"] }), false, true),
        (json!({ "ssl_protocols": ["TLSv1.1", "TLSv1.2", "TLSv1.3"] }), true, true),
    ];
    for (extra, old, new) in cases {
        let (trusted, gateway) = serving(extra.clone()).await;
        for (versions, speaks) in [(&[TLS12][..], old), (&[TLS13], new), (&[TLS12, TLS13], true)] {
            let shopper = Shopper::new(&trusted, versions);
            let answer = soon("an answer", shopper.ask(&gateway)).await;
            assert_eq!(answer.is_ok(), speaks, "{versions:?} with {extra}: {answer:?}");
        }
        let both = Shopper::new(&trusted, &[TLS12, TLS13]).ask(&gateway).await.expect("an answer").1;
        assert_eq!(both == rustls::ProtocolVersion::TLSv1_3, new, "the newer one is spoken where both are: {extra}");
        gateway.stop().await;
    }
}

#[tokio::test]
async fn sessions_are_resumed_from_tickets_and_outlive_a_new_certificate() {
    let (trusted, mut gateway) = serving(json!({})).await;
    for version in [TLS12, TLS13] {
        let shopper = Shopper::new(&trusted, &[version]);
        let (first, _, answer) = soon("an answer", shopper.ask(&gateway)).await.expect("an answer");
        assert!(first == HandshakeKind::Full && answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let (second, _, answer) = soon("an answer", shopper.ask(&gateway)).await.expect("an answer");
        assert!(second == HandshakeKind::Resumed && answer.starts_with("HTTP/1.1 200 "), "{version:?}");
    }
    let shopper = Shopper::new(&trusted, &[TLS13]);
    shopper.ask(&gateway).await.expect("an answer");
    gateway.apply(vec![certificate("shop", &[NAME]).1]);
    assert_eq!(shopper.ask(&gateway).await.expect("an answer").0, HandshakeKind::Resumed);
    gateway.stop().await;
}

#[tokio::test]
async fn a_certificate_may_stand_in_the_environment_of_the_instance() {
    let echo = Echo::start().await;
    let own = rcgen::generate_simple_self_signed(vec![NAME.to_owned()]).expect("a certificate");
    let pair = json!({ "cert": own.cert.pem(), "key": own.signing_key.serialize_pem() });
    // SAFETY: each test is a process of its own, and no thread of it reads the environment yet.
    unsafe { std::env::set_var("TEST_PAIR", pair.to_string()) };
    let ssl = json!({ "snis": [NAME], "cert": "$env://TEST_PAIR/cert", "key": "$ENV://TEST_PAIR/key" });
    let unset = json!({ "snis": ["unset.wild.test"], "cert": "$env://TEST_NOTHING", "key": "$env://TEST_NOTHING" });
    let (any, any_ssl) = certificate("any", &["*.wild.test"]);
    let route = put("route/r", json!({ "uri": "/*", "upstream": { "nodes": echo.nodes() } }));
    let gateway = Gateway::start(vec![route, put("ssl/env", ssl), put("ssl/unset", unset), any_ssl]);
    let (_, _, answer) = Shopper::new(own.cert.der(), &[TLS13]).ask(&gateway).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let stream = crate::tls::tls_stream(gateway.https, "unset.wild.test", &any, &[]).await;
    assert!(stream.is_err(), "no wildcard stands in for a name whose certificate is not to be had");
    assert!(crate::tls::tls_stream(gateway.https, "other.wild.test", &any, &[]).await.is_ok());
    gateway.stop().await;
}

/// As in APISIX it is served: whether to believe it is the client's affair.
#[tokio::test]
async fn an_expired_certificate_is_served_and_refused_by_clients_that_look() {
    let echo = Echo::start().await;
    let mut parameters = CertificateParams::new(vec![NAME.to_owned()]).expect("parameters");
    parameters.not_before = rcgen::date_time_ymd(2001, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(2002, 1, 1);
    let key = KeyPair::generate().expect("a key");
    let own = parameters.self_signed(&key).expect("a certificate");
    let ssl = put("ssl/old", json!({ "snis": [NAME], "cert": own.pem(), "key": key.serialize_pem() }));
    let route = put("route/r", json!({ "uri": "/*", "upstream": { "nodes": echo.nodes() } }));
    let (good, good_ssl) = certificate("good", &["good.test"]);
    let gateway = Gateway::start(vec![route, ssl, good_ssl]);
    let answer = soon("an end", Shopper::new(own.der(), &[TLS13]).ask(&gateway)).await;
    assert!(answer.is_err_and(|error| error.to_string().contains("xpired")), "the client was shown it");
    let stream = crate::tls::tls_stream(gateway.https, "good.test", &good, &[]).await;
    assert!(stream.is_ok(), "other names do not feel it");
    gateway.stop().await;
}

/// A client of TLS 1.2 says by its cipher suites which kind of key it can check, one of TLS 1.3 by its signatures.
#[tokio::test]
async fn clients_get_the_certificate_whose_key_they_can_check() {
    let echo = Echo::start().await;
    let certified = |algorithm| {
        let key = KeyPair::generate_for(algorithm).expect("a key");
        let own = CertificateParams::new(vec![NAME.to_owned()]).expect("parameters").self_signed(&key);
        (own.expect("a certificate"), key.serialize_pem())
    };
    let (rsa, rsa_key) = certified(&rcgen::PKCS_RSA_SHA256);
    let (ec, ec_key) = certified(&rcgen::PKCS_ECDSA_P256_SHA256);
    let route = put("route/r", json!({ "uri": "/*", "upstream": { "nodes": echo.nodes() } }));
    let pairs = [((&rsa, &rsa_key), (&ec, &ec_key)), ((&ec, &ec_key), (&rsa, &rsa_key))];
    for ((first, first_key), (second, second_key)) in pairs {
        let ssl = json!({
            "snis": [NAME], "cert": first.pem(), "key": first_key, "certs": [second.pem()], "keys": [second_key],
        });
        let gateway = Gateway::start(vec![route.clone(), put("ssl/both", ssl)]);
        for (kind, own, other) in [("_RSA_", &rsa, &ec), ("_ECDSA_", &ec, &rsa)] {
            let mut provider = rustls::crypto::aws_lc_rs::default_provider();
            provider.cipher_suites.retain(|suite| format!("{:?}", suite.suite()).contains(kind));
            assert!(!provider.cipher_suites.is_empty());
            let shopper = |trusted: &CertificateDer<'static>| {
                let mut roots = RootCertStore::empty();
                roots.add(trusted.clone()).expect("a root");
                let config = ClientConfig::builder_with_provider(Arc::new(provider.clone()));
                let config = config.with_protocol_versions(&[TLS12]).expect("versions");
                Shopper { config: Arc::new(config.with_root_certificates(roots).with_no_client_auth()) }
            };
            let (_, version, answer) = soon("an answer", shopper(own.der()).ask(&gateway)).await.expect(kind);
            assert_eq!(version, rustls::ProtocolVersion::TLSv1_2);
            assert!(answer.starts_with("HTTP/1.1 200 "), "{kind}: {answer}");
            assert!(soon("an end", shopper(other.der()).ask(&gateway)).await.is_err(), "{kind}: not the other one");
        }
        gateway.stop().await;
    }
}
