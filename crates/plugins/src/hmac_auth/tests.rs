use std::rc::Rc;
use std::time::Duration;

use http::Method;
use plugin_api::testing::{Consumers, with_header};
use plugin_api::{ConsumerInfo, Reply};

use super::*;
use crate::testing::{self, compile, reply_of};

const SECRET: &str = "my-secret-key";
const KEPT: &str = "$secret://vault/1/kept/secret";

/// A request as a client signs it, one field at a time to get wrong.
struct Client {
    key_id: &'static str,
    algorithm: &'static str,
    key: hmac::Key,
    headers: &'static str,
    date: Option<String>,
    date_header: &'static str,
    digest: Option<String>,
    body: &'static [u8],
}

impl Default for Client {
    fn default() -> Self {
        Self {
            key_id: "my-key",
            algorithm: "hmac-sha256",
            key: hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()),
            headers: "@request-target date x-custom",
            date: Some(seconds_from_now(0)),
            date_header: "date",
            digest: None,
            body: b"",
        }
    }
}

fn seconds_from_now(seconds: i64) -> String {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let now = SystemTime::now();
    httpdate::fmt_http_date(if seconds < 0 { now - distance } else { now + distance })
}

impl Client {
    fn request(&self) -> Exchange {
        let mut exchange = testing::exchange("/hello?a=1", &[("x-custom", "42")]);
        exchange.method = Method::POST;
        exchange.request_body = Some(self.body.into());
        for (name, value) in [(self.date_header, &self.date), ("digest", &self.digest)] {
            if let Some(value) = value {
                exchange = with_header(exchange, name, value);
            }
        }
        // Built by hand, not by the code under test.
        let mut lines = format!("{}\n", self.key_id);
        for name in self.headers.split(' ') {
            match name {
                "@request-target" => lines += "POST /hello?a=1\n",
                name => lines += &exchange.header(name).map(|value| format!("{name}: {value}\n")).unwrap_or_default(),
            }
        }
        let signature = STANDARD.encode(hmac::sign(&self.key, lines.as_bytes()));
        let (key_id, algorithm, headers) = (self.key_id, self.algorithm, self.headers);
        let header = format!(
            "Signature keyId=\"{key_id}\",algorithm=\"{algorithm}\",headers=\"{headers}\",signature=\"{signature}\""
        );
        with_header(exchange, "authorization", &header)
    }
}

fn run(conf: &str, mut exchange: Exchange) -> (Exchange, Option<Reply>) {
    let info = |username: &str| ConsumerInfo { username: username.into(), ..ConsumerInfo::default() };
    let credential = |key_id: &str| json!({ "key_id": key_id, "secret_key": SECRET });
    let consumers = Consumers::default()
        .with_credential(&HmacAuth, info("jack"), credential("my-key"))
        .with_credential(&HmacAuth, info("anonymous"), credential("other-key"))
        .with_credential(&HmacAuth, info("nobody"), json!({ "key_id": "empty", "secret_key": "" }))
        .with_credential(&HmacAuth, info("kept"), json!({ "key_id": "kept", "secret_key": KEPT }));
    exchange.consumers = Rc::new(consumers);
    let reply = reply_of(compile(&HmacAuth, conf).rewrite(&mut exchange));
    (exchange, reply)
}

/// Nothing when the request passes as jack's, or the message it is refused with.
fn verdict(conf: &str, exchange: Exchange) -> Option<String> {
    let (exchange, reply) = run(conf, exchange);
    let Some(reply) = reply else {
        assert_eq!(exchange.header("x-consumer-username"), Some("jack"));
        return None;
    };
    assert_eq!(reply.status.as_u16(), 401);
    assert_eq!(reply.headers["www-authenticate"], "hmac realm=\"hmac\"");
    let body: Value = serde_json::from_slice(&reply.body).expect("json");
    body["message"].as_str().map(str::to_owned)
}

