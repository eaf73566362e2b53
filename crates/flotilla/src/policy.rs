//! `flotilla policy`: the permission policies.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::bail;
use api_types::{PermissionPolicy, PermissionPolicySpec, Question, Simulation, SimulationSpec};
use clap::{Args, Subcommand};
use client::ClientError;
use serde_json::Value;

use crate::client_settings::ClientArguments;
use crate::{json_file, label, output};

/// List, save, delete and try out permission policies.
#[derive(Debug, Args)]
pub(crate) struct Policy {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List permission policies.
    #[command(after_help = "Example:\n  flotilla policy list")]
    List {
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Show a permission policy.
    #[command(after_help = "Example:\n  flotilla policy show payment-test")]
    Show {
        #[command(flatten)]
        client: ClientArguments,
        /// Its name.
        name: String,
    },
    /// Create a permission policy from a file, or replace it.
    #[command(after_help = "Example:\n  flotilla policy save payment-test --file policy.json --label line=payment")]
    Save {
        #[command(flatten)]
        client: ClientArguments,
        /// Its name.
        name: String,
        /// File with its document, `{"statement": [...]}`; `-` for standard input.
        #[arg(long, short, value_name = "FILE")]
        file: PathBuf,
        /// A label, `key=value`; may be given several times.
        #[arg(long = "label", value_parser = label::parse, value_name = "KEY=VALUE")]
        labels: Vec<(String, String)>,
        /// What it is for.
        #[arg(long, default_value = "")]
        desc: String,
    },
    /// Tell which decisions would come out differently, were a policy saved from this file. Nothing is saved.
    ///
    /// It is a policy that stands, by its name, or a new one that some roles would get.
    #[command(after_help = "Examples:
  flotilla policy simulate payment-test --file new.json --ask gateway:DeleteGatewayGroup=arn:api7:gateway:gatewaygroup/ID
  flotilla policy simulate --new --role payment-member --file new.json \\
      --ask gateway:GetPublishedService=arn:api7:gateway:gatewaygroup/ID/publishedservice/orders")]
    Simulate {
        #[command(flatten)]
        client: ClientArguments,
        /// Name of the policy.
        #[arg(required_unless_present = "new")]
        name: Option<String>,
        /// Instead of a policy that stands: a new one.
        #[arg(long, conflicts_with = "name", requires = "roles", requires = "file")]
        new: bool,
        /// A role that would get the new policy; may be given several times.
        #[arg(long = "role", value_name = "ROLE", requires = "new")]
        roles: Vec<String>,
        /// File with its document then; `-` for standard input. Without it: were the policy gone.
        #[arg(long, short, value_name = "FILE")]
        file: Option<PathBuf>,
        /// What to ask for every user, `ACTION=RESOURCE`; may be given several times.
        #[arg(long = "ask", required = true, value_parser = question, value_name = "ACTION=ARN")]
        questions: Vec<Question>,
    },
    /// Delete a permission policy that is attached to nothing.
    #[command(after_help = "Example:\n  flotilla policy delete payment-test")]
    Delete {
        #[command(flatten)]
        client: ClientArguments,
        /// Its name.
        name: String,
    },
}

impl Policy {
    /// Carries the action out.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self.action {
            Action::List { client } => list(&client, &client.client()?.policies().await?),
            Action::Show { client, name } => {
                let policy = client.client()?.policy_by_name(&name).await?;
                client.output.one(&policy, |policy| serde_json::to_string_pretty(policy).unwrap_or_default())
            }
            Action::Save { client, name, file, labels, desc } => {
                let labels = labels.into_iter().collect();
                let spec = PermissionPolicySpec { name, desc, labels, policy_document: document(&file)? };
                save(&client, &spec).await
            }
            Action::Simulate { client, name, new: _, roles, file, questions } => {
                let api = client.client()?;
                let permission_policy_id = match &name {
                    Some(name) => Some(api.policy_by_name(name).await?.id),
                    None => None,
                };
                let mut ids = Vec::with_capacity(roles.len());
                for role in &roles {
                    ids.push(api.role_by_name(role).await?.id);
                }
                let policy_document = file.as_deref().map(document).transpose()?;
                let spec = SimulationSpec { permission_policy_id, policy_document, roles: ids, questions };
                show(&client, &api.simulate_policy(&spec).await?)
            }
            Action::Delete { client, name } => {
                let api = client.client()?;
                let policy = api.policy_by_name(&name).await?;
                api.delete_policy(&policy.id).await?;
                client
                    .output
                    .one(&policy, |policy| format!("deleted permission policy {} ({})", policy.name, policy.id))
            }
        }
    }
}

async fn save(client: &ClientArguments, spec: &PermissionPolicySpec) -> anyhow::Result<()> {
    let api = client.client()?;
    let saved = match api.policy_by_name(&spec.name).await {
        Ok(policy) => api.update_policy(&policy.id, spec).await?,
        Err(ClientError::NoSuch { .. }) => api.create_policy(spec).await?,
        Err(error) => return Err(error.into()),
    };
    if let Some(warning) = &saved.warning_msg {
        writeln!(std::io::stderr(), "warning: {warning}")?;
    }
    client.output.one(&saved, |saved| format!("saved permission policy {} ({})", saved.value.name, saved.value.id))
}

fn show(client: &ClientArguments, simulation: &Simulation) -> anyhow::Result<()> {
    if client.output == output::Output::Json {
        return client.output.one(simulation, |_| String::new());
    }
    let word = |allowed| if allowed { "allowed" } else { "refused" }.to_owned();
    let columns = ["user", "action", "resource", "now", "then"];
    client.output.list(&simulation.differences, &columns, |difference| {
        let (now, then) = (word(difference.now), word(difference.then));
        vec![difference.username.clone(), difference.action.clone(), difference.resource.clone(), now, then]
    })?;
    if simulation.is_partial {
        writeln!(std::io::stderr(), "only the first {} users were looked at", simulation.users)?;
    }
    Ok(())
}

/// Prints policies, a line each.
pub(crate) fn list(client: &ClientArguments, policies: &[PermissionPolicy]) -> anyhow::Result<()> {
    client.output.list(policies, &["policy", "id", "type", "labels"], |policy| {
        vec![policy.name.clone(), policy.id.clone(), policy.policy_type.clone(), output::labels(&policy.labels)]
    })
}

/// Ids of permission policies that are named.
pub(crate) async fn ids_of(api: &client::Client, policies: &[String]) -> anyhow::Result<Vec<String>> {
    let mut ids = Vec::with_capacity(policies.len());
    for policy in policies {
        ids.push(api.policy_by_name(policy).await?.id);
    }
    Ok(ids)
}

/// The document in a file, which may also hold a whole policy as `show` prints it.
pub(crate) fn document(file: &Path) -> anyhow::Result<Value> {
    let mut value = json_file::read(file)?;
    if let Some(document) = value.get_mut("policy_document") {
        return Ok(document.take());
    }
    match value.is_object() {
        true => Ok(value),
        false => bail!("{} must hold an object with \"statement\"", file.display()),
    }
}

fn question(text: &str) -> Result<Question, String> {
    match text.split_once('=') {
        Some((action, resource)) => Ok(Question { action: action.to_owned(), resource: resource.to_owned() }),
        None => Err(format!("{text:?} must be ACTION=ARN")),
    }
}
