//! `flotilla user`: the users and their roles.

use std::io::Write;

use anyhow::Context;
use api_types::{Invitation, User as Shown, UserChange};
use clap::{Args, Subcommand};

use crate::client_settings::ClientArguments;
use crate::{group, output};

/// List, invite, change and remove users.
#[derive(Debug, Args)]
pub(crate) struct User {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List users.
    List {
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Invite a user. The one-time password is read from standard input, or made up and printed.
    Invite {
        #[command(flatten)]
        client: ClientArguments,
        /// The name to log in with.
        name: String,
        /// A role by name; may be given several times.
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<String>,
        /// A label, `key=value`; may be given several times.
        #[arg(long = "label", value_parser = group::label, value_name = "KEY=VALUE")]
        labels: Vec<(String, String)>,
        /// Where the user can be written to.
        #[arg(long)]
        email: Option<String>,
        /// Read the one-time password from standard input instead of making one up.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Replace the roles of a user.
    Roles {
        #[command(flatten)]
        client: ClientArguments,
        /// The user's name.
        name: String,
        /// Names of roles; none takes all away.
        roles: Vec<String>,
    },
    /// Shut a user out at once, without removing it.
    Disable {
        #[command(flatten)]
        client: ClientArguments,
        /// The user's name.
        name: String,
    },
    /// Let a user in again.
    Enable {
        #[command(flatten)]
        client: ClientArguments,
        /// The user's name.
        name: String,
    },
    /// Remove a user.
    Delete {
        #[command(flatten)]
        client: ClientArguments,
        /// The user's name.
        name: String,
    },
}

impl User {
    /// Carries the action out.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self.action {
            Action::List { client } => {
                let users = client.client()?.users().await?;
                client.output.list(&users, &["user", "roles", "labels", "active", "last login"], row)
            }
            Action::Invite { client, name, roles, labels, email, password_stdin } => {
                let (password, is_made_up) = one_time_password(password_stdin)?;
                let labels = labels.into_iter().collect();
                let invitation =
                    Invitation { username: name, password: password.clone(), email, labels, ..Invitation::default() };
                invite(&client, &invitation, &roles, is_made_up.then_some(password)).await
            }
            Action::Roles { client, name, roles } => {
                let api = client.client()?;
                let user = api.user_by_name(&name).await?;
                api.assign_roles(&user.id, ids_of(&api, &roles).await?).await?;
                let user = api.user_by_name(&name).await?;
                client.output.one(&user, |user| format!("{} has the roles: {}", user.username, names(user)))
            }
            Action::Disable { client, name } => set_active(&client, &name, false).await,
            Action::Enable { client, name } => set_active(&client, &name, true).await,
            Action::Delete { client, name } => {
                let api = client.client()?;
                let user = api.user_by_name(&name).await?;
                api.delete_user(&user.id).await?;
                client.output.one(&user, |user| format!("deleted user {} ({})", user.username, user.id))
            }
        }
    }
}

fn row(user: &Shown) -> Vec<String> {
    vec![
        user.username.clone(),
        names(user),
        output::labels(&user.labels),
        if user.active { "yes" } else { "no" }.to_owned(),
        output::age(user.last_login_at),
    ]
}

fn names(user: &Shown) -> String {
    user.roles.iter().map(|role| role.name.as_str()).collect::<Vec<_>>().join(", ")
}

async fn invite(
    client: &ClientArguments,
    invitation: &Invitation,
    roles: &[String],
    made_up: Option<String>,
) -> anyhow::Result<()> {
    let api = client.client()?;
    // Before the user is made: a misspelt role must not leave a user without one behind.
    let roles = ids_of(&api, roles).await?;
    let user = api.invite_user(invitation).await?;
    if !roles.is_empty() {
        api.assign_roles(&user.id, roles).await?;
    }
    let user = api.user_by_name(&user.username).await?;
    if let Some(password) = made_up {
        writeln!(std::io::stderr(), "one-time password of {}: {password}", user.username)?;
    }
    client.output.one(&user, |user| format!("invited user {} ({})", user.username, user.id))
}

async fn set_active(client: &ClientArguments, name: &str, active: bool) -> anyhow::Result<()> {
    let api = client.client()?;
    let user = api.user_by_name(name).await?;
    let user = api.update_user(&user.id, &UserChange { active: Some(active), ..UserChange::default() }).await?;
    let now = if active { "may come in again" } else { "is shut out" };
    client.output.one(&user, |user| format!("user {} {now}", user.username))
}

async fn ids_of(api: &client::Client, roles: &[String]) -> anyhow::Result<Vec<String>> {
    let mut ids = Vec::with_capacity(roles.len());
    for role in roles {
        ids.push(api.role_by_name(role).await?.id);
    }
    Ok(ids)
}

/// The password, and whether it was made up here.
fn one_time_password(from_stdin: bool) -> anyhow::Result<(String, bool)> {
    if !from_stdin {
        return Ok((uuid::Uuid::new_v4().simple().to_string(), true));
    }
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).context("cannot read the password")?;
    Ok((line.trim_end_matches(['\r', '\n']).to_owned(), false))
}
