//! An exchange to run plugins on.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, Method, Version};
use plugin_api::exchange::{Outcome, ResponseHead};
use plugin_api::{
    Client, CompileInput, ConsumerEntry, ConsumerIndex, ConsumerInfo, Exchange, Flow, Plugin, PluginType, Reply,
    RouteInfo, Target, Verdict,
};
use smallvec::SmallVec;

/// Two consumers: `jack` with key `jack-key` and custom id 42, `ann` with key `ann-key`.
struct Consumers(Vec<(&'static str, ConsumerEntry)>);

impl ConsumerIndex for Consumers {
    fn find(&self, plugin: &str, key: &str) -> Option<&ConsumerEntry> {
        assert_eq!(plugin, "key-auth");
        self.0.iter().find(|(own, _)| *own == key).map(|(_, entry)| entry)
    }

    fn by_name(&self, username: &str) -> Option<&Arc<ConsumerInfo>> {
        self.0.iter().map(|(_, entry)| &entry.consumer).find(|consumer| &*consumer.username == username)
    }
}

fn consumers() -> Consumers {
    let entry = |slot: u32, name: &str| {
        let labels = if name == "jack" { [("custom_id".to_owned(), "42".to_owned())].into() } else { [].into() };
        let info = ConsumerInfo { slot, username: name.into(), labels, ..ConsumerInfo::default() };
        ConsumerEntry { consumer: Arc::new(info), credential_id: None, conf: Arc::default() }
    };
    Consumers(vec![("jack-key", entry(1, "jack")), ("ann-key", entry(2, "ann"))])
}

/// A GET request for `uri` with these headers, from 192.0.2.7, that matched route `r1`.
pub(crate) fn exchange(uri: &str, headers: &[(&str, &str)]) -> Exchange {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name: http::HeaderName = name.parse().expect("name");
        map.append(name, value.parse().expect("value"));
    }
    let remote = "192.0.2.7:1234".parse().expect("address");
    let route = RouteInfo { slot: 9, id: "r1".into(), uri: "/*".into(), ..RouteInfo::default() };
    Exchange {
        method: Method::GET,
        uri: uri.parse().expect("uri"),
        version: Version::HTTP_11,
        headers: map,
        normalised_path: None,
        host: SmallVec::from_slice(b"example.com"),
        client: Client { remote, peer: remote, local: "127.0.0.1:9080".parse().expect("address"), tls: None },
        started: Instant::now(),
        route: Some(Arc::new(route)),
        params: SmallVec::new(),
        consumer: None,
        consumers: Rc::new(consumers()),
        request_body: None,
        target: Target::default(),
        early_headers: SmallVec::new(),
        response: ResponseHead::default(),
        outcome: Outcome::default(),
        notes: SmallVec::new(),
    }
}

/// Checks and compiles a configuration as an owner `route/r1` would.
pub(crate) fn compile(plugin: &'static dyn PluginType, conf: &str) -> Arc<dyn Plugin> {
    let conf: serde_json::Value = serde_json::from_str(conf).expect("json");
    crate::registry().check(plugin.name(), &conf).expect("valid by schema");
    plugin.compile(&CompileInput { conf: &conf, metadata: None, owner: "route/r1" }).expect("compiles")
}

/// The reply of a phase that did not wait.
pub(crate) fn reply_of(flow: Flow<'_>) -> Option<Reply> {
    match flow {
        Flow::Done(Verdict::Continue) => None,
        Flow::Done(Verdict::Reply(reply)) => Some(reply),
        Flow::Wait(_) => panic!("waits"),
    }
}
