//! `flotilla role`: the roles and their permission policies.

use api_types::{Role as Shown, RoleSpec};
use clap::{Args, Subcommand};

use crate::client_settings::ClientArguments;
use crate::{group, output, policy};

/// List, create and delete roles; attach permission policies to them.
#[derive(Debug, Args)]
pub(crate) struct Role {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List roles.
    List {
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Create a role.
    Create {
        #[command(flatten)]
        client: ClientArguments,
        /// Its name.
        name: String,
        /// A permission policy by name; may be given several times.
        #[arg(long = "policy", value_name = "POLICY")]
        policies: Vec<String>,
        /// A label, `key=value`; may be given several times.
        #[arg(long = "label", value_parser = group::label, value_name = "KEY=VALUE")]
        labels: Vec<(String, String)>,
        /// What it is for.
        #[arg(long, default_value = "")]
        desc: String,
    },
    /// Show the permission policies of a role.
    Policies {
        #[command(flatten)]
        client: ClientArguments,
        /// The role's name.
        name: String,
    },
    /// Give a role further permission policies.
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
                let permission_policies = ids_of(&api, &policies).await?;
                let spec = RoleSpec { name, desc, labels: labels.into_iter().collect(), permission_policies };
                let made = api.create_role(&spec).await?;
                client.output.one(&made, |role| format!("created role {} ({})", role.name, role.id))
            }
            Action::Policies { client, name } => {
                let api = client.client()?;
                policy::list(&client, &api.policies_of_role(&api.role_by_name(&name).await?.id).await?)
            }
            Action::Attach { client, name, policies } => {
                let api = client.client()?;
                let role = api.role_by_name(&name).await?;
                api.attach_policies(&role.id, ids_of(&api, &policies).await?).await?;
                client.output.one(&role, |role| format!("role {} has {} now", role.name, policies.join(", ")))
            }
            Action::Detach { client, name, policies } => {
                let api = client.client()?;
                let role = api.role_by_name(&name).await?;
                api.detach_policies(&role.id, ids_of(&api, &policies).await?).await?;
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

async fn ids_of(api: &client::Client, policies: &[String]) -> anyhow::Result<Vec<String>> {
    let mut ids = Vec::with_capacity(policies.len());
    for policy in policies {
        ids.push(api.policy_by_name(policy).await?.id);
    }
    Ok(ids)
}
