//! What verbs print: a table for people, JSON for programs.

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

/// Form of the output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// A table.
    #[default]
    Table,
    /// JSON, as the API gives it.
    Json,
}

impl Output {
    /// Prints a list: `columns` and `row` make the table.
    #[allow(clippy::print_stdout)]
    pub(crate) fn list<T: Serialize>(
        self,
        items: &[T],
        columns: &[&str],
        row: impl Fn(&T) -> Vec<String>,
    ) -> anyhow::Result<()> {
        match self {
            Output::Json => println!("{}", serde_json::to_string_pretty(items)?),
            Output::Table => {
                let mut table = Table::new();
                table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
                table.set_header(columns.iter().map(|column| column.to_uppercase()));
                table.add_rows(items.iter().map(row));
                for line in table.lines() {
                    println!("{}", line.trim_end());
                }
            }
        }
        Ok(())
    }

    /// Prints one object: JSON, or `text` for people.
    #[allow(clippy::print_stdout)]
    pub(crate) fn one<T: Serialize>(self, item: &T, text: impl FnOnce(&T) -> String) -> anyhow::Result<()> {
        match self {
            Output::Json => println!("{}", serde_json::to_string_pretty(item)?),
            Output::Table => println!("{}", text(item)),
        }
        Ok(())
    }
}

/// What a token or key is narrowed to, in a word.
pub(crate) fn rights(document: Option<&serde_json::Value>) -> String {
    if document.is_some() { "narrowed" } else { "all" }.to_owned()
}

/// Labels as they are written on the command line: `env=prod,line=payment`.
pub(crate) fn labels<'l>(labels: impl IntoIterator<Item = (&'l String, &'l String)>) -> String {
    let pairs: Vec<_> = labels.into_iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join(",")
}

/// How long ago a moment was: `12s`, `3m`, `5h`, `2d`; `-` for never.
pub(crate) fn age(unix_seconds: i64) -> String {
    if unix_seconds <= 0 {
        return "-".into();
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let seconds = (now.as_secs() as i64 - unix_seconds).max(0);
    span(seconds)
}

fn span(seconds: i64) -> String {
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// How far ahead a moment is: `12s`, `3m`, `5h`, `2d`; `never` for 0, `expired` for what has passed.
pub(crate) fn expiry(unix_seconds: i64) -> String {
    if unix_seconds == 0 {
        return "never".into();
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    match unix_seconds - now.as_secs() as i64 {
        ..=0 => "expired".into(),
        left => span(left),
    }
}

/// The first digits of a digest or id, enough to tell two apart.
pub(crate) fn short(text: &str) -> &str {
    text.get(..12).unwrap_or(text)
}
