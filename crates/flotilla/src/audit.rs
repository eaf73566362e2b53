//! `flotilla audit`: who did what.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use api_types::{AuditChain, AuditConfig, AuditLog, AuditStream, AuditVerification};
use clap::{Args, Subcommand, ValueEnum};
use client::{AuditFilter, Client, Export, ExportFormat};
use indicatif::HumanBytes;

use crate::client_settings::ClientArguments;
use crate::progress::Progress;
use crate::{duration, json_file, output};

/// Rows asked for at a time.
const PAGE_SIZE: u32 = 500;

/// List, export and verify the audit log; say how long it is kept and where it is sent.
#[derive(Debug, Args)]
pub(crate) struct Audit {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List what was done, latest first.
    #[command(after_help = "Example:\n  flotilla audit list --operator ann --since 7d")]
    List {
        #[command(flatten)]
        client: ClientArguments,
        #[command(flatten)]
        filter: Filter,
        /// Most rows.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Write the log out as JSON or CSV.
    #[command(after_help = "Example:\n  flotilla audit export --format csv --to audit.csv")]
    Export {
        #[command(flatten)]
        client: ClientArguments,
        #[command(flatten)]
        filter: Filter,
        /// Form of the export.
        #[arg(long, default_value = "json")]
        format: Format,
        /// File to write. [default: standard output]
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
    /// Walk the hash chains and name the first row that was changed, removed or inserted.
    #[command(after_help = "Example:\n  flotilla audit verify")]
    Verify {
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Show or set how long the log is kept and where it is streamed to.
    #[command(subcommand)]
    Config(Config),
}

#[derive(Debug, Subcommand)]
enum Config {
    /// Show how long rows are kept, where they are sent, and how that fares.
    #[command(after_help = "Example:\n  flotilla audit config show")]
    Show {
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Set how long rows are kept and where they are sent. What is not named stays.
    #[command(after_help = "Examples:
  flotilla audit config set --retention-days 365
  flotilla audit config set --stream stream.json
  flotilla audit config set --no-stream

  stream.json, one of:
  { \"type\": \"webhook\", \"url\": \"https://siem.example.com/in\", \"header\": { \"name\": \"Authorization\", \"value\": \"...\" } }
  { \"type\": \"syslog\", \"address\": \"syslog.example.com:601\", \"transport\": \"tcp\" }")]
    Set {
        #[command(flatten)]
        client: ClientArguments,
        /// Remove older rows.
        #[arg(long, value_name = "DAYS")]
        retention_days: Option<u32>,
        /// File that says where rows are sent, as JSON; `-` for standard input. A new stream begins with the next row.
        #[arg(long, value_name = "FILE")]
        stream: Option<PathBuf>,
        /// Send rows nowhere.
        #[arg(long, conflicts_with = "stream")]
        no_stream: bool,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Json,
    Csv,
}

/// Which rows.
#[derive(Debug, Args)]
struct Filter {
    /// Of this group, by name.
    #[arg(long, short)]
    group: Option<String>,
    /// Done by this user, or by `admin-key:<group>`, `system`, `anonymous`.
    #[arg(long)]
    operator: Option<String>,
    /// This action, such as `Login`.
    #[arg(long)]
    event: Option<String>,
    /// Done to this kind, such as `route`.
    #[arg(long)]
    resource_type: Option<String>,
    /// Done to the one with this id.
    #[arg(long)]
    resource_id: Option<String>,
    /// Ended so: ok, refused, failed.
    #[arg(long)]
    outcome: Option<String>,
    /// Text that a row contains.
    #[arg(long)]
    search: Option<String>,
    /// Not longer ago than this: 30m, 12h, 7d.
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    since: Option<Duration>,
    /// Oldest first.
    #[arg(long)]
    oldest_first: bool,
}

impl Filter {
    async fn of(self, api: &Client) -> anyhow::Result<AuditFilter> {
        let gateway_group_id = match &self.group {
            Some(name) => Some(api.group_by_name(name).await?.id),
            None => None,
        };
        Ok(AuditFilter {
            start_at: self.since.map(ago),
            end_at: None,
            operator: self.operator,
            event_type: self.event,
            resource_type: self.resource_type,
            resource_id: self.resource_id,
            gateway_group_id,
            outcome: self.outcome,
            search: self.search,
            oldest_first: self.oldest_first,
        })
    }
}

fn ago(time: Duration) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.saturating_sub(time).as_secs()).unwrap_or(i64::MAX)
}

impl Audit {
    /// Carries the action out.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self.action {
            Action::List { client, filter, limit } => list(&client, filter, limit).await,
            Action::Export { client, filter, format, to } => {
                let api = client.client()?;
                let format = match format {
                    Format::Json => ExportFormat::Json,
                    Format::Csv => ExportFormat::Csv,
                };
                let export = api.export_audit_logs(&filter.of(&api).await?, format).await?;
                write_out(export, to.as_deref()).await
            }
            Action::Verify { client } => verify(&client).await,
            Action::Config(config) => config.run().await,
        }
    }
}

impl Config {
    async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Show { client } => client.output.one(&client.client()?.audit_config().await?, settings),
            Self::Set { client, retention_days, stream, no_stream } => {
                if retention_days.is_none() && stream.is_none() && !no_stream {
                    bail!("set what? Give --retention-days, --stream or --no-stream");
                }
                let stream = stream.as_deref().map(stream_of).transpose()?;
                let api = client.client()?;
                let mut config = AuditConfig { stream_state: None, ..api.audit_config().await? };
                config.retention_days = retention_days.unwrap_or(config.retention_days);
                config.stream = if no_stream { None } else { stream.or(config.stream) };
                client.output.one(&api.set_audit_config(&config).await?, settings)
            }
        }
    }
}

