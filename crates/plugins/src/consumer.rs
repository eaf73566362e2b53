//! What every authentication plugin does once it knows who calls.

use http::header::{HeaderName, HeaderValue};
use plugin_api::{ConsumerEntry, Exchange};

static USERNAME: HeaderName = HeaderName::from_static("x-consumer-username");
static CREDENTIAL: HeaderName = HeaderName::from_static("x-credential-identifier");
static CUSTOM_ID: HeaderName = HeaderName::from_static("x-consumer-custom-id");

/// The consumer's label that the upstream gets to see.
const CUSTOM_ID_LABEL: &str = "custom_id";

/// Makes the consumer known to later phases and to the upstream. What a client says of itself in these
/// headers is replaced or removed.
///
/// Source: `attach_consumer` of APISIX's `consumer.lua`.
pub(crate) fn attach(exchange: &mut Exchange, entry: ConsumerEntry) {
    let consumer = &entry.consumer;
    set(exchange, &USERNAME, Some(&consumer.username));
    set(exchange, &CREDENTIAL, entry.credential_id.as_deref());
    set(exchange, &CUSTOM_ID, consumer.labels.get(CUSTOM_ID_LABEL).map(String::as_str));
    exchange.consumer = Some(entry);
}

/// Takes away what a client says of itself, for requests that go on without a consumer.
fn set(exchange: &mut Exchange, name: &HeaderName, value: Option<&str>) {
    match value.and_then(|value| HeaderValue::from_str(value).ok()) {
        Some(value) => exchange.headers.insert(name, value),
        None => exchange.headers.remove(name),
    };
}

/// The consumer that stands for callers without a credential.
pub(crate) fn anonymous(exchange: &Exchange, username: &str) -> Option<ConsumerEntry> {
    let consumer = exchange.consumers.by_name(username)?.clone();
    Some(ConsumerEntry { consumer, credential_id: None, conf: Default::default() })
}
