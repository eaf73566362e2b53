use serde_json::{Value, json};

use super::*;

fn oidc(changes: Value) -> Result<OidcConfig, Faults> {
    let base = json!({"client_id": "flotilla", "client_secret": "s3cret", "issuer": "https://id.example.com/realm"});
    OidcConfig::parse(&merged(base, changes))
}

fn ldap(changes: Value) -> Result<LdapConfig, Faults> {
    LdapConfig::parse(&merged(json!({"host": "ldap.example.com", "base_dn": "dc=example,dc=com"}), changes))
}

fn merged(mut base: Value, changes: Value) -> Value {
    let fields = changes.as_object().expect("an object").clone();
    base.as_object_mut().expect("an object").extend(fields);
    base
}

fn pointers(faults: &Faults) -> Vec<&str> {
    faults.0.iter().map(|fault| fault.pointer.as_str()).collect()
}

#[test]
fn oidc_has_sane_defaults() {
    let config = oidc(json!({"root_url": "https://flotilla.example.com/"})).expect("a right one");
    assert_eq!(config.scope(), "openid profile email");
    assert!(config.ssl_verify);
    assert_eq!(config.timeout, 10);
    let callback = config.redirect_uri("/api/oidc/callback");
    assert_eq!(callback.as_deref(), Some("https://flotilla.example.com/api/oidc/callback"));
    assert_eq!(oidc(json!({})).expect("a right one").redirect_uri("/api/oidc/callback"), None);
    let config = oidc(json!({"request_scopes": ["groups", "openid", "groups"]})).expect("a right one");
    assert_eq!(config.scope(), "openid groups");
}

#[test]
fn faults_of_oidc_name_their_field() {
    let cases = [
        (json!({"client_id": ""}), "/client_id"),
        (json!({"client_secret": ""}), "/client_secret"),
        (json!({"issuer": "id.example.com"}), "/issuer"),
        (json!({"issuer": "http://id.example.com"}), "/issuer"),
        (json!({"issuer": "https://id.example.com/?a=b"}), "/issuer"),
        (json!({"issuer": "ldap://id.example.com"}), "/issuer"),
        (json!({"issuer": "http://localhost.example.com"}), "/issuer"),
        (json!({"request_scopes": ["openid", "two words"]}), "/request_scopes/1"),
        (json!({"request_scopes": ["openid", 3]}), "/request_scopes/1"),
        (json!({"root_url": "flotilla"}), "/root_url"),
        (json!({"root_ca_cert": "nothing"}), "/root_ca_cert"),
        (json!({"timeout": 0}), "/timeout"),
        (json!({"timeout": 61}), "/timeout"),
        (json!({"ssl_verify": "no"}), "/ssl_verify"),
    ];
    for (changes, pointer) in cases {
        let faults = oidc(changes.clone()).expect_err("a fault");
        assert_eq!(pointers(&faults), [pointer], "{changes}: {faults}");
    }
    let unknown = oidc(json!({"isuer": "x"})).expect_err("a fault");
    assert!(unknown.to_string().contains("isuer"), "{unknown}");
    let several = oidc(json!({"client_id": "", "timeout": 0})).expect_err("faults");
    assert_eq!(pointers(&several), ["/client_id", "/timeout"]);
}

#[test]
fn a_provider_on_loopback_may_speak_http() {
    for issuer in ["http://127.0.0.1:9000", "http://localhost:9000/realm", "http://[::1]:9000"] {
        oidc(json!({"issuer": issuer})).expect(issuer);
    }
}

#[test]
fn ldap_has_sane_defaults() {
    let config = ldap(json!({})).expect("a right one");
    assert_eq!((config.port(), config.identifier.as_str(), config.timeout), (389, "uid", 10));
    assert_eq!((config.attributes.email.as_str(), config.ssl_verify), ("mail", true));
    assert_eq!(ldap(json!({"use_ssl": true})).expect("a right one").port(), 636);
    assert_eq!(ldap(json!({"use_ssl": true, "port": 1636})).expect("a right one").port(), 1636);
}

#[test]
fn faults_of_ldap_name_their_field() {
    let cases = [
        (json!({"host": "ldap://x"}), "/host"),
        (json!({"host": ""}), "/host"),
        (json!({"port": 0}), "/port"),
        (json!({"port": 65536}), "/port"),
        (json!({"base_dn": ""}), "/base_dn"),
        (json!({"bind_dn": "cn=reader"}), "/bind_password"),
        (json!({"bind_password": "x"}), "/bind_password"),
        (json!({"identifier": "uid)(a=*"}), "/identifier"),
        (json!({"attributes": {"email": ""}}), "/attributes/email"),
        (json!({"attributes": {"email": 5}}), "/attributes/email"),
        (json!({"timeout": 0}), "/timeout"),
        (json!({"use_ssl": true, "root_ca_cert": "nothing"}), "/root_ca_cert"),
        (json!({"use_ssl": true, "client_cert": "nothing", "client_key": ""}), "/client_cert"),
    ];
    for (changes, pointer) in cases {
        let faults = ldap(changes.clone()).expect_err("a fault");
        assert_eq!(pointers(&faults)[0], pointer, "{changes}: {faults}");
    }
}

#[test]
fn secrets_are_named_and_never_shown() {
    let config = oidc(json!({})).expect("a right one");
    assert!(!format!("{config:?}").contains("s3cret"));
    let body = serde_json::to_value(&config).expect("JSON");
    for pointer in OidcConfig::SECRETS {
        assert_eq!(body.pointer(pointer), Some(&json!("s3cret")));
    }
    assert_eq!(OidcConfig::parse(&body).expect("the same"), config);

    let config = ldap(json!({"bind_dn": "cn=reader", "bind_password": "s3cret"})).expect("a right one");
    assert!(!format!("{config:?}").contains("s3cret"));
    let body = serde_json::to_value(&config).expect("JSON");
    for pointer in LdapConfig::SECRETS {
        assert!(body.pointer(pointer).is_some(), "{pointer}");
    }
    assert_eq!(LdapConfig::parse(&body).expect("the same"), config);
}

#[test]
fn the_document_names_every_field() {
    let document = include_str!("../../../../docs/SIGN-ON.md");
    let (oidc, ldap) = (oidc(json!({})).expect("a right one"), ldap(json!({})).expect("a right one"));
    let bodies = [serde_json::to_value(&oidc).expect("JSON"), serde_json::to_value(&ldap).expect("JSON")];
    for field in bodies.iter().filter_map(Value::as_object).flat_map(|body| body.keys()) {
        assert!(document.contains(&format!("`{field}`")), "docs/SIGN-ON.md says nothing of {field}");
    }
}
