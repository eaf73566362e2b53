//! Exchanges to run plugins on.

use std::io::Write;
use std::rc::Rc;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use plugin_api::testing::{Consumers, input, matched, with_header};
use plugin_api::{ConsumerInfo, Exchange, Flow, Plugin, PluginType, Reply, RouteInfo, Verdict};

/// A GET of `target` with these headers, from 192.0.2.7, that matched route `r1`. There are two consumers:
/// `jack` with key `jack-key`, credential `c1` and custom id 42, and `ann` with key `ann-key`.
pub(crate) fn exchange(target: &str, headers: &[(&str, &str)]) -> Exchange {
    let plain = plugin_api::testing::exchange(target);
    let mut exchange = headers.iter().fold(plain, |exchange, (name, value)| with_header(exchange, name, value));
    let route = RouteInfo { slot: 9, id: "r1".into(), uri: "/*".into(), ..RouteInfo::default() };
    exchange.route = matched(route);
    exchange.consumers = Rc::new(consumers());
    exchange
}

fn consumers() -> Consumers {
    let labels = [("custom_id".to_owned(), "42".to_owned())].into();
    let jack = ConsumerInfo { slot: 1, username: "jack".into(), labels, ..ConsumerInfo::default() };
    let ann = ConsumerInfo { slot: 2, username: "ann".into(), ..ConsumerInfo::default() };
    Consumers::default().with("key-auth", "jack-key", jack, Some("c1")).with("key-auth", "ann-key", ann, None)
}

/// A body as an upstream compresses it.
pub(crate) fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain).and_then(|()| encoder.finish()).expect("memory")
}

/// Checks and compiles a configuration as an owner `route/r1` would.
pub(crate) fn compile(plugin: &'static dyn PluginType, conf: &str) -> Arc<dyn Plugin> {
    let conf: serde_json::Value = serde_json::from_str(conf).expect("json");
    crate::registry().check(plugin.name(), &conf).expect("valid by schema");
    plugin.compile(&input(&conf)).expect("compiles")
}

/// The reply of a phase that did not wait.
pub(crate) fn reply_of(flow: Flow<'_>) -> Option<Reply> {
    match flow {
        Flow::Done(Verdict::Continue) => None,
        Flow::Done(Verdict::Reply(reply)) => Some(reply),
        Flow::Wait(_) => panic!("waits"),
    }
}

/// Status and body of the reply of a phase that did not wait.
pub(crate) fn answer_of(flow: Flow<'_>) -> Option<(u16, String)> {
    let reply = reply_of(flow)?;
    Some((reply.status.as_u16(), String::from_utf8_lossy(&reply.body).into_owned()))
}

/// Why a configuration is refused, by schema or beyond it, in APISIX's words without the words before them.
pub(crate) fn refusal_of(plugin: &'static dyn PluginType, conf: &serde_json::Value) -> String {
    let checked = crate::registry().check(plugin.name(), conf);
    let fault = checked.and_then(|()| plugin.compile(&input(conf)).map(drop)).expect_err("a refusal");
    let before = format!("failed to check the configuration of plugin {} err: ", plugin.name());
    fault.message.strip_prefix(&before).unwrap_or(&fault.message).to_owned()
}
