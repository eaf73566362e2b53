//! `flotilla user`: the users and their roles.

use std::io::Write;

use anyhow::bail;
use api_types::{Invitation, Session, User as Shown, UserChange};
use clap::{Args, Subcommand};
use serde_json::json;

use crate::client_settings::ClientArguments;
use crate::label::{self, LabelChange};
use crate::{output, policy, prompt};

/// List, invite, change and remove users; reset their passwords, end their sessions.
#[derive(Debug, Args)]
pub(crate) struct User {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List users.
    #[command(after_help = "Example:\n  flotilla user list")]
    List {
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Invite a user. The one-time password is read from standard input, or made up and printed.
    #[command(after_help = "Example:\n  flotilla user invite ann --role payment-member --label team=payment")]
    Invite {
        #[command(flatten)]
        client: ClientArguments,
        /// The name to log in with.
        name: String,
        /// A role by name; may be given several times.
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<String>,
        /// A label, `key=value`; may be given several times.
        #[arg(long = "label", value_parser = label::parse, value_name = "KEY=VALUE")]
        labels: Vec<(String, String)>,
        /// Where the user can be written to.
        #[arg(long)]
        email: Option<String>,
        /// Read the one-time password from standard input instead of making one up.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Replace the roles of a user.
    #[command(after_help = "Example:\n  flotilla user roles ann payment-member payment-leader")]
    Roles {
        #[command(flatten)]
        client: ClientArguments,
        /// The user's name.
        name: String,
        /// Names of roles; none takes all away.
        roles: Vec<String>,
    },
    /// Set and remove labels of a user.
    #[command(after_help = "Example:\n  flotilla user label ann --label team=payment --remove-label trial")]
    Label {
        #[command(flatten)]
        client: ClientArguments,
        /// The user's name.
        name: String,
        #[command(flatten)]
        labels: LabelChange,
    },
    /// Show or replace the permission policies that bound a user: at least one of them must allow whatever it does.
    #[command(after_help = "Examples:
  flotilla user boundary ann
  flotilla user boundary ann payment-only
  flotilla user boundary ann --lift")]
    Boundary {
        #[command(flatten)]
        client: ClientArguments,
        /// The user's name.
        name: String,
        /// Names of permission policies; none shows those that are set.
        policies: Vec<String>,
        /// Take the boundary away.
        #[arg(long, conflicts_with = "policies")]
        lift: bool,
    },
    /// Give a user a new one-time password, read from standard input, or made up and printed. Its sessions end.
    #[command(after_help = "Example:\n  flotilla user reset-password ann")]
    ResetPassword {
        #[command(flatten)]
        client: ClientArguments,
        /// The user's name.
        name: String,
        /// Read the one-time password from standard input instead of making one up.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Remove the second factor of a user who lost it.
    #[command(subcommand)]
    SecondFactor(SecondFactor),
    /// List the open sessions of a user, the latest first.
    #[command(after_help = "Example:\n  flotilla user sessions ann")]
    Sessions {
        #[command(flatten)]
        client: ClientArguments,
        /// The user's name.
        name: String,
    },
    /// End a session of a user, or all of them; the user is told why.
    #[command(after_help = "Examples:\n  flotilla user end-session ann ID\n  flotilla user end-session ann --all")]
    EndSession {
        #[command(flatten)]
        client: ClientArguments,
        /// The user's name.
        name: String,
        /// Id of the session.
        #[arg(required_unless_present = "all")]
        session: Option<String>,
        /// All sessions that are open.
        #[arg(long, conflicts_with = "session")]
        all: bool,
    },
    /// Shut a user out at once, without removing it.
    #[command(after_help = "Example:\n  flotilla user disable ann")]
    Disable {
        #[command(flatten)]
        client: ClientArguments,
        /// The user's name.
        name: String,
    },
    /// Let a user in again.
    #[command(after_help = "Example:\n  flotilla user enable ann")]
    Enable {
        #[command(flatten)]
        client: ClientArguments,
        /// The user's name.
        name: String,
    },
    /// End a user's lock for wrong passwords or codes in a row.
    #[command(after_help = "Example:\n  flotilla user unlock ann")]
    Unlock {
        #[command(flatten)]
        client: ClientArguments,
        /// The user's name.
        name: String,
    },
    /// Remove a user.
    #[command(after_help = "Example:\n  flotilla user delete ann")]
    Delete {
        #[command(flatten)]
        client: ClientArguments,
        /// The user's name.
        name: String,
    },
}

#[derive(Debug, Subcommand)]
enum SecondFactor {
    /// Remove the second factor of a user who lost it: the password alone lets the user in then.
    #[command(after_help = "Example:\n  flotilla user second-factor off ann")]
    Off {
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
            Action::Label { client, name, labels } => relabel(&client, &name, &labels).await,
            Action::Boundary { client, name, policies, lift } => {
                let api = client.client()?;
                let user = api.user_by_name(&name).await?;
                if lift || !policies.is_empty() {
                    api.set_boundaries(&user.id, policy::ids_of(&api, &policies).await?).await?;
                }
                policy::list(&client, &api.boundaries(&user.id).await?)
            }
            Action::ResetPassword { client, name, password_stdin } => {
                reset_password(&client, &name, password_stdin).await
            }
            Action::SecondFactor(SecondFactor::Off { client, name }) => {
                let api = client.client()?;
                let user = api.user_by_name(&name).await?;
                api.remove_second_factor_of(&user.id).await?;
                let user = api.user_by_name(&name).await?;
                client.output.one(&user, |user| format!("{} has no second factor", user.username))
            }
            Action::Sessions { client, name } => {
                let api = client.client()?;
                let sessions = api.sessions(&api.user_by_name(&name).await?.id).await?;
                let columns = ["session", "address", "client", "age", "last used", "expires"];
                client.output.list(&sessions, &columns, session_row)
            }
            Action::EndSession { client, name, session, all: _ } => {
                end_sessions(&client, &name, session.as_deref()).await
            }
            Action::Disable { client, name } => {
                let change = UserChange { active: Some(false), ..UserChange::default() };
                change_user(&client, &name, &change, "is shut out").await
            }
            Action::Enable { client, name } => {
                let change = UserChange { active: Some(true), ..UserChange::default() };
                change_user(&client, &name, &change, "may come in again").await
            }
            Action::Unlock { client, name } => {
                let change = UserChange { locked: Some(false), ..UserChange::default() };
                change_user(&client, &name, &change, "is not locked").await
            }
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
        print_one_time(&user.username, &password)?;
    }
    client.output.one(&user, |user| format!("invited user {} ({})", user.username, user.id))
}

async fn change_user(client: &ClientArguments, name: &str, change: &UserChange, now: &str) -> anyhow::Result<()> {
    let api = client.client()?;
    let user = api.user_by_name(name).await?;
    let user = api.update_user(&user.id, change).await?;
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
    match from_stdin {
        true => Ok((prompt::read_line()?, false)),
        false => Ok((uuid::Uuid::new_v4().simple().to_string(), true)),
    }
}

/// To standard error, so that standard output is the answer alone.
fn print_one_time(name: &str, password: &str) -> std::io::Result<()> {
    writeln!(std::io::stderr(), "one-time password of {name}: {password}")
}

async fn reset_password(client: &ClientArguments, name: &str, from_stdin: bool) -> anyhow::Result<()> {
    let (password, is_made_up) = one_time_password(from_stdin)?;
    let api = client.client()?;
    let user = api.user_by_name(name).await?;
    api.reset_password(&user.id, &password).await?;
    if is_made_up {
        print_one_time(name, &password)?;
    }
    let user = api.user_by_name(name).await?;
    client.output.one(&user, |user| format!("{} must choose a password at the next login", user.username))
}

async fn relabel(client: &ClientArguments, name: &str, change: &LabelChange) -> anyhow::Result<()> {
    if change.is_empty() {
        bail!("change what? Give --label or --remove-label");
    }
    let api = client.client()?;
    let user = api.user_by_name(name).await?;
    let change = UserChange { labels: Some(change.of(user.labels)?), ..UserChange::default() };
    let user = api.update_user(&user.id, &change).await?;
    client.output.one(&user, |user| format!("{} has the labels: {}", user.username, output::labels(&user.labels)))
}

/// Ends the session, or all that are open.
async fn end_sessions(client: &ClientArguments, name: &str, session: Option<&str>) -> anyhow::Result<()> {
    let api = client.client()?;
    let user = api.user_by_name(name).await?;
    let sessions = match session {
        Some(session) => vec![session.to_owned()],
        None => api.sessions(&user.id).await?.into_iter().map(|session| session.id).collect(),
    };
    for session in &sessions {
        api.end_session(&user.id, session).await?;
    }
    client.output.one(&json!({ "username": name, "ended": sessions }), |_| {
        format!("sessions of {name} ended: {}", sessions.len())
    })
}

fn session_row(session: &Session) -> Vec<String> {
    vec![
        session.id.clone(),
        session.address.clone(),
        session.user_agent.clone(),
        output::age(session.created_at),
        output::age(session.last_used_at),
        output::expiry(session.expires_at),
    ]
}