fn stream_of(file: &Path) -> anyhow::Result<AuditStream> {
    serde_json::from_value(json_file::read(file)?).with_context(|| format!("{} is no stream", file.display()))
}

fn settings(config: &AuditConfig) -> String {
    let stream = match &config.stream {
        None => "nowhere".to_owned(),
        Some(AuditStream::Webhook(webhook)) => format!("{} ({})", webhook.url, webhook.format),
        Some(AuditStream::Syslog(syslog)) => format!("syslog {} ({})", syslog.address, syslog.transport),
    };
    let mut lines = vec![format!("kept    {} days", config.retention_days), format!("sent    {stream}")];
    if let Some(state) = &config.stream_state {
        let (delivered, waiting, lost) = (state.delivered, state.waiting, state.lost);
        lines.push(format!("stream  {delivered} delivered, {waiting} waiting, {lost} lost"));
        if !state.last_error.is_empty() {
            lines.push(format!("fails   {} times, last: {}", state.failures, state.last_error));
        }
    }
    lines.join("\n")
}

async fn list(client: &ClientArguments, filter: Filter, limit: u32) -> anyhow::Result<()> {
    let api = client.client()?;
    let filter = filter.of(&api).await?;
    let mut rows: Vec<AuditLog> = Vec::new();
    for page in 1.. {
        let size = limit.min(PAGE_SIZE);
        let listing = api.audit_logs(&filter, page, size.max(1)).await?;
        let is_last = listing.list.len() < size as usize;
        rows.extend(listing.list);
        if is_last || rows.len() >= limit as usize {
            break;
        }
    }
    rows.truncate(limit as usize);
    let columns = ["age", "operator", "event", "resource", "group", "address", "source", "outcome"];
    client.output.list(&rows, &columns, |row| {
        let resource =
            [&row.resource_type, if row.resource_name.is_empty() { &row.resource_id } else { &row.resource_name }];
        let resource: Vec<_> = resource.into_iter().filter(|text| !text.is_empty()).map(String::as_str).collect();
        let repeated = if row.repeats > 0 { format!(" x{}", row.repeats + 1) } else { String::new() };
        vec![
            output::age(row.created_at),
            row.operator.clone(),
            row.event_type.clone(),
            resource.join(" "),
            row.gateway_group_id.clone().unwrap_or_else(|| "-".into()),
            row.ip.clone(),
            row.source.clone(),
            format!("{}{repeated}", row.outcome),
        ]
    })
}

/// A file that breaks off in the middle is not left behind as if it were whole.
async fn write_out(mut export: Export, to: Option<&Path>) -> anyhow::Result<()> {
    let Some(path) = to else {
        return copy(&mut export, &mut std::io::stdout().lock(), None).await;
    };
    let mut file = std::fs::File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    let copied = copy(&mut export, &mut file, Some(&Progress::of("exporting"))).await;
    if copied.is_err() {
        let _ = std::fs::remove_file(path);
    }
    copied
}

async fn copy(export: &mut Export, to: &mut impl Write, progress: Option<&Progress>) -> anyhow::Result<()> {
    let mut written = 0;
    while let Some(bytes) = export.chunk().await? {
        to.write_all(&bytes)?;
        written += bytes.len() as u64;
        if let Some(progress) = progress {
            progress.step(&format!("exporting, {} written", HumanBytes(written)));
        }
    }
    Ok(to.flush()?)
}

async fn verify(client: &ClientArguments) -> anyhow::Result<()> {
    let progress = Progress::of("walking the hash chains");
    let found = client.client()?.verify_audit_logs().await?;
    drop(progress);
    client.output.one(&found, told)?;
    if let Some(row) = &found.broken {
        bail!("the audit log is not intact: {} at sequence {} of chain {:?}", row.fault, row.sequence, row.scope);
    }
    Ok(())
}

fn told(found: &AuditVerification) -> String {
    let mut lines: Vec<String> = found.chains.iter().map(line).collect();
    if found.unchained > 0 {
        lines.push(format!("{} rows are from before the chains began", found.unchained));
    }
    lines.join("\n")
}

fn line(chain: &AuditChain) -> String {
    let scope = if chain.scope.is_empty() { "(no group)" } else { &chain.scope };
    match &chain.broken {
        None => {
            format!("intact  {scope}: {} rows, head {} {}", chain.intact_rows, chain.head_sequence, chain.head_hash)
        }
        Some(row) => {
            let id = if row.id.is_empty() { "no row" } else { &row.id };
            format!("BROKEN  {scope}: {} at sequence {} ({id})", row.fault, row.sequence)
        }
    }
}
