//! An instance from start to stop: join, wait for a configuration, serve, drain.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::admin::{self, Answer};
use crate::config::{self, ConfigError, ConfigSettings, NodeChanges, Observed, Status};
use crate::instance::{Bound, Running};
use crate::plan_slot::{PlanSlot, Plans};
use crate::settings::Settings;
use crate::worker::counters::{Counters, Totals};
use wire::v1;

/// Why an instance did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// An address, a thread or a file.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// No configuration can come.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The configuration's thread ended by itself.
    #[error("the configuration's thread ended unexpectedly")]
    ConfigThread,
}

/// What is known of an instance once it serves.
pub struct Serving<'a> {
    /// Addresses and counters.
    pub running: &'a Running,
    /// Group, instance and revision.
    pub status: Status,
}

/// How often the memory that compiling took is given back.
const GIVE_BACK: Duration = Duration::from_secs(2);
/// The niceness of the configuration's thread: it gets a tenth of a worker's share where there are no more processors than
/// busy workers. The nicer it is, the sooner a worker that wakes up takes its turn.
const NICE: libc::c_int = 10;

/// How long log entries may take to their sinks after the last request.
const FLUSH_LOGS: Duration = Duration::from_secs(5);
/// How long the configuration's thread may take to leave the data directory; it may be compiling, or the disk hang.
const LEAVE_DATA_DIR: Duration = Duration::from_secs(5);

