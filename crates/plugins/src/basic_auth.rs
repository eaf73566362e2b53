//! `basic-auth`: consumers by user name and password (RFC 7617).
//!
//! ```json
//! { "hide_credentials": false, "realm": "basic" }
//! ```
//! The consumer's part: `{ "username": "foo", "password": "bar" }`.
//! Source: <https://apisix.apache.org/docs/apisix/plugins/basic-auth/>

use std::sync::{Arc, LazyLock};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use http::header::AUTHORIZATION;
use model::Fault;
use plugin_api::schema::with_meta;
use plugin_api::{CompileInput, ConsumerEntry, Exchange, Flow, Phases, Plugin, PluginType};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::consumer::{Doorkeeper, credentials, doorkeeper};

/// The plugin by name.
pub(crate) struct BasicAuth;

#[derive(Deserialize)]
struct Conf {
    #[serde(default)]
    hide_credentials: bool,
    #[serde(default = "realm")]
    realm: String,
    anonymous_consumer: Option<String>,
}

fn realm() -> String {
    "basic".to_owned()
}

impl PluginType for BasicAuth {
    fn name(&self) -> &'static str {
        "basic-auth"
    }

    fn priority(&self) -> i32 {
        2520
    }

    fn schema(&self) -> &'static Value {
        static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
            with_meta(json!({
                "type": "object",
                "properties": {
                    "hide_credentials": { "type": "boolean", "default": false },
                    "realm": doorkeeper::realm("basic"),
                    "anonymous_consumer": doorkeeper::anonymous_consumer(),
                },
            }))
        });
        &SCHEMA
    }

    fn consumer_schema(&self) -> Option<&'static Value> {
        static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
            json!({
                "type": "object",
                "properties": {
                    "username": { "type": "string" },
                    "password": { "type": "string", "minLength": 1 },
                },
                "required": ["username", "password"],
            })
        });
        Some(&SCHEMA)
    }

    fn is_authentication(&self) -> bool {
        true
    }

    fn credential_key<'v>(&self, credential: &'v Value) -> Option<&'v str> {
        credential.get("username")?.as_str()
    }

    fn secret_fields(&self) -> &'static [&'static str] {
        &["password"]
    }

    fn compile(&self, input: &CompileInput<'_>) -> Result<Arc<dyn Plugin>, Fault> {
        let conf: Conf = crate::read(input.conf)?;
        let doorkeeper = Doorkeeper::new("Basic", &conf.realm, conf.anonymous_consumer)?;
        Ok(Arc::new(Compiled { hide_credentials: conf.hide_credentials, doorkeeper }))
    }
}

struct Compiled {
    hide_credentials: bool,
    doorkeeper: Doorkeeper,
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases::REWRITE
    }

    fn rewrite<'a>(&'a self, exchange: &'a mut Exchange) -> Flow<'a> {
        let found = find(exchange);
        if self.hide_credentials {
            exchange.headers.remove(AUTHORIZATION);
        }
        Flow::Done(self.doorkeeper.admit(exchange, found))
    }
}

/// As they were sent, or else without white space, which APISIX drops from both.
fn find(exchange: &Exchange) -> Result<Arc<ConsumerEntry>, &'static str> {
    const WRONG: &str = "Invalid user authorization";
    let header = exchange.headers.get(AUTHORIZATION).ok_or("Missing authorization in request")?;
    let pair = header.to_str().ok().and_then(decode).ok_or("Invalid authorization in request")?;
    // The first colon ends the name; a password may have more of them (RFC 7617, section 2).
    let colon = pair.iter().position(|byte| *byte == b':').ok_or("Invalid authorization in request")?;
    let (name, password) = pair.split_at_checked(colon).ok_or(WRONG)?;
    let password = password.get(1..).unwrap_or_default();
    let found = entry_of(exchange, name, password);
    let found = found.or_else(|| entry_of(exchange, &without_space(name), &without_space(password)));
    found.cloned().ok_or(WRONG)
}

fn entry_of<'e>(exchange: &'e Exchange, name: &[u8], password: &[u8]) -> Option<&'e Arc<ConsumerEntry>> {
    let entry = exchange.consumers.find("basic-auth", std::str::from_utf8(name).ok()?)?;
    let expected = entry.conf.get("password").and_then(Value::as_str).map(str::as_bytes);
    let expected = expected.filter(|expected| credentials::proves(expected))?;
    verify_slices_are_equal(password, expected).ok().map(|()| entry)
}

fn without_space(text: &[u8]) -> Vec<u8> {
    text.iter().copied().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'\x0b').collect()
}

