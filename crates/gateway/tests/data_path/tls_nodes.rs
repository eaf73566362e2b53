//! Nodes whose certificates are looked at (`tls.verify`), and those whose are not.
//!
//! The authorities that nodes are believed by are the system's; `SSL_CERT_FILE` puts one of the test in their place.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls_pki_types::PrivateKeyDer;
use serde_json::json;

use crate::support::{Gateway, get, put, tls_node};

pub(crate) type Authority = CertifiedIssuer<'static, KeyPair>;

pub(crate) fn authority() -> Authority {
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().expect("a key")).expect("an authority")
}

/// A node with a certificate for `name` of this authority, good until this year.
pub(crate) async fn node(authority: &Authority, name: &str, until: i32) -> SocketAddr {
    tls_node(server_config(authority, name, until), b"node").await
}

/// How such a node shakes hands.
pub(crate) fn server_config(authority: &Authority, name: &str, until: i32) -> rustls::ServerConfig {
    let mut parameters = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
    parameters.not_before = rcgen::date_time_ymd(2001, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(until, 1, 1);
    let key = KeyPair::generate().expect("a key");
    let own = parameters.signed_by(&key, authority).expect("a certificate");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let config = config.expect("versions").with_no_client_auth();
    config.with_single_cert(vec![own.der().clone()], key).expect("a certificate")
}

/// From now on the authorities that the system knows are this one.
pub(crate) fn trust(authority: &Authority) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("authorities.pem");
    std::fs::write(&file, authority.pem()).expect("written");
    // SAFETY: each test is a process of its own, and no thread of it reads the environment yet.
    unsafe { std::env::set_var("SSL_CERT_FILE", &file) };
    directory
}

#[tokio::test]
async fn a_node_is_believed_when_its_certificate_is_of_an_authority_for_its_name_and_in_time() {
    let (known, stranger) = (authority(), authority());
    let _authorities = trust(&known);
    let nodes = [
        ("good", node(&known, "localhost", 4000).await, 200),
        ("other-name", node(&known, "elsewhere.test", 4000).await, 502),
        ("expired", node(&known, "localhost", 2002).await, 502),
        ("stranger", node(&stranger, "localhost", 4000).await, 502),
    ];
    let route = |id: &str, address: SocketAddr, verify: bool| {
        let nodes = json!({ format!("localhost:{}", address.port()): 1 });
        let upstream = json!({ "scheme": "https", "pass_host": "node", "nodes": nodes, "tls": { "verify": verify } });
        put(&format!("route/{id}-{verify}"), json!({ "uri": format!("/{id}/{verify}"), "upstream": upstream }))
    };
    let rewritten = ["elsewhere.test", "elsewhere.test:8443", "localhost:8443"].map(|host| {
        let mut upstream = json!({ "scheme": "https", "pass_host": "rewrite", "upstream_host": host });
        upstream["nodes"] = json!({ format!("localhost:{}", nodes[1].1.port()): 1 });
        upstream["tls"] = json!({ "verify": true });
        put(
            &format!("route/{}", host.replace(':', "-")),
            json!({ "uri": format!("/rewritten/{host}"), "upstream": upstream }),
        )
    });
    let routes = nodes.iter().flat_map(|(id, address, _)| [route(id, *address, true), route(id, *address, false)]);
    let gateway = Gateway::start(routes.chain(rewritten).collect());
    assert_eq!(get(gateway.http, "/rewritten/elsewhere.test").await.status, 200);
    assert_eq!(
        get(gateway.http, "/rewritten/elsewhere.test:8443").await.status,
        200,
        "a port is no part of the server name"
    );
    assert_eq!(get(gateway.http, "/rewritten/localhost:8443").await.status, 502, "the name is that of the Host header");
    for (id, _, verified) in nodes {
        assert_eq!(get(gateway.http, &format!("/{id}/true")).await.status, verified, "{id}, verified");
        assert_eq!(get(gateway.http, &format!("/{id}/false")).await.status, 200, "{id}, not verified");
    }
    gateway.stop().await;
}
