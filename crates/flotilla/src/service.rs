//! `flotilla service`: the services of a gateway group.

use api_types::{NodeSeen, ServiceHealth, ServiceNode};
use clap::{Args, Subcommand};

use crate::client_settings::ClientArguments;
use crate::output::{self, Output};

/// Show how the nodes of services are.
#[derive(Debug, Args)]
pub(crate) struct Service {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show how the nodes of a service are, as the instances of its group tell.
    ///
    /// Watched are nodes of upstreams with health checks, from the first request on.
    #[command(after_help = "Example:\n  flotilla service health orders --gateway-group payment-test")]
    Health {
        #[command(flatten)]
        client: ClientArguments,
        /// Id of the service.
        service: String,
        /// The gateway group, by name.
        #[arg(long, visible_alias = "group", short, value_name = "GROUP")]
        gateway_group: String,
        /// Only nodes of this upstream of the service, by its id.
        #[arg(long)]
        upstream: Option<String>,
    },
}

impl Service {
    /// Carries the action out.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let Action::Health { client, service, gateway_group, upstream } = self.action;
        let api = client.client()?;
        let group = api.group_by_name(&gateway_group).await?;
        let health = api.service_health(&group.id, &service, upstream.as_deref()).await?;
        match client.output {
            Output::Json => client.output.one(&health, |_| String::new()),
            Output::Table => table(&health),
        }
    }
}

/// A line for each node and instance.
fn table(health: &ServiceHealth) -> anyhow::Result<()> {
    let lines = health.list.iter().flat_map(|node| node.instances.iter().map(move |seen| (node, seen)));
    let lines: Vec<_> = lines.collect();
    let columns = ["of", "node", "priority", "status", "failures", "instance", "hostname", "told"];
    Output::Table.list(&lines, &columns, |(node, seen)| row(node, seen))?;
    if health.left_out {
        tracing::warn!("an instance watches more nodes than it tells of: there may be others");
    }
    Ok(())
}

fn row(node: &ServiceNode, seen: &NodeSeen) -> Vec<String> {
    let counter = seen.counter;
    let age = output::age(seen.told_at);
    vec![
        format!("{}/{}", node.resource_type, node.resource_id),
        format!("{}:{}", node.host, node.port),
        node.priority.to_string(),
        seen.status.clone(),
        format!("http {}, tcp {}, timeout {}", counter.http_failure, counter.tcp_failure, counter.timeout_failure),
        seen.id.clone(),
        seen.hostname.clone(),
        if seen.current { age } else { format!("{age}, not current") },
    ]
}
