//! `client-control`: how long a request's body may be.
//!
//! ```json
//! { "max_body_size": 1048576 }
//! ```
//! Source: <https://apisix.apache.org/docs/apisix/plugins/client-control/>

use std::sync::{Arc, LazyLock};

use http::StatusCode;
use http::header::CONTENT_LENGTH;
use model::Fault;
use plugin_api::schema::with_meta;
use plugin_api::{CompileInput, Exchange, Flow, Phases, Plugin, PluginType, Reply};
use serde::Deserialize;
use serde_json::{Value, json};

/// The plugin by name.
pub(crate) struct ClientControl;

#[derive(Deserialize)]
struct Conf {
    max_body_size: Option<u64>,
}

impl PluginType for ClientControl {
    fn name(&self) -> &'static str {
        "client-control"
    }

    fn priority(&self) -> i32 {
        22000
    }

    fn schema(&self) -> &'static Value {
        static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
            with_meta(json!({
                "type": "object",
                "properties": {
                    "max_body_size": {
                        "type": "integer",
                        "minimum": 0,
                        "description": "most bytes of a request's body; 0 sets no limit",
                    },
                },
            }))
        });
        &SCHEMA
    }

    fn compile(&self, input: &CompileInput<'_>) -> Result<Arc<dyn Plugin>, Fault> {
        let conf: Conf = crate::read(input.conf)?;
        Ok(Arc::new(Compiled { most: conf.max_body_size.filter(|most| *most > 0) }))
    }
}

struct Compiled {
    most: Option<u64>,
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases::REWRITE
    }

    /// A body that tells its length, or has been read before, is refused at once; another when it has become too long.
    fn rewrite<'a>(&'a self, exchange: &'a mut Exchange) -> Flow<'a> {
        let Some(most) = self.most else { return Flow::CONTINUE };
        let told = exchange.headers.get(CONTENT_LENGTH).and_then(|told| told.to_str().ok()?.parse::<u64>().ok());
        let told = told.max(exchange.request_body.as_ref().map(|body| body.len() as u64));
        if told.is_some_and(|told| told > most) {
            return Flow::reply(Reply::page(StatusCode::PAYLOAD_TOO_LARGE));
        }
        exchange.request_body_limit = Some(most);
        Flow::CONTINUE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, compile, reply_of};

    fn run(conf: &str, length: &str) -> (Option<u16>, Option<u64>) {
        let mut exchange = testing::exchange("/", &[("content-length", length)]);
        let plugin = compile(&ClientControl, conf);
        let status = reply_of(plugin.rewrite(&mut exchange)).map(|reply| reply.status.as_u16());
        (status, exchange.request_body_limit)
    }

    #[test]
    fn bodies_are_held_to_their_bound() {
        assert_eq!(run(r#"{"max_body_size": 5}"#, "6"), (Some(413), None));
        assert_eq!(run(r#"{"max_body_size": 5}"#, "5"), (None, Some(5)));
        assert_eq!(run(r#"{"max_body_size": 0}"#, "6"), (None, None));
        assert_eq!(run("{}", "6"), (None, None));
    }

    #[test]
    fn a_body_that_was_read_before_is_held_to_it_too() {
        let plugin = compile(&ClientControl, r#"{"max_body_size": 5}"#);
        let status = |body: &'static str| {
            let mut exchange = testing::exchange("/", &[]);
            exchange.request_body = Some(body.into());
            reply_of(plugin.rewrite(&mut exchange)).map(|reply| reply.status.as_u16())
        };
        assert_eq!((status("123456"), status("12345")), (Some(413), None));
    }
}
