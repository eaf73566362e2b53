//! What the product promises, next to what was measured.

use serde::Serialize;

use crate::case::{Case, Peer};
use crate::churn::Churn;
use crate::fleet::Convergence;
use crate::floods::Flooded;
use crate::footprint::Footprint;
use crate::idle::Idle;
use crate::memory::Memory;
use crate::permissions::Permissions;
use crate::plugins::PluginCost;
use crate::propagation::Propagation;
use crate::traffic::{Figures, own_ratio, peer_ratio};

/// Plugins that are used so much that they must cost next to nothing.
const CHEAP: [&str; 6] = ["key-auth", "ip-restriction", "cors", "request-id", "proxy-rewrite", "limit-count"];

/// A promise: `measured` is at most `limit`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) measured: f64,
    pub(crate) limit: f64,
    pub(crate) unit: &'static str,
    holds: bool,
}

impl Target {
    fn new(name: impl Into<String>, measured: f64, limit: f64, unit: &'static str) -> Self {
        Self { name: name.into(), measured, limit, unit, holds: measured <= limit }
    }

    pub(crate) fn holds(&self) -> bool {
        self.holds
    }
}

/// Of the ratios between cases and to nginx.
pub(crate) fn of_traffic(figures: &[Figures]) -> Vec<Target> {
    let ratio = |name: &str, measured: Option<f64>, limit| Some(Target::new(name, measured?, limit, "x"));
    let to = |case, peer| peer_ratio(figures, case, peer);
    let own = |case, to| own_ratio(figures, case, to);
    [
        ratio("Plain route with metrics: CPU per request to nginx", to(Case::Plain, Peer::Nginx), 1.05),
        ratio("Key-auth, limit-count and metrics to plain", own(Case::Auth, Case::Plain), 1.25),
        ratio("10,000 routes to one", own(Case::Routes(10_000), Case::Routes(1)), 1.05),
        ratio("TLS on kept connections: CPU per request to nginx", to(Case::Tls, Peer::Nginx), 1.1),
        ratio("HTTP/2 over TLS: CPU per request to Envoy", to(Case::Http2, Peer::Envoy), 0.8),
        ratio("gRPC: CPU per call to Envoy", to(Case::Grpc, Peer::Envoy), 0.8),
        ratio("WebSocket: CPU per message to nginx", to(Case::WebSocket, Peer::Nginx), 1.2),
        ratio("TLS 1.3 handshakes: CPU each to nginx", to(Case::Handshakes, Peer::Nginx), 1.0),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Of what plugins add.
pub(crate) fn of_plugins(costs: &[PluginCost]) -> Vec<Target> {
    let cheap = costs.iter().filter(|cost| CHEAP.contains(&cost.plugin.as_str()));
    let target = |cost: &PluginCost| {
        Target::new(format!("{}: CPU added to a request", cost.plugin), cost.added_us.median, 1.0, "us")
    };
    cheap.map(target).collect()
}

/// Of our idle connections.
pub(crate) fn of_idle(of: &Idle) -> Target {
    let (kind, limit) = if of.is_tls { ("TLS", 25.0) } else { ("plain", 10.0) };
    Target::new(format!("{} idle {kind} connections: RSS each", of.connections), of.kib_per_connection, limit, "KiB")
}

/// Of what has come and gone.
pub(crate) fn of_memory(of: &Memory) -> Target {
    let name = format!("After {} s of routes, certificates, nodes and connections: gateway's RSS grown", of.seconds);
    Target::new(name, of.gateway_kib.growth_percent(), 5.0, "%")
}

/// Of memory and starting.
pub(crate) fn of_footprint(of: &Footprint) -> Vec<Target> {
    let idle = Target::new("Idle gateway, RSS", of.idle_rss_mib, 25.0, "MiB");
    let route = of.kib_per_route.map(|kib| Target::new(format!("RSS per route of {}", of.routes), kib, 4.0, "KiB"));
    let restart = of.restart.map(|tail| {
        let name = format!("Control plane dead: restart to first right answer with {} routes", of.restart_routes);
        Target::new(name, tail.max, 500.0, "ms")
    });
    std::iter::once(idle).chain(route).chain(restart).collect()
}

/// Of one change.
pub(crate) fn of_propagation(of: &Propagation) -> Target {
    let limit = if of.routes > 10_000 { 50.0 } else { 20.0 };
    Target::new(
        format!("One change among {} routes: p99 to first right answer", of.routes),
        of.latency_ms.p99,
        limit,
        "ms",
    )
}

/// Of changes under load.
pub(crate) fn of_churn(of: &Churn) -> Vec<Target> {
    vec![
        Target::new("Changes under load: failed requests", of.load.failed as f64, 0.0, ""),
        Target::new("Changes under load: p99 to the quiet turns'", of.load.ratio.median, 1.1, "x"),
    ]
}

/// Of floods.
pub(crate) fn of_floods(floods: &[Flooded]) -> Vec<Target> {
    let p99 =
        |of: &Flooded| Target::new(format!("A flood of {}: others' p99", of.kind), of.load.ratio.median, 2.0, "x");
    let failed: u64 = floods.iter().map(|of| of.load.failed).sum();
    let failed = Target::new("Floods: failed requests of others", failed as f64, 0.0, "");
    floods.iter().map(p99).chain([failed]).collect()
}

/// Of a fleet.
pub(crate) fn of_convergence(of: &Convergence) -> Vec<Target> {
    vec![
        Target::new(format!("One change on {} instances: p99", of.instances), of.latency_ms.p99, 500.0, "ms"),
        Target::new("Control plane RSS per instance", of.kib_per_instance, 100.0, "KiB"),
    ]
}

/// Of many users and policies.
pub(crate) fn of_permissions(of: &Permissions) -> Vec<Target> {
    let slowest = of.lists_ms.iter().map(|(_, tail)| tail.p99).fold(0.0, f64::max);
    vec![
        Target::new(format!("Lists and searches with {} groups: slowest p99", of.size.groups), slowest, 50.0, "ms"),
        Target::new("One permission decision", of.decision_us, 20.0, "us"),
        Target::new("Login", of.login_ms.p99, 300.0, "ms"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::figures_for_tests;

    #[test]
    fn a_target_is_named_only_when_it_was_measured_and_holds_up_to_its_limit() {
        let plain = figures_for_tests(Case::Plain, Peer::Flotilla, 10.5);
        let nginx = figures_for_tests(Case::Plain, Peer::Nginx, 10.0);
        let auth = figures_for_tests(Case::Auth, Peer::Flotilla, 13.2);
        let targets = of_traffic(&[plain, nginx, auth]);
        let verdicts: Vec<_> = targets.iter().map(Target::holds).collect();
        assert_eq!(verdicts, [true, false]);
    }
}
