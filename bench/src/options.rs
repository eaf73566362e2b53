//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use crate::case::{Case, Peer};
use crate::sample::Rounds;

/// Until connections are open and caches are filled.
const TRAFFIC_WARM_UP: Duration = Duration::from_millis(300);
const PLUGIN_WARM_UP: Duration = Duration::from_millis(100);

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// CPU per request, all cases and proxies.
    Traffic,
    /// CPU that each plugin adds to a request.
    Plugins,
    /// Memory and starting.
    Footprint,
    /// Memory of idle connections.
    Idle,
    /// Memory after much has come and gone.
    Memory,
    /// Accepted write to first right answer.
    Propagation,
    /// Many changes a second under load.
    Churn,
    /// Clients that flood beside others that do not.
    Floods,
    /// One change on many instances.
    Convergence,
    /// Lists, logins and decisions among many users and policies.
    Permissions,
}

/// Measures the gateway and its peers side by side.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "flotilla-bench", version)]
pub(crate) struct Options {
    /// What to measure.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "traffic,plugins,footprint,idle,memory,propagation,churn,floods,convergence,permissions"
    )]
    pub(crate) parts: Vec<Part>,
    /// Kinds of traffic: plain, auth, tls, h2, grpc, websocket, handshakes, routes-N.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "plain,auth,tls,h2,grpc,websocket,handshakes,routes-1,routes-10000,routes-100000"
    )]
    pub(crate) cases: Vec<Case>,
    /// Proxies.
    #[arg(long, value_delimiter = ',', default_value = "flotilla,nginx,haproxy,envoy,relay")]
    pub(crate) peers: Vec<Peer>,
    /// Rounds; medians are taken over them.
    #[arg(long, default_value_t = 15)]
    pub(crate) rounds: u32,
    /// Seconds per round, case and proxy.
    #[arg(long, default_value_t = 0.5)]
    pub(crate) seconds: f64,
    /// Plugins of the plugins part; all when absent.
    #[arg(long, value_delimiter = ',')]
    pub(crate) plugins: Vec<String>,
    /// Seconds per round with and without each plugin.
    #[arg(long, default_value_t = 0.15)]
    pub(crate) plugin_seconds: f64,
    /// Connections of the load; of HTTP/2, streams.
    #[arg(long, default_value_t = 64)]
    pub(crate) connections: usize,
    /// Connections of the idle part.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) idle_connections: usize,
    /// Seconds of the memory part; 600 for a thorough look.
    #[arg(long, default_value_t = 60.0)]
    pub(crate) memory_seconds: f64,
    /// Route counts of the propagation part.
    #[arg(long, value_delimiter = ',', default_value = "10000,100000")]
    pub(crate) propagation_routes: Vec<u32>,
    /// Changes per route count of the propagation part.
    #[arg(long, default_value_t = 200)]
    pub(crate) changes: u32,
    /// Seconds of each side of the churn part, in turns of three.
    #[arg(long, default_value_t = 30.0)]
    pub(crate) churn_seconds: f64,
    /// Requests a second while changes are made, or clients flood.
    #[arg(long, default_value_t = 5000)]
    pub(crate) churn_rate: u32,
    /// Rounds of the floods part, each of two seconds without and with one.
    #[arg(long, default_value_t = 5)]
    pub(crate) flood_rounds: u32,
    /// Simulated instances.
    #[arg(long, default_value_t = 1000)]
    pub(crate) instances: usize,
    /// Groups of the permissions part, each with ten services.
    #[arg(long, default_value_t = 1000)]
    pub(crate) groups: usize,
    /// Users of the permissions part.
    #[arg(long, default_value_t = 200)]
    pub(crate) users: usize,
    /// Permission policies of each user.
    #[arg(long, default_value_t = 50)]
    pub(crate) policies_per_user: usize,
    /// Routes of the memory figure.
    #[arg(long, default_value_t = 100_000)]
    pub(crate) footprint_routes: u32,
    /// Routes on disk when the control plane is dead.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) restart_routes: u32,
    /// The gateway's binary, built for release.
    #[arg(long, env = "FLOTILLA_BINARY", default_value = "target/release/flotilla")]
    pub(crate) flotilla: PathBuf,
    /// Envoy's binary.
    #[arg(long, env = "ENVOY_BINARY", default_value = "envoy")]
    pub(crate) envoy: PathBuf,
    /// Also writes the result as JSON.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
    /// Also puts the result between the markers of this page.
    #[arg(long)]
    pub(crate) write_docs: Option<PathBuf>,
    /// Keeps configurations and logs, and says where.
    #[arg(long)]
    pub(crate) keep: bool,
    /// Everything small: shows that the benchmark works, measures nothing.
    #[arg(long)]
    pub(crate) quick: bool,
}

impl Options {
    /// With what `--quick` means.
    pub(crate) fn resolved(self) -> Self {
        if !self.quick {
            return self;
        }
        let small = |case: Case| if let Case::Routes(routes) = case { Case::Routes(routes.min(1000)) } else { case };
        let mut cases: Vec<Case> = self.cases.into_iter().map(small).collect();
        cases.dedup();
        Self {
            cases,
            rounds: 1,
            seconds: 0.3,
            plugin_seconds: 0.1,
            idle_connections: 200,
            memory_seconds: 2.0,
            propagation_routes: vec![100],
            changes: 5,
            churn_seconds: 1.0,
            churn_rate: 500,
            flood_rounds: 1,
            instances: 20,
            groups: 10,
            users: 5,
            policies_per_user: 5,
            footprint_routes: 1000,
            restart_routes: 100,
            ..self
        }
    }

    /// Of kinds of traffic.
    pub(crate) fn rounds(&self) -> Rounds {
        self.rounds_of(self.seconds, TRAFFIC_WARM_UP)
    }

    /// Of plugins.
    pub(crate) fn plugin_rounds(&self) -> Rounds {
        self.rounds_of(self.plugin_seconds, PLUGIN_WARM_UP)
    }

    fn rounds_of(&self, seconds: f64, warm_up: Duration) -> Rounds {
        let round = Duration::from_secs_f64(seconds);
        Rounds { rounds: self.rounds, round, warm_up: warm_up.min(round), connections: self.connections }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn quick_makes_everything_small_and_measures_no_case_twice() {
        let options = Options::parse_from(["bench", "--quick"]).resolved();
        assert_eq!(options.cases[..3], [Case::Plain, Case::Auth, Case::Tls]);
        assert_eq!(options.cases[7..], [Case::Routes(1), Case::Routes(1000)]);
        assert_eq!(options.rounds, 1);
    }
}
