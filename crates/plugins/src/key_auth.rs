//! `key-auth`: consumers by an API key in a header or the query.
//!
//! ```json
//! { "header": "apikey", "query": "apikey", "hide_credentials": false }
//! ```
//! The consumer's part: `{ "key": "secret" }`. Source: <https://apisix.apache.org/docs/apisix/plugins/key-auth/>

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use http::header::{HeaderName, HeaderValue, WWW_AUTHENTICATE};
use http::{StatusCode, Uri};
use model::Fault;
use percent_encoding::percent_decode_str;
use plugin_api::schema::with_meta;
use plugin_api::{CompileInput, Exchange, Flow, Phases, Plugin, PluginType, Reply};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::consumer;

/// The plugin by name.
pub(crate) struct KeyAuth;

#[derive(Deserialize)]
#[serde(default)]
struct Conf {
    header: String,
    query: String,
    hide_credentials: bool,
    realm: String,
    anonymous_consumer: Option<String>,
}

impl Default for Conf {
    fn default() -> Self {
        Self {
            header: "apikey".into(),
            query: "apikey".into(),
            hide_credentials: false,
            realm: "key".into(),
            anonymous_consumer: None,
        }
    }
}

impl PluginType for KeyAuth {
    fn name(&self) -> &'static str {
        "key-auth"
    }

    fn priority(&self) -> i32 {
        2500
    }

    fn schema(&self) -> &'static Value {
        static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
            with_meta(json!({
                "type": "object",
                "properties": {
                    "header": { "type": "string", "default": "apikey" },
                    "query": { "type": "string", "default": "apikey" },
                    "hide_credentials": { "type": "boolean", "default": false },
                    "realm": { "type": "string", "default": "key" },
                    "anonymous_consumer": { "type": "string", "minLength": 1 },
                },
            }))
        });
        &SCHEMA
    }

    fn consumer_schema(&self) -> Option<&'static Value> {
        static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
            json!({
                "type": "object",
                "properties": { "key": { "type": "string" } },
                "required": ["key"],
            })
        });
        Some(&SCHEMA)
    }

    fn is_authentication(&self) -> bool {
        true
    }

    fn credential_key<'v>(&self, credential: &'v Value) -> Option<&'v str> {
        credential.get("key")?.as_str()
    }

    fn secret_fields(&self) -> &'static [&'static str] {
        &["key"]
    }

    fn compile(&self, input: &CompileInput<'_>) -> Result<Arc<dyn Plugin>, Fault> {
        let conf: Conf = crate::read(input.conf)?;
        let name = |_| Fault::new("/header", format!("{:?} must be a header's name", conf.header));
        let challenge = format!("apikey realm=\"{}\"", conf.realm.replace(['"', '\\'], ""));
        Ok(Arc::new(Compiled {
            header: HeaderName::try_from(conf.header.as_str()).map_err(name)?,
            query: conf.query,
            hide_credentials: conf.hide_credentials,
            challenge: HeaderValue::try_from(challenge).map_err(|_| Fault::new("/realm", "must be printable ASCII"))?,
            anonymous_consumer: conf.anonymous_consumer,
        }))
    }
}

struct Compiled {
    header: HeaderName,
    query: String,
    hide_credentials: bool,
    challenge: HeaderValue,
    anonymous_consumer: Option<String>,
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases::REWRITE
    }

    fn rewrite<'a>(&'a self, exchange: &'a mut Exchange) -> Flow<'a> {
        match self.find(exchange) {
            Ok(entry) => {
                consumer::attach(exchange, entry);
                if self.hide_credentials {
                    self.hide(exchange);
                }
                Flow::CONTINUE
            }
            Err(message) => self.without_consumer(exchange, message),
        }
    }
}

