//! The API with a certificate that it is given, in the place of one of its own CA.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::Path;
use std::process::Command;

use support::{Process, command, directory};
use testkit::authority::{Authority, Issued};

fn control_plane(dir: &Path, certificate: &Issued) -> Command {
    let any = "127.0.0.1:0";
    let (chain, key) = (dir.join("chain.pem"), dir.join("key.pem"));
    std::fs::write(&chain, &certificate.certificate).expect("written");
    std::fs::write(&key, &certificate.key).expect("written");
    let mut command = command(&["control-plane", "--api-http-listen", any, "--channel-listen", any]);
    command.args(["--api-https-listen", any, "--data-dir"]).arg(dir.join("data"));
    command.arg("--certificate").arg(chain).arg("--certificate-key").arg(key);
    command
}

#[tokio::test]
async fn clients_see_the_certificate_that_was_given() {
    let (dir, authority) = (directory(), Authority::new().expect("an authority"));
    let process = Process::start(control_plane(dir.path(), &authority.issue("127.0.0.1").expect("a certificate")));
    let https = process.ready.split(['=', ',', ' ']).find(|word| word.starts_with("https://")).expect("an address");
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let trusting = |authority: &Authority| {
        let root = reqwest::Certificate::from_pem(authority.pem().as_bytes()).expect("a certificate");
        reqwest::Client::builder().tls_certs_only([root]).build().expect("a client")
    };
    let status = format!("{https}/api/status");
    let answer = trusting(&authority).get(&status).send().await.expect("it is trusted");
    assert_eq!(answer.status(), 200);
    let stranger = Authority::new().expect("an authority");
    assert!(trusting(&stranger).get(&status).send().await.is_err(), "another authority's client");
}

#[test]
fn a_key_of_another_certificate_is_refused_at_the_start() {
    let (dir, authority) = (directory(), Authority::new().expect("an authority"));
    let [one, other] = ["127.0.0.1"; 2].map(|name| authority.issue(name).expect("a certificate"));
    let mixed = Issued { certificate: one.certificate, key: other.key };
    let output = control_plane(dir.path(), &mixed).output().expect("ran");
    let reason = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(reason.contains("certificate") && reason.contains("key"), "{reason}");
    assert!(!reason.contains("PRIVATE KEY"), "a secret in the log");
}
