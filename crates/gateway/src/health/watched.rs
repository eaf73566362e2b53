//! One upstream whose nodes are checked.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use balance::{Health, Report, Thresholds};
use model::resource::HealthChecks;
use plan::CompiledUpstream;
use tokio::sync::Semaphore;

/// What a request or a probe saw of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// It answered with this status.
    Status(u16),
    /// It answered with what is no HTTP.
    Garbage,
    /// It took a connection; more was not asked.
    Connected,
    /// It took no connection or broke one off.
    Failure,
    /// It did not answer in time.
    Timeout,
}

/// A node's state, shared by workers and prober.
#[derive(Debug, Default)]
pub(crate) struct NodeHealth {
    word: AtomicU64,
    /// When the last probe began, in milliseconds of the prober's clock; 0 when there was none.
    pub(super) probed: AtomicU64,
    pub(super) is_probing: AtomicBool,
}

impl NodeHealth {
    pub(super) fn get(&self) -> Health {
        Health::from_word(self.word.load(Relaxed))
    }

    /// Takes a report in; the standings before and after, when it changed anything.
    fn report(&self, report: Report, thresholds: Thresholds) -> Option<(Health, Health)> {
        let after = |word| {
            let next = Health::from_word(word).after(report, thresholds).to_word();
            (next != word).then_some(next)
        };
        let before = self.word.fetch_update(Relaxed, Relaxed, after).ok()?;
        let before = Health::from_word(before);
        Some((before, before.after(report, thresholds)))
    }
}

/// A node and where its probes go.
pub(super) struct WatchedNode {
    pub(super) host: Box<str>,
    /// The Host header of its probes, which name it in handshakes as well.
    pub(super) asked_for: Box<str>,
    /// In the configuration; a check may have another for its probes.
    pub(super) own_port: u16,
    pub(super) priority: i32,
    pub(super) port: u16,
    pub(super) socket: Option<SocketAddr>,
    pub(super) health: Arc<NodeHealth>,
}

/// An upstream with checks.
pub(crate) struct Watched {
    pub(super) owner: Box<str>,
    pub(super) upstream: Weak<CompiledUpstream>,
    pub(super) checks: Arc<HealthChecks>,
    pub(super) nodes: Box<[WatchedNode]>,
    /// Bounds the probes under way.
    pub(super) probes: Arc<Semaphore>,
    active: Judgement,
    passive: Option<Judgement>,
    changes: Arc<Changes>,
}

/// How often something changed, so that whoever tells of it need not compare. They only grow.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// A node came, went, or began or ceased to serve.
    pub(super) turns: AtomicU64,
    /// A standing or counter changed.
    pub(super) reports: AtomicU64,
}

/// Which statuses count for what, and how often.
struct Judgement {
    good: Box<[u16]>,
    bad: Box<[u16]>,
    thresholds: Thresholds,
}

impl Judgement {
    fn active(checks: &HealthChecks) -> Self {
        let healthy = checks.active.healthy.clone().unwrap_or_default();
        let unhealthy = checks.active.unhealthy.clone().unwrap_or_default();
        Self {
            good: healthy.statuses().into(),
            bad: unhealthy.statuses().into(),
            thresholds: Thresholds {
                successes: count(healthy.successes),
                http_failures: count(unhealthy.http_failures),
                tcp_failures: count(unhealthy.tcp_failures),
                timeouts: count(unhealthy.timeouts),
            },
        }
    }

    /// As in APISIX, whatever `type` says: what is judged are requests, which have statuses.
    fn passive(checks: &HealthChecks) -> Option<Self> {
        let passive = checks.passive.as_ref()?;
        let healthy = passive.healthy.clone().unwrap_or_default();
        let unhealthy = passive.unhealthy.clone().unwrap_or_default();
        Some(Self {
            good: healthy.statuses().into(),
            bad: unhealthy.statuses().into(),
            thresholds: Thresholds {
                successes: count(healthy.successes),
                http_failures: count(unhealthy.http_failures),
                tcp_failures: count(unhealthy.tcp_failures),
                timeouts: count(unhealthy.timeouts),
            },
        })
    }

    /// A status in neither list says nothing.
    fn report(&self, seen: Seen) -> Option<Report> {
        match seen {
            Seen::Failure => Some(Report::TcpFailure),
            Seen::Timeout => Some(Report::Timeout),
            Seen::Garbage => Some(Report::HttpFailure),
            Seen::Connected => Some(Report::Success),
            Seen::Status(status) if self.good.contains(&status) => Some(Report::Success),
            Seen::Status(status) if self.bad.contains(&status) => Some(Report::HttpFailure),
            Seen::Status(_) => None,
        }
    }
}

/// The schema holds thresholds to 254.
fn count(threshold: u32) -> u8 {
    u8::try_from(threshold).unwrap_or(u8::MAX)
}

impl Watched {
    pub(super) fn new(
        upstream: &Arc<CompiledUpstream>,
        checks: &Arc<HealthChecks>,
        nodes: Box<[WatchedNode]>,
        changes: Arc<Changes>,
    ) -> Self {
        Self {
            owner: upstream.owner.clone(),
            upstream: Arc::downgrade(upstream),
            nodes,
            probes: Arc::new(Semaphore::new((checks.active.concurrency as usize).clamp(1, Semaphore::MAX_PERMITS))),
            active: Judgement::active(checks),
            passive: Judgement::passive(checks),
            checks: checks.clone(),
            changes,
        }
    }

    /// Whether requests are judged, too.
    pub(super) fn is_passive(&self) -> bool {
        self.passive.is_some()
    }

    /// Whether the node counts as healthy.
    pub(crate) fn serves(&self, node: usize) -> bool {
        self.nodes.get(node).is_none_or(|node| node.health.get().serves())
    }

    /// Whether any node does.
    pub(crate) fn any_serves(&self) -> bool {
        self.nodes.iter().any(|node| node.health.get().serves())
    }

    /// What a request saw.
    pub(crate) fn report_passively(&self, node: usize, seen: Seen) {
        if let Some(passive) = &self.passive {
            self.report(node, seen, passive);
        }
    }

    pub(super) fn report_actively(&self, node: usize, seen: Seen) {
        self.report(node, seen, &self.active);
    }

    fn report(&self, node: usize, seen: Seen, judgement: &Judgement) {
        let (Some(node), Some(report)) = (self.nodes.get(node), judgement.report(seen)) else {
            return;
        };
        let Some((before, after)) = node.health.report(report, judgement.thresholds) else {
            return;
        };
        self.changes.reports.fetch_add(1, Relaxed);
        if before.serves() != after.serves() {
            self.changes.turns.fetch_add(1, Relaxed);
            let standing = after.standing.name();
            tracing::warn!(upstream = %self.owner, node = %node.host, port = node.port, standing, "health changed");
        }
    }
}
