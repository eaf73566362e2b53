//! What every authentication plugin does once it knows who calls.

use std::sync::Arc;

use http::header::{HeaderName, HeaderValue};
use plugin_api::{ConsumerEntry, Exchange};
use serde_json::Value;

pub(crate) mod credentials;
pub(crate) mod doorkeeper;

pub(crate) use doorkeeper::Doorkeeper;

static USERNAME: HeaderName = HeaderName::from_static("x-consumer-username");
static CREDENTIAL: HeaderName = HeaderName::from_static("x-credential-identifier");
static CUSTOM_ID: HeaderName = HeaderName::from_static("x-consumer-custom-id");

/// The consumer's label that the upstream gets to see.
const CUSTOM_ID_LABEL: &str = "custom_id";

/// Makes the consumer known to later phases and to the upstream. What a client says of itself in these
/// headers is replaced or removed.
///
/// Source: `attach_consumer` of APISIX's `consumer.lua`.
fn attach(exchange: &mut Exchange, entry: Arc<ConsumerEntry>) {
    let consumer = &entry.consumer;
    set(exchange, &USERNAME, Some(&consumer.username));
    set(exchange, &CREDENTIAL, entry.credential_id.as_deref());
    set(exchange, &CUSTOM_ID, consumer.labels.get(CUSTOM_ID_LABEL).map(String::as_str));
    exchange.consumer = Some(entry);
}

/// Names are UTF-8; a header takes its bytes. What cannot stand in one is left out, never the client's word kept.
fn set(exchange: &mut Exchange, name: &HeaderName, value: Option<&str>) {
    match value.and_then(|value| HeaderValue::from_bytes(value.as_bytes()).ok()) {
        Some(value) => exchange.headers.insert(name, value),
        None => exchange.headers.remove(name),
    };
}

/// The consumer that stands for callers without a credential.
fn anonymous(exchange: &Exchange, username: &str) -> Option<Arc<ConsumerEntry>> {
    let consumer = exchange.consumers.by_name(username)?.clone();
    Some(Arc::new(ConsumerEntry { consumer, credential_id: None, conf: Value::Null, prepared: None }))
}

#[cfg(test)]
mod tests {
    use plugin_api::ConsumerInfo;

    use super::*;
    use crate::testing;

    fn attached(username: &str, credential: Option<&str>) -> Exchange {
        let headers = ["x-consumer-username", "x-credential-identifier", "x-consumer-custom-id"];
        let mut exchange = testing::exchange("/", &headers.map(|name| (name, "forged")));
        let consumer = Arc::new(ConsumerInfo { username: username.into(), ..ConsumerInfo::default() });
        let credential_id = credential.map(Into::into);
        attach(&mut exchange, Arc::new(ConsumerEntry { consumer, credential_id, conf: Value::Null, prepared: None }));
        exchange
    }

    #[test]
    fn the_upstream_learns_who_calls_and_nothing_from_the_client() {
        let exchange = attached("jack", Some("c1"));
        assert_eq!(exchange.header("x-consumer-username"), Some("jack"));
        assert_eq!(exchange.header("x-credential-identifier"), Some("c1"));
        assert_eq!(exchange.header("x-consumer-custom-id"), None);
        assert_eq!(attached("jack", None).header("x-credential-identifier"), None);
    }

    #[test]
    fn names_beyond_ascii_are_sent_as_they_are_and_control_characters_are_not() {
        assert_eq!(attached("j\u{f6}rg", None).headers[&USERNAME].as_bytes(), "j\u{f6}rg".as_bytes());
        assert!(!attached("a\nb", None).headers.contains_key(&USERNAME));
    }
}