#[test]
fn every_algorithm() {
    let kinds = [
        ("hmac-sha1", hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
        ("hmac-sha256", hmac::HMAC_SHA256),
        ("hmac-sha512", hmac::HMAC_SHA512),
    ];
    for (algorithm, kind) in kinds {
        let client = Client { algorithm, key: hmac::Key::new(kind, SECRET.as_bytes()), ..Client::default() };
        assert_eq!(verdict("{}", client.request()), None, "{algorithm}");
        let conf = format!(r#"{{"allowed_algorithms": ["{algorithm}"]}}"#);
        assert_eq!(verdict(&conf, client.request()), None, "{algorithm}");
    }
    let only = r#"{"allowed_algorithms": ["hmac-sha1"]}"#;
    assert_eq!(verdict(only, Client::default().request()).as_deref(), Some(REFUSED));
}

#[test]
fn a_secret_that_is_empty_or_elsewhere_verifies_nothing() {
    for (key_id, secret) in [("empty", ""), ("kept", KEPT)] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let client = Client { key_id, key, ..Client::default() };
        assert_eq!(verdict("{}", client.request()).as_deref(), Some(REFUSED));
    }
}

#[test]
fn what_is_signed_must_be_what_is_sent() {
    type Change = fn(&mut Exchange);
    let changes: [Change; 4] = [
        |exchange| exchange.method = Method::PUT,
        |exchange| exchange.uri = "/hello?a=2".parse().expect("target"),
        |exchange| drop(exchange.headers.insert("x-custom", "43".parse().expect("value"))),
        |exchange| drop(exchange.headers.remove("x-custom")),
    ];
    for change in changes {
        let mut exchange = Client::default().request();
        change(&mut exchange);
        assert_eq!(verdict("{}", exchange).as_deref(), Some(REFUSED));
    }
    let foreign = Client { key: hmac::Key::new(hmac::HMAC_SHA256, b"other"), ..Client::default() };
    assert_eq!(verdict("{}", foreign.request()).as_deref(), Some(REFUSED));
    let nobody = Client { key_id: "nobody", ..Client::default() };
    assert_eq!(verdict("{}", nobody.request()).as_deref(), Some(REFUSED));
}

#[test]
fn headers_that_say_nothing_are_told_so() {
    let missing = "client request can't be validated: missing Authorization header";
    let other = "client request can't be validated: Authorization header does not start with 'Signature'";
    let cases = [
        (None, missing),
        (Some("Basic Zm9vOmJhcg=="), other),
        (Some("Signature"), REFUSED),
        (Some("Signature keyId=\"my-key\",algorithm=\"hmac-sha256\""), REFUSED),
        (Some("Signature keyId=\"my-key\",signature=\"aa==\""), REFUSED),
        (Some("Signature keyId=\"my-key\",algorithm=\"hmac-md5\",signature=\"aa==\""), REFUSED),
        (Some("Signature keyId=\"my-key\",algorithm=\"hmac-sha256\",signature=\"?\""), REFUSED),
    ];
    for (header, message) in cases {
        let date = seconds_from_now(0);
        let mut headers = vec![("date", date.as_str())];
        headers.extend(header.map(|header| ("authorization", header)));
        assert_eq!(verdict("{}", testing::exchange("/", &headers)).as_deref(), Some(message), "{header:?}");
    }
}

#[test]
fn clocks_may_differ_so_far() {
    let cases = [
        ("{}", Some(seconds_from_now(-290)), true),
        ("{}", Some(seconds_from_now(290)), true),
        ("{}", Some(seconds_from_now(-310)), false),
        ("{}", Some(seconds_from_now(310)), false),
        (r#"{"clock_skew": 1000}"#, Some(seconds_from_now(-900)), true),
        ("{}", Some("yesterday".to_owned()), false),
        ("{}", None, false),
    ];
    for (conf, date, is_near) in cases {
        for (date_header, headers) in [("date", "@request-target date"), ("x-date", "@request-target x-date")] {
            let client = Client { date: date.clone(), date_header, headers, ..Client::default() };
            assert_eq!(verdict(conf, client.request()).is_none(), is_near, "{conf} {date:?}");
        }
    }
}

#[test]
fn the_headers_of_the_configuration_must_be_signed() {
    let conf = r#"{"signed_headers": ["date", "x-custom"]}"#;
    assert_eq!(verdict(conf, Client::default().request()), None);
    let fewer = Client { headers: "date", ..Client::default() };
    assert_eq!(verdict(conf, fewer.request()).as_deref(), Some(REFUSED));
    assert_eq!(verdict("{}", fewer.request()), None);
}

#[test]
fn the_date_must_be_signed_unless_the_configuration_says_otherwise() {
    let undated = Client { headers: "@request-target", ..Client::default() };
    assert_eq!(verdict("{}", undated.request()).as_deref(), Some(REFUSED));
    assert_eq!(verdict(r#"{"signed_headers": []}"#, undated.request()), None);
    // Whoever has seen such a request could send it again with another X-Date.
    let by_x_date = |headers| Client { headers, date_header: "x-date", ..Client::default() };
    assert_eq!(verdict("{}", by_x_date("date @request-target").request()).as_deref(), Some(REFUSED));
    assert_eq!(verdict("{}", by_x_date("x-date").request()), None);
}

#[test]
fn bodies_are_validated_when_asked_for() {
    let conf = r#"{"validate_request_body": true, "max_req_body_size": 1024}"#;
    assert_eq!(compile(&HmacAuth, conf).request_body(), BodyNeed::Whole { limit: 1024 });
    assert_eq!(compile(&HmacAuth, "{}").request_body(), BodyNeed::Stream);
    // SHA-256 of "" and of "abc" (FIPS 180-2).
    let empty = "SHA-256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    let abc = "SHA-256=ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=";
    let cases: [(&'static [u8], Option<&str>, bool); 5] = [
        (b"abc", Some(abc), true),
        (b"", Some(empty), true),
        (b"abd", Some(abc), false),
        (b"abc", None, false),
        (b"abc", Some("x"), false),
    ];
    for (body, digest, is_good) in cases {
        let client = Client { body, digest: digest.map(str::to_owned), ..Client::default() };
        assert_eq!(verdict(conf, client.request()).is_none(), is_good, "{body:?} {digest:?}");
        assert_eq!(verdict("{}", client.request()), None);
    }
}

#[test]
fn credentials_are_hidden_and_strangers_stood_in_for() {
    let (exchange, _) = run("{}", Client::default().request());
    assert!(exchange.headers.contains_key(AUTHORIZATION));
    let (exchange, _) = run(r#"{"hide_credentials": true}"#, Client::default().request());
    assert!(!exchange.headers.contains_key(AUTHORIZATION));
    let (exchange, reply) = run(r#"{"anonymous_consumer": "anonymous"}"#, testing::exchange("/", &[]));
    assert!(reply.is_none());
    assert_eq!(exchange.header("x-consumer-username"), Some("anonymous"));
}

#[test]
fn refused_configurations() {
    let cases = [
        (json!({ "clock_skew": 0 }), "property \"clock_skew\" validation failed: expected 0 to be at least 1"),
        (
            json!({ "allowed_algorithms": [] }),
            "property \"allowed_algorithms\" validation failed: expect array to have at least 1 items",
        ),
        (
            json!({ "allowed_algorithms": ["hmac-md5"] }),
            "property \"allowed_algorithms\" validation failed: failed to validate item 1: matches none of the enum values",
        ),
    ];
    for (conf, reason) in cases {
        assert_eq!(testing::refusal_of(&HmacAuth, &conf), reason);
    }
    let credentials = [
        (json!({ "secret_key": "s" }), "property \"key_id\" is required"),
        (json!({ "key_id": "k" }), "property \"secret_key\" is required"),
        (
            json!({ "key_id": "k".repeat(257), "secret_key": "s" }),
            "property \"key_id\" validation failed: string too long, expected at most 256, got 257",
        ),
    ];
    for (credential, reason) in credentials {
        let fault = crate::registry().check_consumer("hmac-auth", &credential).expect_err("a fault");
        assert_eq!(fault.message, format!("failed to check the configuration of plugin hmac-auth err: {reason}"));
    }
}
