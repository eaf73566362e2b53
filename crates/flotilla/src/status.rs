//! `flotilla status`: every group at a glance.

use clap::Args;

use crate::client_settings::ClientArguments;
use crate::output;

/// Show every group with its revision and its instances in sync, behind and lost.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  flotilla status -l env=prod")]
pub(crate) struct Status {
    #[command(flatten)]
    client: ClientArguments,
    /// Only groups with these labels: `env=prod,line=payment`.
    #[arg(long, short = 'l', default_value = "", value_name = "LABELS")]
    selector: String,
}

impl Status {
    /// Asks for each group and prints the table.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let client = self.client.client()?;
        let groups = client.groups(&self.selector).await?;
        let mut rows = Vec::with_capacity(groups.len());
        for group in &groups {
            rows.push(client.group_status(&group.id).await?);
        }
        let columns = ["group", "revision", "in sync", "behind", "lost", "digest"];
        self.client.output.list(&rows, &columns, |row| {
            vec![
                row.name.clone(),
                row.revision.to_string(),
                row.in_sync.to_string(),
                row.behind.to_string(),
                row.lost.to_string(),
                output::short(&row.digest).to_owned(),
            ]
        })
    }
}
