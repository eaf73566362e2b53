//! `flotilla group`: the gateway groups.

use std::collections::BTreeMap;
use std::time::Duration;

use api_types::{GatewayGroup, GatewayGroupSpec, JoinTokenSpec};
use clap::{Args, Subcommand};

use crate::client_settings::ClientArguments;
use crate::{duration, output};

/// List, create, show and delete gateway groups; make join tokens.
#[derive(Debug, Args)]
pub(crate) struct Group {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List groups.
    List {
        #[command(flatten)]
        client: ClientArguments,
        /// Only groups with these labels: `env=prod,line=payment`.
        #[arg(long, short = 'l', default_value = "", value_name = "LABELS")]
        selector: String,
    },
    /// Create a group.
    Create {
        #[command(flatten)]
        client: ClientArguments,
        /// Its name, unique in the control plane.
        name: String,
        /// A label, `key=value`; may be given several times.
        #[arg(long = "label", value_parser = label, value_name = "KEY=VALUE")]
        labels: Vec<(String, String)>,
        /// What it is for.
        #[arg(long, default_value = "")]
        desc: String,
        /// Home region of its instances.
        #[arg(long)]
        region: Option<String>,
    },
    /// Show a group.
    Show {
        #[command(flatten)]
        client: ClientArguments,
        /// Its name.
        name: String,
    },
    /// Delete a group with everything in it.
    Delete {
        #[command(flatten)]
        client: ClientArguments,
        /// Its name.
        name: String,
    },
    /// Make a join token and print the line that starts an instance with it.
    Token {
        #[command(flatten)]
        client: ClientArguments,
        /// The group's name.
        name: String,
        /// How long the token can be used: 30s, 15m, 24h, 7d.
        #[arg(long, default_value = "1h", value_parser = duration::parse)]
        expires: Duration,
        /// How many instances can join with it.
        #[arg(long, default_value_t = 1)]
        uses: u32,
    },
}

impl Group {
    /// Carries the action out.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self.action {
            Action::List { client, selector } => {
                let groups = client.client()?.groups(&selector).await?;
                client.output.list(&groups, &["group", "id", "revision", "labels", "age"], row)
            }
            Action::Create { client, name, labels, desc, region } => {
                let labels: BTreeMap<_, _> = labels.into_iter().collect();
                let spec = GatewayGroupSpec { name, desc, labels, region, ..GatewayGroupSpec::default() };
                let created = client.client()?.create_group(&spec).await?;
                client.output.one(&created, |group| format!("created group {} ({})", group.name, group.id))
            }
            Action::Show { client, name } => {
                let group = client.client()?.group_by_name(&name).await?;
                client.output.one(&group, |group| serde_json::to_string_pretty(group).unwrap_or_default())
            }
            Action::Delete { client, name } => {
                let api = client.client()?;
                let group = api.group_by_name(&name).await?;
                api.delete_group(&group.id).await?;
                client.output.one(&group, |group| format!("deleted group {} ({})", group.name, group.id))
            }
            Action::Token { client, name, expires, uses } => token(&client, &name, expires, uses).await,
        }
    }
}

fn row(group: &GatewayGroup) -> Vec<String> {
    vec![
        group.name.clone(),
        group.id.clone(),
        group.config_version.to_string(),
        output::labels(&group.labels),
        output::age(group.created_at),
    ]
}

async fn token(client: &ClientArguments, name: &str, expires: Duration, uses: u32) -> anyhow::Result<()> {
    let api = client.client()?;
    let group = api.group_by_name(name).await?;
    let spec = JoinTokenSpec { expires_in: Some(expires.as_secs()), max_uses: Some(uses) };
    let issued = api.create_join_token(&group.id, &spec).await?;
    client.output.one(&issued, |issued| issued.token_plain_text.clone())
}

/// A label as arguments give it.
pub(crate) fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("{text:?} must be KEY=VALUE")),
    }
}
