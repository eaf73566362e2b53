//! Exchanges and consumers for tests of plugins.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version};
use serde_json::Value;
use smallvec::SmallVec;
use yoke::Yoke;

use crate::exchange::{Outcome, ResponseHead};
use model::Fault;
use model::resource::Upstream;

use crate::{
    Client, CompileInput, ConsumerEntry, ConsumerIndex, ConsumerInfo, Exchange, Held, InlineUpstream, Kept, PluginType,
    RouteInfo, Target, UpstreamCompiler,
};

/// A GET of `target` on host `gateway.test`, from `192.0.2.7:40000`.
///
/// # Panics
/// When `target` is no request target.
#[allow(clippy::expect_used, reason = "a test's own mistake")]
pub fn exchange(target: &str) -> Exchange {
    let remote = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 7), 40_000));
    let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 9080));
    Exchange {
        method: Method::GET,
        uri: target.parse::<Uri>().expect("a request target"),
        version: Version::HTTP_11,
        headers: HeaderMap::from_iter([(http::header::HOST, HeaderValue::from_static("gateway.test"))]),
        normalised_path: None,
        host: SmallVec::from_slice(b"gateway.test"),
        client: Rc::new(Client { remote, peer: remote, local, tls: None }),
        started: Instant::now(),
        request_id: OnceCell::new(),
        route: None,
        params: SmallVec::new(),
        consumer: None,
        consumers: Rc::new(Consumers::default()),
        request_body: None,
        request_body_limit: None,
        streams_request_body: false,
        target: Target::default(),
        early_headers: Vec::new(),
        response: ResponseHead::default(),
        outcome: Outcome::default(),
        notes: Vec::new(),
        kept: Kept::default(),
        filtered: Vec::new(),
    }
}

/// A route that matched.
pub fn matched(route: impl Into<Arc<RouteInfo>>) -> Option<Held<Arc<RouteInfo>>> {
    Some(Yoke::attach_to_cart(Rc::new(route.into()), |route| route).erase_rc_cart())
}

/// Input for a plugin of `route/r1` without metadata.
pub fn input(conf: &Value) -> CompileInput<'_> {
    CompileInput { conf, metadata: None, owner: "route/r1", upstreams: &AsTheyAre }
}

/// Gives inline upstreams on as they are: an [`InlineUpstream`] then holds a [`model::resource::Upstream`].
pub struct AsTheyAre;

impl UpstreamCompiler for AsTheyAre {
    fn compile(&self, upstream: &Upstream) -> Result<InlineUpstream, Fault> {
        Ok(InlineUpstream(Arc::new(upstream.clone())))
    }
}

/// Consumers to be found by a plugin and a key, and by name.
#[derive(Default)]
pub struct Consumers {
    by_key: HashMap<(String, String), Arc<ConsumerEntry>>,
    by_name: HashMap<String, Arc<ConsumerInfo>>,
}

impl Consumers {
    /// Adds a consumer that `plugin` finds by `key`, with a credential of id `credential`.
    pub fn with(mut self, plugin: &str, key: &str, consumer: ConsumerInfo, credential: Option<&str>) -> Self {
        let consumer = Arc::new(consumer);
        self.by_name.insert(consumer.username.to_string(), consumer.clone());
        let credential_id = credential.map(Into::into);
        let entry = ConsumerEntry { consumer, credential_id, conf: Value::Null, prepared: None };
        self.by_key.insert((plugin.to_owned(), key.to_owned()), Arc::new(entry));
        self
    }

    /// Adds a consumer with a credential of `plugin`, as a plan reads it.
    ///
    /// # Panics
    /// When the plugin refuses the credential or finds no key in it.
    #[allow(clippy::expect_used, reason = "a test's own mistake")]
    pub fn with_credential(mut self, plugin: &dyn PluginType, consumer: ConsumerInfo, conf: Value) -> Self {
        let consumer = Arc::new(consumer);
        self.by_name.insert(consumer.username.to_string(), consumer.clone());
        let key = plugin.credential_key(&conf).expect("a key").to_owned();
        let prepared = plugin.prepare_credential(&conf).expect("a credential that can be read");
        let entry = ConsumerEntry { consumer, credential_id: None, conf, prepared };
        self.by_key.insert((plugin.name().to_owned(), key), Arc::new(entry));
        self
    }
}

impl ConsumerIndex for Consumers {
    fn find(&self, plugin: &str, key: &str) -> Option<&Arc<ConsumerEntry>> {
        self.by_key.get(&(plugin.to_owned(), key.to_owned()))
    }

    fn by_name(&self, username: &str) -> Option<&Arc<ConsumerInfo>> {
        self.by_name.get(username)
    }
}

/// Adds a request header.
///
/// # Panics
/// When name or value cannot stand in a header.
#[allow(clippy::expect_used, reason = "a test's own mistake")]
pub fn with_header(mut exchange: Exchange, name: &str, value: &str) -> Exchange {
    let name: HeaderName = name.parse().expect("a header name");
    exchange.headers.append(name, value.parse().expect("a header value"));
    exchange
}
