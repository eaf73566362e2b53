//! `flotilla role`: the roles and their permission policies.

use anyhow::bail;
use api_types::{Role as Shown, RoleSpec};
use clap::{Args, Subcommand};

use crate::client_settings::ClientArguments;
use crate::label::{self, LabelChange};
use crate::{output, policy};

/// List, create, change and delete roles; attach permission policies to them.
#[derive(Debug, Args)]
pub(crate) struct Role {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List roles.
    #[command(after_help = "Example:\n  flotilla role list")]
    List {
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Create a role.
    #[command(after_help = "Example:
  flotilla role create payment-leader --label line=payment --policy payment-test --policy payment-uat")]
    Create {
        #[command(flatten)]
        client: ClientArguments,
        /// Its name.
        name: String,
        /// A permission policy by name; may be given several times.
        #[arg(long = "policy", value_name = "POLICY")]
        policies: Vec<String>,
        /// A label, `key=value`; may be given several times.
        #[arg(long = "label", value_parser = label::parse, value_name = "KEY=VALUE")]
        labels: Vec<(String, String)>,
        /// What it is for.
        #[arg(long, default_value = "")]
        desc: String,
    },
    /// Give a role another name or description; its policies and labels stay.
    #[command(after_help = "Example:
  flotilla role update payment-leader --name payment-lead --description 'Leads the payment line'")]
    Update {
        #[command(flatten)]
        client: ClientArguments,
        /// The role's name.
        role: String,
        /// Another name.
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// What it is for.
        #[arg(long, visible_alias = "desc")]
        description: Option<String>,
    },
    /// Set and remove labels of a role.
    #[command(after_help = "Example:\n  flotilla role label payment-leader --label line=payment --remove-label draft")]
    Label {
        #[command(flatten)]
        client: ClientArguments,
        /// The role's name.
        name: String,
        #[command(flatten)]
        labels: LabelChange,
    },
    /// Show the permission policies of a role.
    #[command(after_help = "Example:\n  flotilla role policies payment-leader")]
    Policies {
        #[command(flatten)]
        client: ClientArguments,
        /// The role's name.
        name: String,
    },
    /// Give a role further permission policies.
    #[command(after_help = "Example:\n  flotilla role attach payment-leader payment-dev")]
    Attach {
        #[command(flatten)]
        client: ClientArguments,
        /// The role's name.
        name: String,
        /// Names of permission policies.
        #[arg(required = true)]
        policies: Vec<String>,
    },
    /// Take permission policies from a role.
    #[command(after_help = "Example:\n  flotilla role detach payment-leader payment-dev")]
    Detach {
        #[command(flatten)]
        client: ClientArguments,
        /// The role's name.
        name: String,
        /// Names of permission policies.
        #[arg(required = true)]
        policies: Vec<String>,
    },
    /// Delete a role that nobody has.
    #[command(after_help = "Example:\n  flotilla role delete payment-leader")]
    Delete {
        #[command(flatten)]
        client: ClientArguments,
        /// The role's name.
        name: String,
    },
}

impl Role {
    /// Carries the action out.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self.action {
            Action::List { client } => {
                let roles = client.client()?.roles().await?;
                client.output.list(&roles, &["role", "id", "type", "labels"], row)
            }
            Action::Create { client, name, policies, labels, desc } => {
                let api = client.client()?;
                let permission_policies = policy::ids_of(&api, &policies).await?;
                let spec = RoleSpec { name, desc, labels: labels.into_iter().collect(), permission_policies };
                let made = api.create_role(&spec).await?;
                client.output.one(&made, |role| format!("created role {} ({})", role.name, role.id))
            }
            Action::Update { client, role, name, description } => {
                if name.is_none() && description.is_none() {
                    bail!("change what? Give --name or --description");
                }
                update(&client, &role, |role| {
                    role.name = name.unwrap_or_else(|| role.name.clone());
                    role.desc = description.unwrap_or_else(|| role.desc.clone());
                    Ok(())
                })
                .await
            }
            Action::Label { client, name, labels } => {
                if labels.is_empty() {
                    bail!("change what? Give --label or --remove-label");
                }
                update(&client, &name, |role| {
                    role.labels = labels.of(std::mem::take(&mut role.labels))?;
                    Ok(())
                })
                .await
            }
            Action::Policies { client, name } => {
                let api = client.client()?;
                policy::list(&client, &api.policies_of_role(&api.role_by_name(&name).await?.id).await?)
            }
            Action::Attach { client, name, policies } => {
                let api = client.client()?;
                let role = api.role_by_name(&name).await?;
                api.attach_policies(&role.id, policy::ids_of(&api, &policies).await?).await?;
                client.output.one(&role, |role| format!("role {} has {} now", role.name, policies.join(", ")))
            }
            Action::Detach { client, name, policies } => {
                let api = client.client()?;
                let role = api.role_by_name(&name).await?;
                api.detach_policies(&role.id, policy::ids_of(&api, &policies).await?).await?;
                client.output.one(&role, |role| format!("role {} has {} no more", role.name, policies.join(", ")))
            }
            Action::Delete { client, name } => {
                let api = client.client()?;
                let role = api.role_by_name(&name).await?;
                api.delete_role(&role.id).await?;
                client.output.one(&role, |role| format!("deleted role {} ({})", role.name, role.id))
            }
        }
    }
}

fn row(role: &Shown) -> Vec<String> {
    vec![role.name.clone(), role.id.clone(), role.role_type.clone(), output::labels(&role.labels)]
}

/// Replaces a role by what `change` makes of it. Its policies are not among what the API replaces.
async fn update(
    client: &ClientArguments,
    name: &str,
    change: impl FnOnce(&mut RoleSpec) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let api = client.client()?;
    let Shown { id, name, desc, labels, .. } = api.role_by_name(name).await?;
    let mut spec = RoleSpec { name, desc, labels, ..RoleSpec::default() };
    change(&mut spec)?;
    let changed = api.update_role(&id, &spec).await?;
    client
        .output
        .one(&changed, |role| format!("updated role {} ({}): {}", role.name, role.id, output::labels(&role.labels)))
}
