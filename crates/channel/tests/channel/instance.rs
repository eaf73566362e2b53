//! A gateway's config thread with a plan compiler that the test can make refuse.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use gateway::config::{
    ConfigError, ConfigSettings, Counters, NodeChanges, NodeHealth, Observed, PlanSink, Refusal, Status, run,
};
use model::{Change, GroupState, InstanceId, Revision};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use wire::v1;

use crate::control_plane::route;
use crate::wait;

/// What the compiler has been given and what it has against some of it.
#[derive(Default)]
pub(crate) struct Serving {
    pub(crate) state: GroupState,
    pub(crate) applications: usize,
    pub(crate) refuses: Option<&'static str>,
}

struct Sink(Arc<Mutex<Serving>>);

impl PlanSink for Sink {
    fn apply(&mut self, changes: &[Change]) -> Result<(), Refusal> {
        let mut serving = self.0.lock().unwrap();
        let at_fault =
            |id: &&str| changes.iter().any(|change| *change.key() == route(id) && matches!(change, Change::Put(..)));
        if let Some(id) = serving.refuses.filter(|id| at_fault(id)) {
            return Err(Refusal { key: Some(route(id)), pointer: "/uri".into(), reason: "no such thing".into() });
        }
        serving.state.apply_all(changes);
        serving.applications += 1;
        Ok(())
    }
}

/// What the instance tells of itself, as the test sets it.
#[derive(Clone, Default)]
pub(crate) struct Told {
    nodes: Arc<Mutex<(NodeHealth, NodeChanges)>>,
    times_asked: Arc<AtomicUsize>,
}

impl Told {
    /// One node of the upstream `u`; `is_turn`: a change that is told soon.
    pub(crate) fn set(&self, host: &str, is_turn: bool) {
        let mut told = self.nodes.lock().unwrap();
        let owner = v1::Key { kind: v1::Kind::Upstream as i32, parent: String::new(), id: "u".into() };
        let status = v1::NodeStatus::Unhealthy as i32;
        let node = v1::WatchedNode { host: host.into(), port: 1, status, ..Default::default() };
        let upstream = v1::WatchedUpstream { owner: Some(owner), passive: false, nodes: vec![node] };
        told.0 = NodeHealth { upstreams: vec![upstream], left_out: 0 };
        told.1.reports += 1;
        told.1.turns += u64::from(is_turn);
    }

    /// How often it was asked how its nodes are.
    pub(crate) fn times_asked(&self) -> usize {
        self.times_asked.load(Ordering::SeqCst)
    }
}

/// What an instance has counted; all different.
pub(crate) const COUNTED: Counters = Counters {
    requests: 7,
    responses_5xx: 2,
    connections_now: 3,
    requests_now: 1,
    bytes_received: 700,
    bytes_sent: 7_000,
    cpu_milliseconds: 70,
    rss_bytes_now: 70_000,
    uptime_seconds: 77,
};

impl Observed for Told {
    fn counters(&self) -> Counters {
        COUNTED
    }

    fn node_health(&self) -> NodeHealth {
        self.times_asked.fetch_add(1, Ordering::SeqCst);
        self.nodes.lock().unwrap().0.clone()
    }

    fn node_changes(&self) -> NodeChanges {
        self.nodes.lock().unwrap().1
    }
}

pub(crate) struct Instance {
    pub(crate) serving: Arc<Mutex<Serving>>,
    pub(crate) told: Told,
    pub(crate) status: watch::Receiver<Status>,
    stop: CancellationToken,
    thread: Option<JoinHandle<Result<(), ConfigError>>>,
}

impl Instance {
    pub(crate) fn start(url: &str, token: Option<&str>, data_dir: &Path) -> Self {
        Self::start_refusing(&[url], token, data_dir, None)
    }

    pub(crate) fn start_refusing(
        urls: &[&str],
        token: Option<&str>,
        data_dir: &Path,
        refuses: Option<&'static str>,
    ) -> Self {
        let urls = urls.iter().map(|url| (*url).to_owned()).collect();
        let mut settings = ConfigSettings::new(urls, PathBuf::from(data_dir));
        settings.token = token.map(str::to_owned);
        settings.backoff = (Duration::from_millis(10), Duration::from_millis(100));
        settings.facts.hostname = "gateway-1".into();
        let serving = Arc::new(Mutex::new(Serving { refuses, ..Serving::default() }));
        let (publish, status) = watch::channel(Status::default());
        let (sink, stop) = (Sink(serving.clone()), CancellationToken::new());
        let (told, stopped) = (Told::default(), stop.clone());
        let observed = told.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(run(settings, sink, observed, publish, stopped))
        });
        Self { serving, told, status, stop, thread: Some(thread) }
    }

    pub(crate) fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    pub(crate) fn id(&self) -> InstanceId {
        wait::until("the instance's id", || self.status().instance)
    }

    pub(crate) fn applied(&self) -> Option<Revision> {
        self.status().applied.map(|applied| applied.revision)
    }

    pub(crate) fn wait_for(&self, revision: Revision) {
        wait::until(&format!("revision {revision}, status {:?}", self.status()), || {
            (self.applied() == Some(revision)).then_some(())
        });
    }

    pub(crate) fn state(&self) -> GroupState {
        self.serving.lock().unwrap().state.clone()
    }

    /// How the config thread ended by itself.
    pub(crate) fn end(mut self) -> Result<(), ConfigError> {
        wait::until_true("the config thread's end", || self.thread.as_ref().is_some_and(JoinHandle::is_finished));
        self.thread.take().unwrap().join().unwrap()
    }

    pub(crate) fn stop(mut self) {
        self.stop.cancel();
        self.thread.take().unwrap().join().unwrap().unwrap();
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
