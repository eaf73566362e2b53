//! `flotilla instance`: the gateway instances.

use anyhow::bail;
use clap::{Args, Subcommand};
use client::InstanceFilter;

use crate::client_settings::ClientArguments;
use crate::output;

/// List, show and revoke gateway instances.
#[derive(Debug, Args)]
pub(crate) struct Instance {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List instances.
    #[command(after_help = "Example:\n  flotilla instance list --group payment-test --status lost_connection")]
    List {
        #[command(flatten)]
        client: ClientArguments,
        /// Of this group, by name.
        #[arg(long, short)]
        group: Option<String>,
        /// With this status: healthy, out_of_sync, lost_connection, offline.
        #[arg(long)]
        status: Option<String>,
    },
    /// Show one instance.
    #[command(after_help = "Example:\n  flotilla instance show ID")]
    Show {
        #[command(flatten)]
        client: ClientArguments,
        /// Id of the instance.
        id: String,
    },
    /// Revoke an instance: its stream is closed at once, and it cannot return.
    #[command(after_help = "Example:\n  flotilla instance revoke ID")]
    Revoke {
        #[command(flatten)]
        client: ClientArguments,
        /// Id of the instance.
        id: String,
    },
}

impl Instance {
    /// Carries the action out.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self.action {
            Action::List { client, group, status } => list(&client, group, status).await,
            Action::Show { client, id } => {
                let found = find(&client.client()?, &id).await?;
                client.output.one(&found, |found| serde_json::to_string_pretty(found).unwrap_or_default())
            }
            Action::Revoke { client, id } => {
                let api = client.client()?;
                let found = find(&api, &id).await?;
                api.revoke_instance(&found.gateway_group_id, &found.id).await?;
                let found = find(&api, &found.id).await?;
                client.output.one(&found, |found| format!("revoked {} ({})", found.id, found.hostname))
            }
        }
    }
}

async fn list(client: &ClientArguments, group: Option<String>, status: Option<String>) -> anyhow::Result<()> {
    let api = client.client()?;
    let groups = api.groups("").await?;
    let gateway_group_id = match &group {
        Some(name) => Some(api.group_by_name(name).await?.id),
        None => None,
    };
    let filter = InstanceFilter { gateway_group_id, status, ..InstanceFilter::default() };
    let instances = api.instances(&filter).await?;
    let columns = ["instance", "group", "hostname", "status", "revision", "version", "heartbeat"];
    client.output.list(&instances, &columns, |instance| {
        let group = groups.iter().find(|group| group.id == instance.gateway_group_id);
        let applied = instance.applied_revision.map_or_else(|| "-".into(), |revision| revision.to_string());
        vec![
            instance.id.clone(),
            group.map_or_else(|| instance.gateway_group_id.clone(), |group| group.name.clone()),
            instance.hostname.clone(),
            instance.status.clone(),
            format!("{applied}/{}", instance.target_revision),
            instance.version.clone(),
            output::age(instance.last_heartbeat_time),
        ]
    })
}

/// An instance by its id, in whichever group.
async fn find(api: &client::Client, id: &str) -> anyhow::Result<api_types::Instance> {
    let all = api.instances(&InstanceFilter::default()).await?;
    let Some(found) = all.into_iter().find(|instance| instance.id == id) else {
        bail!("instance {id:?} does not exist");
    };
    Ok(found)
}
