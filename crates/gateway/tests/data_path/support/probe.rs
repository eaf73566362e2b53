//! Plugins that write down which of their phases ran, and do what their configuration says.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use bytes::Bytes;
use http::StatusCode;
use model::Fault;
use plugin_api::{BodyNeed, Chunk, CompileInput, Exchange, Flow, Phases, Plugin, PluginType, Registry, Reply, Verdict};
use serde_json::Value;

static TAPES: LazyLock<Mutex<HashMap<String, Vec<String>>>> = LazyLock::new(Mutex::default);

/// What the probes with one `tape` name wrote down.
pub(crate) struct Tape(pub(crate) &'static str);

impl Tape {
    pub(crate) fn read(&self) -> Vec<String> {
        TAPES.lock().expect("tapes").get(self.0).cloned().unwrap_or_default()
    }
}

/// `probe-high`, `probe-low`, and `probe-auth`, which finds consumers by the header `x-key`.
pub(crate) fn registry() -> &'static Registry {
    static HIGH: ProbeType = ProbeType { name: "probe-high", priority: 100, authenticates: false };
    static LOW: ProbeType = ProbeType { name: "probe-low", priority: 10, authenticates: false };
    static AUTH: ProbeType = ProbeType { name: "probe-auth", priority: 2000, authenticates: true };
    static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
        let all: [&'static dyn PluginType; 3] = [&HIGH, &LOW, &AUTH];
        Registry::new(all)
    });
    &REGISTRY
}

struct ProbeType {
    name: &'static str,
    priority: i32,
    authenticates: bool,
}

impl PluginType for ProbeType {
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

    fn compile(&self, input: &CompileInput<'_>) -> Result<Arc<dyn Plugin>, Fault> {
        if self.authenticates {
            return Ok(Arc::new(Authentication));
        }
        let text = |field: &str| input.conf.get(field).and_then(Value::as_str).map(str::to_owned);
        let size = |field: &str| input.conf.get(field).and_then(Value::as_u64).map(|size| size as usize);
        Ok(Arc::new(Probe {
            name: text("say").unwrap_or_else(|| self.name.to_owned()),
            tape: text("tape"),
            deny_in: text("deny_in"),
            replace_body: text("replace_body"),
            request_limit: size("request_limit"),
            body_limit: size("body_limit").map(|size| size as u64),
            response_limit: size("response_limit"),
            waits: input.conf.get("waits") == Some(&Value::Bool(true)),
        }))
    }
}

/// Refuses a request without a known key.
struct Authentication;

impl Plugin for Authentication {
    fn phases(&self) -> Phases {
        Phases::REWRITE
    }

    fn rewrite<'a>(&'a self, exchange: &'a mut Exchange) -> Flow<'a> {
        let consumers = exchange.consumers.clone();
        match exchange.header("x-key").and_then(|key| consumers.find("probe-auth", key)) {
            Some(found) => exchange.consumer = Some(found.clone()),
            None => return Flow::reply(Reply::message(StatusCode::UNAUTHORIZED, "unknown key")),
        }
        Flow::CONTINUE
    }
}

struct Probe {
    name: String,
    tape: Option<String>,
    deny_in: Option<String>,
    replace_body: Option<String>,
    request_limit: Option<usize>,
    body_limit: Option<u64>,
    response_limit: Option<usize>,
    waits: bool,
}

impl Probe {
    fn note(&self, phase: &str) {
        if let Some(tape) = &self.tape {
            let mut tapes = TAPES.lock().expect("tapes");
            tapes.entry(tape.clone()).or_default().push(format!("{} {phase}", self.name));
        }
    }

    fn request_phase(&self, phase: &'static str) -> Flow<'_> {
        self.note(phase);
        let denied = self.deny_in.as_deref() == Some(phase);
        let verdict = move || match denied {
            true => Verdict::Reply(Reply::message(StatusCode::FORBIDDEN, "denied")),
            false => Verdict::Continue,
        };
        if !self.waits {
            return Flow::Done(verdict());
        }
        Flow::Wait(Box::pin(async move {
            tokio::task::yield_now().await;
            verdict()
        }))
    }
}

fn need(limit: Option<usize>) -> BodyNeed {
    limit.map_or(BodyNeed::Stream, |limit| BodyNeed::Whole { limit })
}

impl Plugin for Probe {
    fn phases(&self) -> Phases {
        let all = Phases::REWRITE.and(Phases::ACCESS).and(Phases::BEFORE_PROXY);
        all.and(Phases::HEADER_FILTER).and(Phases::BODY_FILTER).and(Phases::LOG)
    }

    fn request_body(&self) -> BodyNeed {
        need(self.request_limit)
    }

    fn response_body(&self) -> BodyNeed {
        need(self.response_limit)
    }

    fn rewrite<'a>(&'a self, exchange: &'a mut Exchange) -> Flow<'a> {
        exchange.request_body_limit = exchange.request_body_limit.or(self.body_limit);
        if let Some(body) = &exchange.request_body {
            self.note(&format!("body of {}", body.len()));
        }
        self.request_phase("rewrite")
    }

    fn access<'a>(&'a self, _: &'a mut Exchange) -> Flow<'a> {
        self.request_phase("access")
    }

    fn before_proxy<'a>(&'a self, _: &'a mut Exchange) -> Flow<'a> {
        self.request_phase("before_proxy")
    }

    fn header_filter(&self, exchange: &mut Exchange) {
        if self.replace_body.is_some() {
            exchange.response.headers.remove(http::header::CONTENT_LENGTH);
        }
        self.note("header_filter");
    }

    fn body_filter(&self, _: &mut Exchange, chunk: &mut Chunk) {
        if let (Some(body), true) = (&self.replace_body, chunk.last) {
            chunk.data = Bytes::from(body.clone());
        }
        if chunk.last {
            self.note("body_filter");
        }
    }

    fn log(&self, exchange: &mut Exchange) {
        self.note(&format!("log {}", exchange.response.status.as_u16()));
    }
}
