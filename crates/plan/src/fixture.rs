//! What the tests of this crate are made of: changes, requests, plugins.

use std::rc::Rc;
use std::sync::{Arc, LazyLock};

use http::header::HOST;
use model::{Change, Fault, Kind, ResourceId, ResourceKey};
use plugin_api::testing::{exchange, with_header};
use plugin_api::{CompileInput, Exchange, Phases, Plugin, PluginType, Prepared, Registry};
use serde_json::Value;
use smallvec::SmallVec;

use crate::{Compiler, Plan};

/// `mark` (10), `other` (20) and `auth` (2500), which finds consumers by `key`. `{"fail": "why"}` is refused, and so is
/// `{"why": "refused"}`.
pub(crate) fn registry() -> &'static Registry {
    static MARK: Fake = Fake { name: "mark", priority: 10, authenticates: false };
    static OTHER: Fake = Fake { name: "other", priority: 20, authenticates: false };
    static AUTH: Fake = Fake { name: "auth", priority: 2500, authenticates: true };
    static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
        let all: [&'static dyn PluginType; 3] = [&MARK, &OTHER, &AUTH];
        Registry::new(all)
    });
    &REGISTRY
}

struct Fake {
    name: &'static str,
    priority: i32,
    authenticates: bool,
}

struct Compiled;

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases::ACCESS
    }
}

impl PluginType for Fake {
    fn name(&self) -> &'static str {
        self.name
    }

    fn priority(&self) -> i32 {
        self.priority
    }

    fn schema(&self) -> &'static Value {
        static ANY: Value = Value::Bool(true);
        &ANY
    }

    fn is_authentication(&self) -> bool {
        self.authenticates
    }

    fn credential_key<'v>(&self, credential: &'v Value) -> Option<&'v str> {
        credential.get("key")?.as_str()
    }

    fn prepare_credential(&self, credential: &Value) -> Result<Option<Prepared>, Fault> {
        refuse_failing(credential)?;
        Ok(Some(Box::new(credential.clone())))
    }

    fn compile(&self, input: &CompileInput<'_>) -> Result<Arc<dyn Plugin>, Fault> {
        refuse_failing(input.conf)?;
        Ok(Arc::new(Compiled))
    }
}

fn refuse_failing(conf: &Value) -> Result<(), Fault> {
    if conf.get("why").and_then(Value::as_str) == Some("refused") {
        return Err(Fault::new("/why", "refused"));
    }
    match conf.get("fail").and_then(Value::as_str) {
        Some(why) => Err(Fault::new("/fail", why)),
        None => Ok(()),
    }
}

/// `kind/id` or `kind/parent/id`.
pub(crate) fn key(path: &str) -> ResourceKey {
    let parts: Vec<_> = path.split('/').collect();
    let kind: Kind = parts[0].parse().expect("a kind");
    let id = |text: &str| ResourceId::new(text).expect("an id");
    match parts[1..] {
        [own] => ResourceKey::new(kind, id(own)),
        [parent, own] => ResourceKey::below(id(parent), kind, id(own)),
        _ => panic!("{path} is no key"),
    }
}

pub(crate) fn put(path: &str, body: Value) -> Change {
    Change::Put(key(path), model::json::canonical(&body).into())
}

pub(crate) fn delete(path: &str) -> Change {
    Change::Delete(key(path))
}

/// A compiler that these changes went into.
pub(crate) fn compiled(changes: &[Change]) -> Compiler {
    let mut compiler = Compiler::new(registry());
    compiler.apply(changes).expect("a configuration that can be served");
    compiler
}

/// A GET from 10.1.2.3 for `host/path?query`.
pub(crate) fn request(target: &str) -> Exchange {
    let (host, path) = target.split_at(target.find('/').expect("a path"));
    let mut exchange = with_header(exchange(path), "x-tenant", "blue");
    exchange.headers.remove(HOST);
    exchange.host = SmallVec::from_slice(host.as_bytes());
    std::rc::Rc::make_mut(&mut exchange.client).remote = "10.1.2.3:999".parse().expect("an address");
    exchange.consumers = Rc::new(Plan::default());
    exchange
}

/// The id of the route for a request; empty when there is none.
pub(crate) fn routed(plan: &Plan, exchange: &Exchange) -> String {
    plan.route(exchange).map(|found| found.info.id.to_string()).unwrap_or_default()
}