/// `name:password` of `Basic bmFtZTpwYXNzd29yZA==`; a scheme's name has no case (RFC 9110, section 11.1).
fn decode(header: &str) -> Option<Vec<u8>> {
    let (scheme, rest) = header.split_once(|c: char| c.is_ascii_whitespace())?;
    if scheme.eq_ignore_ascii_case("basic") { credentials::base64(rest.trim()) } else { None }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use plugin_api::testing::Consumers;
    use plugin_api::{ConsumerInfo, Reply};

    use super::*;
    use crate::testing::{self, compile, reply_of};

    fn run(conf: &str, authorization: Option<&str>) -> (Exchange, Option<Reply>) {
        let headers: Vec<_> = authorization.map(|value| ("authorization", value)).into_iter().collect();
        let mut exchange = testing::exchange("/", &headers);
        let known =
            [("foo", "b:ar"), ("anonymous", "b:ar"), ("my name", "a b"), ("nothing", ""), ("kept", "$secret://v/1/p")];
        let consumers = known.iter().fold(Consumers::default(), |consumers, (name, password)| {
            let info = ConsumerInfo { username: format!("{name}_user").into(), ..ConsumerInfo::default() };
            consumers.with_credential(&BasicAuth, info, json!({ "username": name, "password": password }))
        });
        exchange.consumers = Rc::new(consumers);
        let reply = reply_of(compile(&BasicAuth, conf).rewrite(&mut exchange));
        (exchange, reply)
    }

    fn basic(pair: &str) -> String {
        format!("Basic {}", STANDARD.encode(pair))
    }

    #[test]
    fn name_and_password_find_the_consumer() {
        let (exchange, reply) = run("{}", Some(&basic("foo:b:ar")));
        assert!(reply.is_none());
        assert_eq!(exchange.header("x-consumer-username"), Some("foo_user"));
        assert!(exchange.headers.contains_key(AUTHORIZATION));
        let (exchange, _) = run(r#"{"hide_credentials": true}"#, Some(&basic("foo:b:ar")));
        assert!(!exchange.headers.contains_key(AUTHORIZATION));
    }

    #[test]
    fn the_scheme_has_no_case() {
        for scheme in ["basic", "BASIC", "bAsIc"] {
            let header = format!("{scheme} {}", STANDARD.encode("foo:b:ar"));
            assert_eq!(run("{}", Some(&header)).0.header("x-consumer-username"), Some("foo_user"), "{scheme}");
        }
    }

    #[test]
    fn white_space_is_dropped_where_it_does_not_count() {
        for pair in [" foo\t:b:ar\n", "f oo:b: a r", "foo:b:ar"] {
            assert_eq!(run("{}", Some(&basic(pair))).0.header("x-consumer-username"), Some("foo_user"), "{pair:?}");
        }
        let (exchange, _) = run("{}", Some(&basic("my name:a b")));
        assert_eq!(exchange.header("x-consumer-username"), Some("my name_user"), "as it was stored");
        assert!(run("{}", Some(&basic("my name:ab"))).1.is_some());
    }

    #[test]
    fn refusals_have_the_words_of_apisix() {
        let cases = [
            (None, "Missing authorization in request"),
            (Some("Bearer abc".to_owned()), "Invalid authorization in request"),
            (Some("Basic ?".to_owned()), "Invalid authorization in request"),
            (Some("Basicfoo".to_owned()), "Invalid authorization in request"),
            (Some(basic("foo")), "Invalid authorization in request"),
            (Some(basic("nobody:b:ar")), "Invalid user authorization"),
            (Some(basic("foo:b")), "Invalid user authorization"),
            (Some(basic("foo:b:ar x")), "Invalid user authorization"),
            (Some(basic("foo:")), "Invalid user authorization"),
            (Some(basic("nothing:")), "Invalid user authorization"),
            (Some(basic("kept:$secret://v/1/p")), "Invalid user authorization"),
        ];
        for (authorization, message) in cases {
            let reply = run("{}", authorization.as_deref()).1.expect("a refusal");
            assert_eq!(reply.status.as_u16(), 401);
            assert_eq!(reply.body, format!("{{\"message\":\"{message}\"}}\n"), "{authorization:?}");
            assert_eq!(reply.headers["www-authenticate"], "Basic realm=\"basic\"");
        }
        let reply = run(r#"{"realm": "test"}"#, None).1.expect("a refusal");
        assert_eq!(reply.headers["www-authenticate"], "Basic realm=\"test\"");
    }

    #[test]
    fn the_anonymous_consumer_stands_in() {
        let conf = r#"{"anonymous_consumer": "anonymous_user", "hide_credentials": true}"#;
        let (exchange, reply) = run(conf, Some(&basic("foo:wrong")));
        assert!(reply.is_none());
        assert_eq!(exchange.header("x-consumer-username"), Some("anonymous_user"));
        assert!(!exchange.headers.contains_key(AUTHORIZATION));
    }

    #[test]
    fn refused_configurations() {
        let cases = [
            (json!({ "username": "u" }), "property \"password\" is required"),
            (
                json!({ "username": "u", "password": "" }),
                "property \"password\" validation failed: string too short, expected at least 1, got 0",
            ),
            (
                json!({ "username": 1, "password": "p" }),
                "property \"username\" validation failed: wrong type: expected string, got number",
            ),
        ];
        for (conf, reason) in cases {
            let fault = crate::registry().check_consumer("basic-auth", &conf).expect_err("a fault");
            assert_eq!(fault.message, format!("failed to check the configuration of plugin basic-auth err: {reason}"));
        }
    }
}
