//! `flotilla up`: everything on one machine.
//!
//! The control plane runs in this process. The gateway is a child process that joins group `default`
//! with a token like any other instance, and ends with this process.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use control::iam::{Actor, RequestContext, TokenSpec};
use model::GroupId;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use crate::client_settings::{SavedLogin, up_file};
use crate::control_plane::{ControlPlane, Overrides};
use crate::progress::Progress;
use crate::signals;

const GROUP: &str = "default";
/// A gateway that ends sooner than this after its start has not really started.
const STARTED_FOR: Duration = Duration::from_secs(10);
/// How often in a row the gateway may end that soon before all of it stops.
const FAILED_STARTS: u32 = 5;

/// Run everything on this machine: control plane on SQLite, API, and one gateway instance in group
/// `default`. Asks nothing; Ctrl-C drains and stops all of it.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  flotilla up --data-dir ./data")]
pub(crate) struct Up {
    #[command(flatten)]
    control_plane: Overrides,
    /// Addresses for HTTP traffic.
    #[arg(long, env = "FLOTILLA_HTTP_LISTEN", value_delimiter = ',', default_value = "0.0.0.0:9080")]
    http_listen: Vec<SocketAddr>,
    /// Addresses for HTTPS traffic.
    #[arg(long, env = "FLOTILLA_HTTPS_LISTEN", value_delimiter = ',', default_value = "0.0.0.0:9443")]
    https_listen: Vec<SocketAddr>,
    /// Address of the instance's /status and /status/ready.
    #[arg(long, env = "FLOTILLA_STATUS_LISTEN", default_value = "127.0.0.1:7085")]
    status_listen: SocketAddr,
    /// Address of the instance's /apisix/prometheus/metrics.
    #[arg(long, env = "FLOTILLA_METRICS_LISTEN", default_value = "127.0.0.1:9091")]
    metrics_listen: SocketAddr,
    /// Worker threads of the instance; 0 takes one per core.
    #[arg(long, env = "FLOTILLA_WORKERS", default_value_t = 0)]
    workers: usize,
    /// Where the instance's access log goes: off, stdout, or a file.
    #[arg(long, env = "FLOTILLA_ACCESS_LOG", default_value = "off", value_name = "TO")]
    access_log: String,
}

