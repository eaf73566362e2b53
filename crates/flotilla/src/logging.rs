//! The process's own log, to standard error: standard output belongs to answers.

use anyhow::Context;
use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// Form of the log.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Starts the log. Client verbs log warnings only, unless more is asked for.
pub(crate) fn start(filter: &str, format: Format, is_server: bool) -> anyhow::Result<()> {
    let filter = if is_server || filter != "info" { filter } else { "warn" };
    let filter = EnvFilter::try_new(filter).with_context(|| format!("--log {filter:?} is no log filter"))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        Format::Text => builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init(),
        Format::Json => builder.json().init(),
    }
    Ok(())
}
