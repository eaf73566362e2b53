//! How an authentication plugin lets a caller in or turns it away.

use std::sync::Arc;

use http::StatusCode;
use http::header::{HeaderValue, WWW_AUTHENTICATE};
use model::Fault;
use plugin_api::{ConsumerEntry, Exchange, Reply, Verdict};
use serde_json::{Value, json};

/// The challenge of a refusal, and the consumer that stands for callers who proved nothing.
#[derive(Debug)]
pub(crate) struct Doorkeeper {
    challenge: HeaderValue,
    anonymous_consumer: Option<String>,
}

/// The schema of `realm`.
pub(crate) fn realm(default: &str) -> Value {
    json!({ "type": "string", "default": default })
}

/// The schema of `anonymous_consumer`.
pub(crate) fn anonymous_consumer() -> Value {
    json!({ "type": "string", "minLength": 1 })
}

impl Doorkeeper {
    /// One that challenges with `scheme realm="realm"`.
    pub(crate) fn new(scheme: &str, realm: &str, anonymous_consumer: Option<String>) -> Result<Self, Fault> {
        let challenge = format!("{scheme} realm=\"{}\"", realm.replace(['"', '\\'], ""));
        let challenge = HeaderValue::try_from(challenge);
        let challenge = challenge.map_err(|_| Fault::new("/realm", "must be printable ASCII"))?;
        Ok(Self { challenge, anonymous_consumer })
    }

    /// Attaches the consumer that was found, or else the anonymous one; whoever is neither gets 401 with the message.
    pub(crate) fn admit(&self, exchange: &mut Exchange, found: Result<Arc<ConsumerEntry>, &'static str>) -> Verdict {
        match found.or_else(|message| self.stand_in(exchange).ok_or(message)) {
            Ok(entry) => {
                super::attach(exchange, entry);
                Verdict::Continue
            }
            Err(message) => Verdict::Reply(self.refusal(message)),
        }
    }

    fn stand_in(&self, exchange: &Exchange) -> Option<Arc<ConsumerEntry>> {
        super::anonymous(exchange, self.anonymous_consumer.as_deref()?)
    }

    fn refusal(&self, message: &'static str) -> Reply {
        let message = match &self.anonymous_consumer {
            None => message,
            Some(username) => {
                tracing::error!(username, "the anonymous consumer does not exist");
                "Invalid user authorization"
            }
        };
        let reply = Reply::message(StatusCode::UNAUTHORIZED, message);
        reply.with_header(WWW_AUTHENTICATE, self.challenge.clone())
    }
}

#[cfg(test)]
mod tests {
    use plugin_api::Flow;

    use super::*;
    use crate::testing;

    fn admit(anonymous: Option<&str>) -> (Exchange, Option<Reply>) {
        let doorkeeper = Doorkeeper::new("Basic", "a \"b\"", anonymous.map(str::to_owned)).expect("realm");
        let mut exchange = testing::exchange("/", &[]);
        let verdict = doorkeeper.admit(&mut exchange, Err("no"));
        (exchange, testing::reply_of(Flow::Done(verdict)))
    }

    #[test]
    fn a_stranger_is_challenged_and_the_realm_cannot_break_out() {
        let reply = admit(None).1.expect("a refusal");
        assert_eq!((reply.status.as_u16(), &reply.body[..]), (401, &b"{\"message\":\"no\"}\n"[..]));
        assert_eq!(reply.headers["www-authenticate"], "Basic realm=\"a b\"");
        assert_eq!(Doorkeeper::new("Basic", "a\nb", None).expect_err("a fault").pointer, "/realm");
    }

    #[test]
    fn the_anonymous_consumer_stands_in_where_it_exists() {
        let (exchange, reply) = admit(Some("ann"));
        assert!(reply.is_none());
        assert_eq!(exchange.header("x-consumer-username"), Some("ann"));
        let reply = admit(Some("nobody")).1.expect("a refusal");
        assert_eq!(reply.body, "{\"message\":\"Invalid user authorization\"}\n");
    }
}
