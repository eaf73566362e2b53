//! `flotilla group`: the gateway groups.

use std::time::Duration;

use anyhow::bail;
use api_types::{GatewayGroup, GatewayGroupSpec, JoinTokenSpec};
use clap::{Args, Subcommand};

use crate::client_settings::ClientArguments;
use crate::group_key::GroupKey;
use crate::label::{self, LabelChange, Labels};
use crate::{duration, output};

/// List, create, show, change and delete gateway groups; make join tokens and admin keys.
#[derive(Debug, Args)]
pub(crate) struct Group {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List groups.
    #[command(after_help = "Example:\n  flotilla group list -l line=payment")]
    List {
        #[command(flatten)]
        client: ClientArguments,
        /// Only groups with these labels: `env=prod,line=payment`.
        #[arg(long, short = 'l', default_value = "", value_name = "LABELS")]
        selector: String,
    },
    /// Create a group.
    #[command(after_help = "Example:\n  flotilla group create payment-test --label line=payment --label env=test")]
    Create {
        #[command(flatten)]
        client: ClientArguments,
        /// Its name, unique in the control plane.
        name: String,
        /// A label, `key=value`; may be given several times.
        #[arg(long = "label", value_parser = label::parse, value_name = "KEY=VALUE")]
        labels: Vec<(String, String)>,
        /// What it is for.
        #[arg(long, visible_alias = "description", default_value = "")]
        desc: String,
        /// Home region of its instances.
        #[arg(long)]
        region: Option<String>,
    },
    /// Show a group.
    #[command(after_help = "Example:\n  flotilla group show payment-test")]
    Show {
        #[command(flatten)]
        client: ClientArguments,
        /// Its name.
        name: String,
    },
    /// Change what a group says of itself; its configuration stays. What is not named stays, too.
    ///
    /// Labels decide who may act on the group: permission policies that go by them count with the next request.
    #[command(after_help = "Examples:
  flotilla group update payment-dev --label env=test --remove-label draft
  flotilla group update payment-dev --name payment-test --description 'Payment, test'")]
    Update {
        #[command(flatten)]
        client: ClientArguments,
        /// Its name.
        group: String,
        /// Another name.
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// What it is for.
        #[arg(long, visible_alias = "desc")]
        description: Option<String>,
        /// Home region of its instances; empty for none.
        #[arg(long)]
        region: Option<String>,
        #[command(flatten)]
        labels: LabelChange,
    },
    /// Delete a group with everything in it.
    #[command(after_help = "Example:\n  flotilla group delete payment-test")]
    Delete {
        #[command(flatten)]
        client: ClientArguments,
        /// Its name.
        name: String,
    },
    /// List, make, renew and delete the admin keys of a group.
    #[command(subcommand)]
    Key(GroupKey),
    /// Make a join token and print it: an instance that is started with it joins the group.
    #[command(after_help = "Example:
  FLOTILLA_JOIN_TOKEN=$(flotilla group token payment-test) flotilla gateway --control-plane https://control:7943")]
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
                let labels: Labels = labels.into_iter().collect();
                let spec = GatewayGroupSpec { name, desc, labels, region, ..GatewayGroupSpec::default() };
                let created = client.client()?.create_group(&spec).await?;
                client.output.one(&created, |group| format!("created group {} ({})", group.name, group.id))
            }
            Action::Show { client, name } => {
                let group = client.client()?.group_by_name(&name).await?;
                client.output.one(&group, |group| serde_json::to_string_pretty(group).unwrap_or_default())
            }
            Action::Update { client, group, name, description, region, labels } => {
                update(&client, &group, Change { name, description, region, labels }).await
            }
            Action::Key(key) => key.run().await,
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

/// What to change in a group.
struct Change {
    name: Option<String>,
    description: Option<String>,
    region: Option<String>,
    labels: LabelChange,
}

async fn update(client: &ClientArguments, group: &str, change: Change) -> anyhow::Result<()> {
    let Change { name, description, region, labels } = change;
    if name.is_none() && description.is_none() && region.is_none() && labels.is_empty() {
        bail!("change what? Give --name, --description, --region, --label or --remove-label");
    }
    let api = client.client()?;
    let before = api.group_by_name(group).await?;
    let spec = GatewayGroupSpec {
        name: name.unwrap_or(before.name),
        desc: description.unwrap_or(before.desc),
        labels: labels.of(before.labels)?,
        group_type: Some(before.group_type),
        region: region.or(before.region).filter(|region| !region.is_empty()),
        variables: before.variables,
        enforce_service_publishing: before.enforce_service_publishing,
    };
    let changed = api.update_group(&before.id, &spec).await?;
    client.output.one(&changed, |group| {
        format!("updated group {} ({}): {}", group.name, group.id, output::labels(&group.labels))
    })
}

async fn token(client: &ClientArguments, name: &str, expires: Duration, uses: u32) -> anyhow::Result<()> {
    let api = client.client()?;
    let group = api.group_by_name(name).await?;
    let spec = JoinTokenSpec { expires_in: Some(expires.as_secs()), max_uses: Some(uses) };
    let issued = api.create_join_token(&group.id, &spec).await?;
    client.output.one(&issued, |issued| issued.token_plain_text.clone())
}