impl Up {
    /// Starts everything, announces it, and waits for the end.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let stop = signals::stop_token()?;
        let progress = Progress::of("starting the control plane");
        let control_plane = ControlPlane::start(&self.control_plane).await?;
        self.save_login(&control_plane).await?;
        progress.step("starting a gateway instance in group default");
        let outcome = self.supervise(&control_plane, &progress, &stop).await;
        control_plane.stop().await?;
        outcome
    }

    /// Keeps the gateway running until the stop.
    async fn supervise(
        &self,
        control_plane: &ControlPlane,
        progress: &Progress,
        stop: &CancellationToken,
    ) -> anyhow::Result<()> {
        let mut failed_starts = 0;
        loop {
            let started = Instant::now();
            let mut gateway = self.start_gateway(control_plane).await?;
            let ready = tokio::select! {
                ready = wait_ready(&mut gateway) => ready,
                () = stop.cancelled() => return stop_gateway(gateway).await,
            };
            if let Some(line) = ready {
                progress.done();
                self.announce(control_plane, &line);
            }
            tokio::select! {
                _ = gateway.wait() => {}
                () = stop.cancelled() => return stop_gateway(gateway).await,
            }
            failed_starts = if started.elapsed() < STARTED_FOR { failed_starts + 1 } else { 0 };
            if failed_starts >= FAILED_STARTS {
                bail!("the gateway instance ends again and again; its log above says why");
            }
            tracing::error!("the gateway instance ended by itself and is started again");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    fn gateway_dir(&self) -> PathBuf {
        self.control_plane.data_dir().join("gateway")
    }

    async fn start_gateway(&self, control_plane: &ControlPlane) -> anyhow::Result<Child> {
        let join = |addresses: &[SocketAddr]| addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let port = control_plane.channel_address.port();
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg("gateway")
            .arg("--control-plane")
            .arg(format!("https://127.0.0.1:{port}"))
            .arg("--data-dir")
            .arg(self.gateway_dir())
            .args(["--http-listen", &join(&self.http_listen), "--https-listen", &join(&self.https_listen)])
            .args(["--status-listen", &self.status_listen.to_string()])
            .args(["--metrics-listen", &self.metrics_listen.to_string()])
            .args(["--workers", &self.workers.to_string(), "--access-log", &self.access_log])
            // Secrets of the control plane are none of the instance's business.
            .env_remove("FLOTILLA_MASTER_KEY")
            .env_remove("FLOTILLA_ADMIN_PASSWORD")
            .env_remove("FLOTILLA_APISIX_ADMIN_KEY")
            .env_remove("FLOTILLA_DATABASE")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // Ctrl-C in a terminal goes to the whole process group; the gateway is to drain when we say so.
            .process_group(0);
        if !self.gateway_dir().join("identity.json").exists() {
            command.env("FLOTILLA_JOIN_TOKEN", join_token(control_plane).await?);
        }
        end_with_parent(&mut command);
        command.spawn().context("cannot start the gateway instance")
    }

    /// On the first start: a token for the client verbs.
    async fn save_login(&self, control_plane: &ControlPlane) -> anyhow::Result<()> {
        let Some(admin) = &control_plane.first_admin else { return Ok(()) };
        let control = &control_plane.control;
        let actor = control.authenticate_password(&admin.username, &admin.password, &RequestContext::default()).await?;
        let issued =
            control.create_token(&actor, TokenSpec { name: "flotilla-up".to_owned(), ..TokenSpec::default() }).await?;
        let server = address(control_plane.api.http).map(|address| format!("http://{address}"));
        let server = server.or(address(control_plane.api.https).map(|address| format!("https://{address}")));
        let login = SavedLogin {
            server: server.unwrap_or_default(),
            token: issued.token,
            token_id: Some(issued.id),
            ca_fingerprint: Some(control.ca_fingerprint()),
        };
        login.write(&up_file(&self.control_plane.data_dir()))
    }

    fn announce(&self, control_plane: &ControlPlane, ready: &str) {
        let text = self.announcement(control_plane, ready);
        let mut stdout = std::io::stdout();
        // Standard output may be closed; that is no reason not to serve.
        let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    }

    fn announcement(&self, control_plane: &ControlPlane, ready: &str) -> String {
        let mut lines = vec![format!("Flotilla {} is up.", env!("CARGO_PKG_VERSION"))];
        let http = address(control_plane.api.http).map(|address| format!("http://{address}"));
        let https = address(control_plane.api.https).map(|address| format!("https://{address}"));
        let api: Vec<_> = [&https, &http].into_iter().flatten().cloned().collect();
        let gateway: Vec<_> = ready.split_whitespace().filter(|word| word.contains("://")).collect();
        lines.push(format!("  API              {}", api.join("  ")));
        if let Some(address) = address(control_plane.api.apisix_admin) {
            lines.push(format!("  APISIX Admin API http://{address}"));
        }
        lines.push(format!("  config channel   https://{}", control_plane.channel_address));
        lines.push(format!("  gateway          {}", gateway.join("  ")));
        lines.push(format!("  CA fingerprint   {}", control_plane.control.ca_fingerprint()));
        let base = http.or(https).unwrap_or_default();
        match &control_plane.first_admin {
            Some(admin) if admin.generated => {
                lines.push(format!("  first admin      {} / {}", admin.username, admin.password));
                lines.push(format!(
                    "  try              curl -u {}:{} {base}/api/gateway_groups",
                    admin.username, admin.password
                ));
            }
            Some(admin) => {
                lines.push(format!("  first admin      {} / (the password you gave)", admin.username));
                lines.push(format!("  try              curl -u {} {base}/api/gateway_groups", admin.username));
            }
            None => lines.push(format!("  try              curl {base}/api/status")),
        }
        lines.push(format!("{ready}\n"));
        lines.join("\n")
    }
}

async fn join_token(control_plane: &ControlPlane) -> anyhow::Result<String> {
    let group = GroupId::new(GROUP)?;
    let life = Some(Duration::from_secs(600));
    let issued = control_plane.control.create_join_token(&Actor::system(), &group, life, Some(1)).await;
    let issued = issued.context("group default, which the gateway instance would join")?;
    Ok(issued.token)
}

/// Reads the gateway's output up to its ready line, and passes on what comes after; `None` when it ended before.
async fn wait_ready(gateway: &mut Child) -> Option<String> {
    let mut lines = BufReader::new(gateway.stdout.take()?).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if line.starts_with("ready") {
            tokio::spawn(async move {
                while let Ok(Some(line)) = lines.next_line().await {
                    let _ = writeln!(std::io::stdout(), "{line}");
                }
            });
            return Some(line);
        }
    }
    None
}

/// Asks the gateway to drain and waits for its end.
async fn stop_gateway(mut gateway: Child) -> anyhow::Result<()> {
    if let Some(pid) = gateway.id().and_then(|pid| i32::try_from(pid).ok()) {
        // SAFETY: kill has no preconditions; the child has not been waited for, so the pid is still its own.
        unsafe { libc::kill(pid, libc::SIGTERM) };
    }
    gateway.wait().await?;
    Ok(())
}

/// Should this process be killed without a chance to stop its child, the kernel tells the child to stop.
fn end_with_parent(command: &mut Command) {
    // SAFETY: prctl is async-signal-safe and touches nothing of the parent.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
            Ok(())
        });
    }
}

/// An address as a client on this machine would write it.
fn address(bound: Option<SocketAddr>) -> Option<SocketAddr> {
    let bound = bound?;
    let is_any = bound.ip().is_unspecified();
    Some(if is_any { SocketAddr::from(([127, 0, 0, 1], bound.port())) } else { bound })
}
