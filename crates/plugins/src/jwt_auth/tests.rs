use std::rc::Rc;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use plugin_api::testing::Consumers;
use plugin_api::{ConsumerInfo, Reply};
use serde_json::json;

use super::*;
use crate::testing::{self, compile, reply_of};

const SECRET: &str = "my-secret-key";

fn token(algorithm: &str, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&json!({ "typ": "JWT", "alg": algorithm })), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

fn by_secret(secret: &[u8]) -> impl Fn(&[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    move |message| hmac::sign(&key, message).as_ref().to_vec()
}

fn hs256(claims: &Value) -> String {
    token("HS256", claims, by_secret(SECRET.as_bytes()))
}

fn in_an_hour() -> u64 {
    now() as u64 + 3600
}

/// Runs the plugin where `jack` has this credential and `anonymous` has another.
fn run(conf: &str, credential: Value, uri: &str, headers: &[(&str, &str)]) -> (Exchange, Option<Reply>) {
    let info = |username: &str| ConsumerInfo { username: username.into(), ..ConsumerInfo::default() };
    let other = json!({ "key": "other", "secret": "x" });
    let consumers = Consumers::default().with_credential(&JwtAuth, info("jack"), credential).with_credential(
        &JwtAuth,
        info("anonymous"),
        other,
    );
    let mut exchange = testing::exchange(uri, headers);
    exchange.consumers = Rc::new(consumers);
    let reply = reply_of(compile(&JwtAuth, conf).rewrite(&mut exchange));
    (exchange, reply)
}

fn credential() -> Value {
    json!({ "key": "user-key", "secret": SECRET })
}

/// Nothing when the token is taken, or the message it is refused with.
fn verdict(conf: &str, credential: Value, token: &str) -> Option<String> {
    let (exchange, reply) = run(conf, credential, "/", &[("authorization", token)]);
    assert_eq!(exchange.consumer.is_some(), reply.is_none());
    let body: Value = serde_json::from_slice(&reply?.body).expect("json");
    body["message"].as_str().map(str::to_owned)
}

#[test]
fn a_token_is_found_in_header_query_and_cookie() {
    let token = hs256(&json!({ "key": "user-key", "exp": in_an_hour() }));
    let (bearer, lower) = (format!("Bearer {token}"), format!("bearer {token}"));
    let (query, cookie) = (format!("/?a=1&jwt={token}"), format!("a=1; jwt={token}"));
    let own = r#"{"header": "jwt-header", "query": "jwt-query", "cookie": "jwt-cookie"}"#;
    let (own_query, own_cookie) = (format!("/?jwt-query={token}"), format!("jwt-cookie={token}"));
    let cases = [
        ("{}", "/", Some(("authorization", &bearer))),
        ("{}", "/", Some(("authorization", &lower))),
        ("{}", "/", Some(("authorization", &token))),
        ("{}", &*query, None),
        ("{}", "/", Some(("cookie", &cookie))),
        (own, "/", Some(("jwt-header", &bearer))),
        (own, &*own_query, None),
        (own, "/", Some(("cookie", &own_cookie))),
    ];
    for (conf, uri, header) in cases {
        let headers: Vec<_> = header.map(|(name, value)| (name, value.as_str())).into_iter().collect();
        let (exchange, reply) = run(conf, credential(), uri, &headers);
        assert!(reply.is_none(), "{conf} {uri} {header:?}");
        assert_eq!(exchange.header("x-consumer-username"), Some("jack"));
    }
}

#[test]
fn a_token_can_be_hidden() {
    let token = hs256(&json!({ "key": "user-key" }));
    let conf = r#"{"hide_credentials": true}"#;
    let (exchange, _) = run(conf, credential(), "/", &[("authorization", &token)]);
    assert_eq!(exchange.header("authorization"), None);
    let (exchange, _) = run(conf, credential(), &format!("/?a=1&jwt={token}&b=2"), &[]);
    assert_eq!(exchange.uri, "/?a=1&b=2");
    let (exchange, _) = run(conf, credential(), "/", &[("cookie", &format!("hello=world; jwt={token}; foo=bar"))]);
    assert_eq!(exchange.header("cookie"), Some("hello=world; foo=bar"));
    let (exchange, _) = run("{}", credential(), "/", &[("authorization", &token)]);
    assert!(exchange.header("authorization").is_some(), "only when asked for");
}

#[test]
fn refusals_have_the_words_of_apisix() {
    let valid = json!({ "key": "user-key" });
    let foreign = token("HS256", &valid, by_secret(b"another secret"));
    let unsigned = token("none", &valid, |_| Vec::new());
    let otherwise = token("HS384", &valid, by_secret(SECRET.as_bytes()));
    let cases = [
        ("invalid-eyJhbGci", "JWT token invalid"),
        ("a.b.c", "JWT token invalid"),
        ("", "JWT token invalid"),
        (&*hs256(&json!({ "exp": in_an_hour() })), "missing user key in JWT token"),
        (&*hs256(&json!({ "key": "nobody" })), "Invalid user key in JWT token"),
        (&*hs256(&json!({ "key": 42 })), "Invalid user key in JWT token"),
        (&*foreign, "failed to verify jwt"),
        (&*unsigned, "failed to verify jwt"),
        (&*otherwise, "failed to verify jwt"),
    ];
    for (token, message) in cases {
        assert_eq!(verdict("{}", credential(), token).as_deref(), Some(message), "{token}");
    }
    let reply = run("{}", credential(), "/", &[]).1.expect("a refusal");
    assert_eq!(
        (reply.status.as_u16(), &reply.body[..]),
        (401, &b"{\"message\":\"Missing JWT token in request\"}\n"[..])
    );
    assert_eq!(reply.headers["www-authenticate"], "Bearer realm=\"jwt\"");
}

#[test]
fn times_are_verified_as_asked() {
    let now = now() as i64;
    let credential = |grace: u64| json!({ "key": "user-key", "secret": SECRET, "lifetime_grace_period": grace });
    let claims = |name: &str, value: Value| {
        let mut claims = json!({ "key": "user-key" });
        claims[name] = value;
        hs256(&claims)
    };
    let both = |exp: i64, nbf: i64| hs256(&json!({ "key": "user-key", "exp": exp, "nbf": nbf }));
    let only = |claims: &str| format!(r#"{{"claims_to_verify": {claims}}}"#);
    let cases = [
        ("{}".to_owned(), claims("exp", json!(now - 10)), 0, false),
        ("{}".to_owned(), claims("exp", json!(now - 10)), 20, true),
        ("{}".to_owned(), claims("exp", json!(now + 100)), 0, true),
        ("{}".to_owned(), claims("exp", json!("soon")), 0, false),
        ("{}".to_owned(), claims("nbf", json!(now + 100)), 0, false),
        ("{}".to_owned(), claims("nbf", json!(now + 100)), 200, true),
        ("{}".to_owned(), claims("nbf", json!(now - 10)), 0, true),
        ("{}".to_owned(), claims("sub", json!("x")), 0, true),
        (only(r#"["nbf"]"#), both(now - 10, now - 10), 0, true),
        (only(r#"["exp"]"#), both(now + 100, now + 100), 0, true),
        (only(r#"["exp"]"#), claims("nbf", json!(now - 10)), 0, false),
        (only(r#"["exp"]"#), claims("exp", json!(null)), 0, false),
        (only(r#"["exp", "nbf"]"#), claims("exp", json!(now + 100)), 0, false),
        (only("[]"), claims("exp", json!(now - 10)), 0, false),
        (only("[]"), claims("sub", json!("x")), 0, true),
    ];
    for (conf, token, grace, is_taken) in cases {
        let expected = if is_taken { None } else { Some("failed to verify jwt") };
        assert_eq!(verdict(&conf, credential(grace), &token).as_deref(), expected, "{conf} {grace} {token}");
    }
}

#[test]
fn secrets_in_base64_and_keys_in_other_claims() {
    let credential = json!({ "key": "user-key", "secret": STANDARD.encode([7, 0, 255]), "base64_secret": true });
    let good = token("HS256", &json!({ "iss": "user-key" }), by_secret(&[7, 0, 255]));
    assert_eq!(verdict(r#"{"key_claim_name": "iss"}"#, credential.clone(), &good), None);
    assert_eq!(verdict("{}", credential, &good).as_deref(), Some("missing user key in JWT token"));
}

#[test]
fn claims_are_left_for_later_plugins_when_asked_for() {
    let token = hs256(&json!({ "key": "user-key", "role": "admin" }));
    let headers = [("authorization", token.as_str())];
    let (exchange, _) = run(r#"{"store_in_ctx": true}"#, credential(), "/", &headers);
    assert_eq!(exchange.note("jwt_auth_payload"), Some(&json!({ "key": "user-key", "role": "admin" })));
    assert_eq!(run("{}", credential(), "/", &headers).0.note("jwt_auth_payload"), None);
}

#[test]
fn the_anonymous_consumer_stands_in() {
    let (exchange, reply) = run(r#"{"anonymous_consumer": "anonymous"}"#, credential(), "/", &[]);
    assert!(reply.is_none());
    assert_eq!(exchange.header("x-consumer-username"), Some("anonymous"));
    let reply = run(r#"{"anonymous_consumer": "nobody"}"#, credential(), "/", &[]).1.expect("a refusal");
    assert_eq!(reply.body, "{\"message\":\"Invalid user authorization\"}\n");
    assert_eq!(reply.headers["www-authenticate"], "Bearer realm=\"jwt\"");
}

#[test]
fn every_algorithm() {
    for (algorithm, kind) in [("HS256", hmac::HMAC_SHA256), ("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)]
    {
        let key = hmac::Key::new(kind, SECRET.as_bytes());
        let credential = json!({ "key": "user-key", "secret": SECRET, "algorithm": algorithm });
        taken_and_tampered(algorithm, credential, &|message| hmac::sign(&key, message).as_ref().to_vec());
    }
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
    let encodings: [(&str, &'static dyn signature::RsaEncoding); 6] = [
        ("RS256", &signature::RSA_PKCS1_SHA256),
        ("RS384", &signature::RSA_PKCS1_SHA384),
        ("RS512", &signature::RSA_PKCS1_SHA512),
        ("PS256", &signature::RSA_PSS_SHA256),
        ("PS384", &signature::RSA_PSS_SHA384),
        ("PS512", &signature::RSA_PSS_SHA512),
    ];
    for (algorithm, encoding) in encodings {
        let sign = |message: &[u8]| {
            let mut signature = vec![0; rsa.public_modulus_len()];
            rsa.sign(encoding, &SystemRandom::new(), message, &mut signature).expect("signs");
            signature
        };
        taken_and_tampered(algorithm, public(algorithm, rsa.public_key()), &sign);
    }
    let curves: [(&str, &'static EcdsaSigningAlgorithm); 3] = [
        ("ES256", &signature::ECDSA_P256_SHA256_FIXED_SIGNING),
        ("ES384", &signature::ECDSA_P384_SHA384_FIXED_SIGNING),
        ("ES512", &signature::ECDSA_P521_SHA512_FIXED_SIGNING),
    ];
    for (algorithm, curve) in curves {
        let key = EcdsaKeyPair::generate(curve).expect("a key");
        let sign = |message: &[u8]| key.sign(&SystemRandom::new(), message).expect("signs").as_ref().to_vec();
        taken_and_tampered(algorithm, public(algorithm, key.public_key()), &sign);
    }
    let key = Ed25519KeyPair::generate().expect("a key");
    taken_and_tampered("EdDSA", public("EdDSA", key.public_key()), &|message| key.sign(message).as_ref().to_vec());
}

fn public(algorithm: &str, key: &impl AsDer<PublicKeyX509Der<'static>>) -> Value {
    let der = STANDARD.encode(key.as_der().expect("der").as_ref());
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{der}\n-----END PUBLIC KEY-----\n");
    json!({ "key": "user-key", "public_key": pem, "algorithm": algorithm })
}

fn taken_and_tampered(algorithm: &str, credential: Value, sign: &dyn Fn(&[u8]) -> Vec<u8>) {
    assert_eq!(crate::registry().check_consumer("jwt-auth", &credential), Ok(()));
    let good = token(algorithm, &json!({ "key": "user-key" }), sign);
    assert_eq!(verdict("{}", credential.clone(), &good), None, "{algorithm}");
    let tampered = token(algorithm, &json!({ "key": "user-key" }), |message| {
        let mut signature = sign(message);
        if let Some(byte) = signature.last_mut() {
            *byte ^= 1;
        }
        signature
    });
    assert_eq!(verdict("{}", credential.clone(), &tampered).as_deref(), Some("failed to verify jwt"), "{algorithm}");
    // The public key as a secret: the old trick.
    let Some(pem) = credential["public_key"].as_str() else { return };
    let confused = token("HS256", &json!({ "key": "user-key" }), by_secret(pem.as_bytes()));
    assert_eq!(verdict("{}", credential.clone(), &confused).as_deref(), Some("failed to verify jwt"), "{algorithm}");
}

#[test]
fn a_key_that_cannot_be_read_takes_no_token() {
    let credential = json!({ "key": "user-key", "public_key": "-----BEGIN PUBLIC KEY-----\n", "algorithm": "RS256" });
    let token = token("RS256", &json!({ "key": "user-key" }), |_| vec![0; 256]);
    assert_eq!(verdict("{}", credential, &token).as_deref(), Some("failed to verify jwt"));
}

#[test]
fn a_secret_that_is_empty_or_elsewhere_takes_no_token() {
    for (secret, is_base64) in
        [("", false), ("", true), ("$secret://vault/1/kept/secret", false), ("$env://UNSET", false)]
    {
        let claims = json!({ "key": "user-key", "exp": in_an_hour() });
        let token = token("HS256", &claims, by_secret(secret.as_bytes()));
        let credential = json!({ "key": "user-key", "secret": secret, "base64_secret": is_base64 });
        assert_eq!(verdict("{}", credential, &token).as_deref(), Some("failed to verify jwt"), "{secret:?}");
    }
}

#[test]
fn refused_credentials() {
    let by_schema = [
        (json!({ "secret": "a" }), "property \"key\" is required"),
        (
            json!({ "key": "a", "public_key": "p", "algorithm": "RS257" }),
            "property \"algorithm\" validation failed: matches none of the enum values",
        ),
        (
            json!({ "key": "a", "algorithm": "RS256" }),
            "failed to validate dependent schema for \"algorithm\": value should match only one schema, but matches none",
        ),
        (
            json!({ "key": "a", "secret": "s", "exp": 0 }),
            "property \"exp\" validation failed: expected 0 to be at least 1",
        ),
        (
            json!({ "key": "", "secret": "s" }),
            "property \"key\" validation failed: string too short, expected at least 1, got 0",
        ),
    ];
    for (credential, reason) in by_schema {
        let fault = crate::registry().check_consumer("jwt-auth", &credential).expect_err("a fault");
        assert_eq!(fault.message, format!("failed to check the configuration of plugin jwt-auth err: {reason}"));
    }
    let beyond_it = [
        (json!({ "key": "a" }), "property \"secret\" is required when \"algorithm\" is \"HS256\" or \"HS512\""),
        (
            json!({ "key": "a", "secret": "s?", "base64_secret": true }),
            "base64_secret required but the secret is not in base64 format",
        ),
    ];
    for (credential, reason) in beyond_it {
        assert_eq!(JwtAuth.prepare_credential(&credential).expect_err("a fault").message, reason);
    }
    let conf = json!({ "claims_to_verify": ["iss"] });
    let text = testing::refusal_of(&JwtAuth, &conf);
    assert!(text.ends_with("failed to validate item 1: matches none of the enum values"), "{text}");
}