/// Runs an instance until `stop`. `on_serving` is called once traffic can flow.
///
/// # Errors
/// [`RunError`] when the instance cannot start, or cannot join. Once it serves, only the end of it counts.
pub async fn run(
    settings: Settings,
    config: ConfigSettings,
    stop: CancellationToken,
    on_serving: impl FnOnce(&Serving<'_>),
) -> Result<(), RunError> {
    let (status_address, metrics_address) = (settings.status, settings.metrics);
    let give_back = settings.give_back;
    let bound = Bound::new(settings)?;
    let slot = PlanSlot::new(plugins::registry());
    let view = View::new(slot.plans(), bound.counters().clone());
    if let Some(address) = status_address {
        let view = view.clone();
        admin::serve(address, move |path| view.status_page(path)).await?;
    }
    {
        let view = view.clone();
        plugins::prometheus::publish(move || view.gauges());
    }
    if let Some(address) = metrics_address {
        admin::serve(address, metrics_page).await?;
    }
    let mut config = ConfigThread::start(config, slot, &view, give_back)?;
    tokio::select! {
        biased;
        // What lay on disk is served whatever became of the way to the control plane meanwhile.
        () = view.plans.ready() => {}
        ended = config.ended() => return ended,
        () = stop.cancelled() => {
            config.stop.cancel();
            return config.ended().await;
        }
    }
    let running = bound.serve(&view.plans)?;
    view.serving.store(true, Ordering::Release);
    on_serving(&Serving { running: &running, status: view.status.borrow().clone() });
    tokio::select! {
        () = stop.cancelled() => {}
        ended = config.ended() => {
            // The instance goes on with what it has; its status says why there is nothing newer.
            if let Err(error) = ended {
                tracing::error!(%error, "no further configuration will come");
            }
            stop.cancelled().await;
        }
    }
    view.serving.store(false, Ordering::Release);
    running.stop().await?;
    plugins::flush_logs(FLUSH_LOGS).await;
    config.leave().await;
    Ok(())
}

/// The thread on which configurations are received and compiled.
struct ConfigThread {
    stop: CancellationToken,
    outcome: oneshot::Receiver<Result<(), ConfigError>>,
}

impl ConfigThread {
    fn start(settings: ConfigSettings, slot: PlanSlot, view: &View, give_back: fn()) -> io::Result<Self> {
        let stop = CancellationToken::new();
        let until = stop.clone();
        let (done, outcome) = oneshot::channel();
        let status = view.status.clone();
        let observed = view.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("config".into()).spawn(move || {
            stand_behind_workers();
            runtime.spawn(give_back_often(give_back));
            let _ = done.send(runtime.block_on(config::run(settings, slot, observed, status, until)));
        })?;
        Ok(Self { stop, outcome })
    }

    async fn ended(&mut self) -> Result<(), RunError> {
        match (&mut self.outcome).await {
            Ok(outcome) => Ok(outcome?),
            Err(_) => Err(RunError::ConfigThread),
        }
    }

    /// Stops the thread and waits until what it received is on disk and the next instance may have the data directory.
    async fn leave(&mut self) {
        self.stop.cancel();
        if self.outcome.is_terminated() {
            return;
        }
        if tokio::time::timeout(LEAVE_DATA_DIR, self.ended()).await.is_err() {
            tracing::warn!(waited = ?LEAVE_DATA_DIR, "the configuration's thread is left behind");
        }
    }
}

async fn give_back_often(give_back: fn()) {
    let mut turns = tokio::time::interval(GIVE_BACK);
    loop {
        turns.tick().await;
        give_back();
    }
}

/// Where the processors are busy, requests go before configurations: the calling thread's turns come later and are shorter.
fn stand_behind_workers() {
    // SAFETY: the call takes plain numbers; 0 is the calling thread (Linux, setpriority(2)). Being nicer is always allowed.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
}

/// What operators and the control plane see of the instance.
#[derive(Clone)]
struct View {
    plans: Plans,
    counters: Counters,
    status: watch::Sender<Status>,
    serving: Arc<AtomicBool>,
    started: Instant,
}

impl View {
    fn new(plans: Plans, counters: Counters) -> Self {
        let status = watch::Sender::new(Status::default());
        Self { plans, counters, status, serving: Arc::default(), started: Instant::now() }
    }

    fn status_page(&self, path: &str) -> Option<Answer> {
        if let Some(answer) = crate::health::page(&self.plans, path) {
            return Some(answer);
        }
        let ready = self.serving.load(Ordering::Acquire);
        let status = match path {
            "/status/ready" if !ready => StatusCode::SERVICE_UNAVAILABLE,
            "/status" | "/status/ready" => StatusCode::OK,
            _ => return None,
        };
        Some((status, "application/json", format!("{}\n", self.status_json(ready))))
    }

    fn status_json(&self, ready: bool) -> Value {
        let status = self.status.borrow();
        let applied = status.applied.as_ref();
        json!({
            "status": if ready { "ok" } else { "not ready" },
            "gateway_group_id": status.group,
            "instance_id": status.instance,
            "version": env!("CARGO_PKG_VERSION"),
            "revision": applied.map(|applied| applied.revision),
            "digest": applied.map(|applied| applied.digest),
            "routes": self.plans.routes(),
            "control_plane": status.control_plane,
            "connected": status.is_connected(),
            "refused": status.refused.as_ref().map(|refused| json!({
                "revision": refused.revision,
                "reason": refused.message,
            })),
            "last_error": status.last_error,
            "uptime_seconds": self.started.elapsed().as_secs(),
        })
    }

    fn gauges(&self) -> plugins::prometheus::Gauges {
        let Totals { requests, connections, connections_now, connections_refused, requests_now, .. } =
            self.counters.totals();
        let status = self.status.borrow();
        plugins::prometheus::Gauges {
            hostname: hostname(),
            requests_total: requests,
            connections_accepted: connections + connections_refused,
            connections_handled: connections,
            connections_active: connections_now,
            requests_now,
            config_revision: status.applied.as_ref().map(|applied| applied.revision),
            config_reachable: status.is_connected(),
            upstreams: crate::health::statuses(&self.plans),
        }
    }
}

impl Observed for View {
    fn counters(&self) -> v1::Counters {
        let totals = self.counters.totals();
        let usage = Usage::now();
        v1::Counters {
            requests: totals.requests,
            responses_5xx: totals.responses_5xx,
            connections_now: totals.connections_now,
            requests_now: totals.requests_now,
            bytes_received: totals.bytes_received,
            bytes_sent: totals.bytes_sent,
            cpu_milliseconds: usage.cpu.as_millis() as u64,
            rss_bytes_now: usage.rss_bytes,
            uptime_seconds: self.started.elapsed().as_secs(),
        }
    }

    fn node_health(&self) -> v1::NodeHealth {
        self.plans.health.told()
    }

    fn node_changes(&self) -> NodeChanges {
        self.plans.health.moved_on()
    }
}

fn metrics_page(path: &str) -> Option<Answer> {
    if path != plugins::prometheus::PAGE && path != "/metrics" {
        return None;
    }
    Some((StatusCode::OK, plugins::prometheus::PAGE_TYPE, plugins::prometheus::page()?))
}

/// The machine's name, as the kernel has it.
pub fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").map(|name| name.trim().to_owned()).unwrap_or_default()
}

/// What the process takes of its machine.
struct Usage {
    cpu: Duration,
    rss_bytes: u64,
}

impl Usage {
    /// Source: `getrusage(2)` and `proc(5)`. What cannot be read is 0.
    fn now() -> Self {
        let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: the pointer is to a rusage of ours, which is valid when all bytes are zero.
        let usage = unsafe {
            libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
            usage.assume_init()
        };
        let time = |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000);
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let pages = statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or_default();
        // SAFETY: sysconf has no preconditions.
        let page_bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) }.max(0) as u64;
        Self { cpu: time(usage.ru_utime) + time(usage.ru_stime), rss_bytes: pages * page_bytes }
    }
}
