//! `flotilla gateway`: one gateway instance.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use gateway::config::{ConfigSettings, InstanceFacts};
use gateway::run::Serving;
use gateway::{AccessLog, Networks, Settings};

use crate::allocator;
use crate::dns::DnsArguments;
use crate::limits::LimitArguments;
use crate::{duration, signals};

/// Run a gateway instance. It needs no database and no other service; once it has joined, it starts
/// and serves with the control plane down.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  flotilla gateway --control-plane https://control:7943 --data-dir ./gateway")]
pub(crate) struct GatewayArguments {
    /// Address of the control plane's config channel; several, parted by commas, are tried in turn.
    #[arg(long, env = "FLOTILLA_CONTROL_PLANE", value_delimiter = ',', required = true, value_name = "URL")]
    control_plane: Vec<String>,
    /// Join token; needed for the first start only. Better given in the environment: others see a process's arguments.
    #[arg(long, env = "FLOTILLA_JOIN_TOKEN", hide_env_values = true, value_name = "TOKEN", allow_hyphen_values = true)]
    token: Option<String>,
    /// A file that holds the join token.
    #[arg(long, env = "FLOTILLA_JOIN_TOKEN_FILE", conflicts_with = "token", value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Where the instance keeps its identity and its last good configuration.
    #[arg(long, env = "FLOTILLA_GATEWAY_DATA_DIR", default_value = "./data/gateway", value_name = "DIR")]
    data_dir: PathBuf,
    /// Addresses for HTTP traffic.
    #[arg(long, env = "FLOTILLA_HTTP_LISTEN", value_delimiter = ',', default_value = "0.0.0.0:9080")]
    http_listen: Vec<SocketAddr>,
    /// Addresses for HTTPS traffic.
    #[arg(long, env = "FLOTILLA_HTTPS_LISTEN", value_delimiter = ',', default_value = "0.0.0.0:9443")]
    https_listen: Vec<SocketAddr>,
    /// Address of /status and /status/ready.
    #[arg(long, env = "FLOTILLA_STATUS_LISTEN", default_value = "127.0.0.1:7085")]
    status_listen: SocketAddr,
    /// Address of /apisix/prometheus/metrics.
    #[arg(long, env = "FLOTILLA_METRICS_LISTEN", default_value = "127.0.0.1:9091")]
    metrics_listen: SocketAddr,
    /// Worker threads; 0 takes one per core.
    #[arg(long, env = "FLOTILLA_WORKERS", default_value_t = 0)]
    workers: usize,
    /// Where the access log goes: off, stdout, or a file.
    #[arg(long, env = "FLOTILLA_ACCESS_LOG", default_value = "off", value_parser = access_log, value_name = "TO")]
    access_log: AccessLog,
    /// What a line of it has: text with variables as $remote_addr or ${remote_addr}, those of plugins and of nginx; the default is
    /// APISIX's. $gateway_fault tells what went wrong here.
    #[arg(long, env = "FLOTILLA_ACCESS_LOG_FORMAT", default_value = gateway::ACCESS_LOG_FORMAT, value_name = "FORMAT")]
    access_log_format: String,
    /// How long open requests may take after a stop was asked for.
    #[arg(long, env = "FLOTILLA_DRAIN", default_value = "30s", value_parser = duration::parse, value_name = "TIME")]
    drain: Duration,
    /// Addresses and networks of proxies before this one, parted by commas, whose X-Forwarded-Proto, -Host, -Port and Forwarded
    /// are believed, and which --http2-max-breaches does not bound; what others say there is replaced by what is so of the connection,
    /// and, where any are named, their X-Forwarded-For is dropped.
    #[arg(long, env = "FLOTILLA_TRUSTED_ADDRESSES", value_name = "CIDR,...")]
    trusted_addresses: Option<Networks>,
    #[command(flatten)]
    limits: LimitArguments,
    #[command(flatten)]
    dns: DnsArguments,
}

impl GatewayArguments {
    /// Joins, serves, and drains on SIGINT or SIGTERM.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let stop = signals::stop_token()?;
        let (settings, config) = (self.settings(), self.config()?);
        gateway::run::run(settings, config, stop, announce).await?;
        Ok(())
    }

    fn settings(&self) -> Settings {
        let defaults = Settings::default();
        Settings {
            http: self.http_listen.clone(),
            https: self.https_listen.clone(),
            status: Some(self.status_listen),
            metrics: Some(self.metrics_listen),
            workers: if self.workers == 0 { defaults.workers } else { self.workers },
            access_log: self.access_log.clone(),
            access_log_format: self.access_log_format.clone(),
            limits: self.limits.settings(),
            trusted: self.trusted_addresses.clone().unwrap_or_default(),
            drain: self.drain,
            dns: self.dns.settings(),
            give_back: allocator::give_back,
        }
    }

    fn config(&self) -> anyhow::Result<ConfigSettings> {
        let mut config = ConfigSettings::new(self.control_plane.clone(), self.data_dir.clone());
        config.token = self.token.clone();
        if let Some(path) = &self.token_file {
            let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            config.token = Some(text.trim().to_owned());
        }
        config.facts = InstanceFacts {
            hostname: gateway::run::hostname(),
            version: env!("CARGO_PKG_VERSION").into(),
            run_id: uuid::Uuid::new_v4().to_string(),
            addresses: self.http_listen.iter().chain(&self.https_listen).map(ToString::to_string).collect(),
            cores: std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32),
            labels: Default::default(),
        };
        Ok(config)
    }
}

/// The line that scripts wait for.
fn announce(serving: &Serving<'_>) {
    let addresses: Vec<_> = serving.running.http.iter().map(|address| format!("http://{address}")).collect();
    let encrypted: Vec<_> = serving.running.https.iter().map(|address| format!("https://{address}")).collect();
    let revision = serving.status.applied.as_ref().map_or(0, |applied| applied.revision);
    let group = serving.status.group.as_ref().map_or("-", |group| group.as_str());
    let mut stdout = std::io::stdout();
    // Whoever started the gateway may have closed its standard output; that is no reason not to serve.
    let _ = writeln!(stdout, "ready group={group} revision={revision} {} {}", addresses.join(" "), encrypted.join(" "));
    let _ = stdout.flush();
}

fn access_log(text: &str) -> Result<AccessLog, String> {
    Ok(match text {
        "off" => AccessLog::Off,
        "stdout" | "-" => AccessLog::Stdout,
        path => AccessLog::File(PathBuf::from(path)),
    })
}