impl Compiled {
    fn find(&self, exchange: &Exchange) -> Result<plugin_api::ConsumerEntry, &'static str> {
        let in_header = exchange.headers.get(&self.header).and_then(|value| value.to_str().ok()).map(Cow::Borrowed);
        let key = in_header.or_else(|| exchange.query_argument(&self.query));
        let key = key.ok_or("Missing API key in request")?;
        let found = exchange.consumers.find("key-auth", &key);
        found.cloned().ok_or("Invalid API key in request")
    }

    fn without_consumer<'a>(&self, exchange: &mut Exchange, message: &str) -> Flow<'a> {
        let Some(username) = &self.anonymous_consumer else {
            let reply = Reply::message(StatusCode::UNAUTHORIZED, message);
            return Flow::reply(reply.with_header(WWW_AUTHENTICATE, self.challenge.clone()));
        };
        match consumer::anonymous(exchange, username) {
            Some(entry) => {
                consumer::attach(exchange, entry);
                Flow::CONTINUE
            }
            None => {
                tracing::error!(username, "the anonymous consumer does not exist");
                let reply = Reply::message(StatusCode::UNAUTHORIZED, "Invalid user authorization");
                Flow::reply(reply.with_header(WWW_AUTHENTICATE, self.challenge.clone()))
            }
        }
    }

    /// Takes the key out of what the upstream sees, from where it was read.
    fn hide(&self, exchange: &mut Exchange) {
        if exchange.headers.remove(&self.header).is_some() {
            return;
        }
        let Some(query) = exchange.uri.query() else { return };
        // Compared decoded, as it was found: `%61pikey` is the key too.
        let is_key = |pair: &&str| {
            let name = pair.split('=').next().unwrap_or_default().replace('+', " ");
            percent_decode_str(&name).decode_utf8_lossy() == self.query
        };
        let kept: Vec<_> = query.split('&').filter(|pair| !is_key(pair)).collect();
        let question = if kept.is_empty() { "" } else { "?" };
        let target = format!("{}{question}{}", exchange.uri.path(), kept.join("&"));
        if let Ok(uri) = target.parse::<Uri>() {
            exchange.uri = uri;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, compile, reply_of};

    fn run(conf: &str, uri: &str, headers: &[(&str, &str)]) -> (Exchange, Option<Reply>) {
        let plugin = compile(&KeyAuth, conf);
        let mut exchange = testing::exchange(uri, headers);
        let reply = reply_of(plugin.rewrite(&mut exchange));
        (exchange, reply)
    }

    #[test]
    fn a_key_in_header_or_query_finds_the_consumer() {
        for (uri, headers) in [("/", &[("apikey", "jack-key")][..]), ("/?apikey=jack-key", &[])] {
            let (exchange, reply) = run("{}", uri, headers);
            assert!(reply.is_none());
            assert_eq!(&*exchange.consumer.as_ref().expect("consumer").consumer.username, "jack");
            assert_eq!(exchange.header("x-consumer-username"), Some("jack"));
            assert_eq!(exchange.header("x-consumer-custom-id"), Some("42"));
        }
    }

    #[test]
    fn refusals_have_the_words_of_apisix() {
        let (_, reply) = run("{}", "/", &[]);
        let reply = reply.expect("reply");
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
        assert_eq!(reply.body, "{\"message\":\"Missing API key in request\"}\n");
        assert_eq!(reply.headers["www-authenticate"], "apikey realm=\"key\"");
        let (_, reply) = run("{}", "/", &[("apikey", "wrong")]);
        assert_eq!(reply.expect("reply").body, "{\"message\":\"Invalid API key in request\"}\n");
    }

    #[test]
    fn a_client_cannot_name_itself() {
        let headers = [("apikey", "ann-key"), ("x-consumer-username", "root"), ("x-consumer-custom-id", "1")];
        let (exchange, _) = run("{}", "/", &headers);
        assert_eq!(exchange.header("x-consumer-username"), Some("ann"));
        assert_eq!(exchange.header("x-consumer-custom-id"), None);
    }

    #[test]
    fn credentials_can_be_hidden() {
        let conf = r#"{"hide_credentials": true}"#;
        let (exchange, _) = run(conf, "/a?b=1&apikey=jack-key&c=2", &[]);
        assert_eq!(exchange.uri, "/a?b=1&c=2");
        let (exchange, _) = run(conf, "/a?apikey=jack-key", &[]);
        assert_eq!(exchange.uri, "/a");
        let (exchange, _) = run(conf, "/a?%61pikey=jack-key&b", &[]);
        assert_eq!(exchange.uri, "/a?b");
        let (exchange, _) = run(conf, "/a", &[("apikey", "jack-key")]);
        assert_eq!(exchange.header("apikey"), None);
        let (exchange, _) = run("{}", "/a?apikey=jack-key", &[]);
        assert_eq!(exchange.uri, "/a?apikey=jack-key", "only when asked for");
    }

    #[test]
    fn an_anonymous_consumer_stands_in() {
        let (exchange, reply) = run(r#"{"anonymous_consumer": "ann"}"#, "/", &[]);
        assert!(reply.is_none());
        assert_eq!(exchange.header("x-consumer-username"), Some("ann"));
        let (_, reply) = run(r#"{"anonymous_consumer": "nobody"}"#, "/", &[]);
        assert_eq!(reply.expect("reply").status, StatusCode::UNAUTHORIZED);
    }
}
