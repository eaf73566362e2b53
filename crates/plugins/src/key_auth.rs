//! `key-auth`: consumers by an API key in a header or the query.
//!
//! ```json
//! { "header": "apikey", "query": "apikey", "hide_credentials": false }
//! ```
//! The consumer's part: `{ "key": "secret" }`. Source: <https://apisix.apache.org/docs/apisix/plugins/key-auth/>

use std::sync::{Arc, LazyLock};

use model::Fault;
use plugin_api::schema::with_meta;
use plugin_api::{CompileInput, ConsumerEntry, Exchange, Flow, Phases, Plugin, PluginType};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::consumer::{Doorkeeper, credentials, doorkeeper};

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
                    "realm": doorkeeper::realm("key"),
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
        // A reference may lead to nothing, and nothing is no key.
        credential.get("key")?.as_str().filter(|key| !key.is_empty())
    }

    fn secret_fields(&self) -> &'static [&'static str] {
        &["key"]
    }

    fn compile(&self, input: &CompileInput<'_>) -> Result<Arc<dyn Plugin>, Fault> {
        let conf: Conf = crate::read(input.conf)?;
        Ok(Arc::new(Compiled {
            header: credentials::Header::parse(&conf.header)?,
            query: conf.query,
            hide_credentials: conf.hide_credentials,
            doorkeeper: Doorkeeper::new("apikey", &conf.realm, conf.anonymous_consumer)?,
        }))
    }
}

struct Compiled {
    header: credentials::Header,
    query: String,
    hide_credentials: bool,
    doorkeeper: Doorkeeper,
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases::REWRITE
    }

    fn rewrite<'a>(&'a self, exchange: &'a mut Exchange) -> Flow<'a> {
        let found = self.find(exchange);
        if self.hide_credentials {
            self.hide(exchange, found.is_ok());
        }
        Flow::Done(self.doorkeeper.admit(exchange, found))
    }
}

impl Compiled {
    fn find(&self, exchange: &Exchange) -> Result<Arc<ConsumerEntry>, &'static str> {
        let in_header = self.header.get(&exchange.headers).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let key = in_header.or_else(|| credentials::query_argument(exchange, &self.query));
        let key = key.ok_or("Missing API key in request")?;
        let found = exchange.consumers.find("key-auth", &key).filter(|_| credentials::proves(key.as_bytes()));
        found.cloned().ok_or("Invalid API key in request")
    }

    /// Takes the key out of what the upstream sees, from where it was read. One that is nobody's goes from wherever it may
    /// be: who comes in as the anonymous consumer has had neither looked at.
    fn hide(&self, exchange: &mut Exchange, is_known: bool) {
        let was_in_header = self.header.remove(&mut exchange.headers);
        if !was_in_header || !is_known {
            credentials::hide_query_argument(exchange, &self.query);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use http::{HeaderValue, StatusCode};
    use plugin_api::testing::Consumers;
    use plugin_api::{ConsumerInfo, Reply};

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
    fn who_is_let_in_as_anonymous_leaves_all_keys_behind() {
        let conf = r#"{"hide_credentials": true, "anonymous_consumer": "ann"}"#;
        let (exchange, _) = run(conf, "/a?apikey=other&b=1", &[("apikey", "wrong")]);
        assert_eq!(exchange.header("x-consumer-username"), Some("ann"));
        assert_eq!((exchange.header("apikey"), exchange.uri.to_string().as_str()), (None, "/a?b=1"));
        let (exchange, _) = run(conf, "/a?apikey=other", &[("apikey", "jack-key")]);
        assert_eq!(exchange.uri, "/a?apikey=other", "a key that was right is taken from where it was read");
    }

    #[test]
    fn a_header_beyond_ascii_is_a_key_too() {
        let consumers = |key: &str| {
            let info = ConsumerInfo { username: "zoe".into(), ..ConsumerInfo::default() };
            Rc::new(Consumers::default().with_credential(&KeyAuth, info, json!({ "key": key })))
        };
        let plugin = compile(&KeyAuth, r#"{"hide_credentials": true}"#);
        let mut exchange = testing::exchange("/?apikey=z", &[]);
        exchange.headers.insert("apikey", HeaderValue::from_bytes("schl\u{fc}ssel".as_bytes()).expect("a value"));
        exchange.consumers = consumers("schl\u{fc}ssel");
        assert!(reply_of(plugin.rewrite(&mut exchange)).is_none());
        // One that is no text is not passed over for the argument, which would go on unhidden then.
        exchange.headers.insert("apikey", HeaderValue::from_bytes(b"\xff").expect("a value"));
        exchange.consumers = consumers("z");
        assert!(reply_of(plugin.rewrite(&mut exchange)).is_some());
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
