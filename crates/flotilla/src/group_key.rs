//! `flotilla group key`: the admin keys of a gateway group.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use api_types::{AdminKeySpec, IssuedAdminKey, NamedAdminKey};
use clap::Subcommand;
use client::{Client, ClientError};

use crate::client_settings::ClientArguments;
use crate::{duration, output, policy};

/// The one key that API7 knows, which the API can renew in one step.
const THE_KEY: &str = "admin-key";

#[derive(Debug, Subcommand)]
pub(crate) enum GroupKey {
    /// List a group's admin keys; never their texts.
    #[command(after_help = "Example:\n  flotilla group key list payment-test")]
    List {
        #[command(flatten)]
        client: ClientArguments,
        /// The group's name.
        group: String,
    },
    /// Make an admin key and print its text, this once. It is good for this group alone.
    #[command(after_help = "Example:
  flotilla group key create payment-test --name ingress --expires 90d --policy services-only.json")]
    Create {
        #[command(flatten)]
        client: ClientArguments,
        /// The group's name.
        group: String,
        /// Name to know it by, unique in the group.
        #[arg(long)]
        name: String,
        /// How long it is good for: 30s, 15m, 24h, 7d. [default: for ever]
        #[arg(long, value_parser = duration::parse, value_name = "TIME")]
        expires: Option<Duration>,
        /// Good for what this permission policy's document allows; `-` for standard input. [default: everything in the
        /// group]
        #[arg(long, value_name = "FILE")]
        policy: Option<PathBuf>,
    },
    /// Give an admin key a new text and print it, this once; the old one ends. Rights and expiry stay.
    ///
    /// The key `admin-key` is made when the group has none: it is the one that API7's clients know.
    #[command(after_help = "Example:\n  flotilla group key regenerate payment-test ingress")]
    Regenerate {
        #[command(flatten)]
        client: ClientArguments,
        /// The group's name.
        group: String,
        /// Name or id of the key.
        #[arg(default_value = THE_KEY)]
        key: String,
    },
    /// End an admin key.
    #[command(after_help = "Example:\n  flotilla group key delete payment-test ingress")]
    Delete {
        #[command(flatten)]
        client: ClientArguments,
        /// The group's name.
        group: String,
        /// Name or id of the key.
        key: String,
    },
}

impl GroupKey {
    /// Carries the action out.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::List { client, group } => {
                let api = client.client()?;
                let keys = api.admin_keys(&api.group_by_name(&group).await?.id).await?;
                client.output.list(&keys, &["key", "id", "rights", "expires", "last used", "age"], row)
            }
            Self::Create { client, group, name, expires, policy } => {
                let api = client.client()?;
                let group = api.group_by_name(&group).await?.id;
                let policy_document = policy.as_deref().map(policy::document).transpose()?;
                let spec = AdminKeySpec { name, policy_document, expires_at: duration::from_now(expires) };
                print(&client, &api.create_admin_key(&group, &spec).await?)
            }
            Self::Regenerate { client, group, key } => {
                let api = client.client()?;
                let group = api.group_by_name(&group).await?.id;
                print(&client, &regenerate(&api, &group, &key).await?)
            }
            Self::Delete { client, group, key } => {
                let api = client.client()?;
                let group = api.group_by_name(&group).await?.id;
                let found = find(&api, &group, &key).await?;
                api.delete_admin_key(&group, &found.id).await?;
                client.output.one(&found, |key| format!("deleted admin key {} ({})", key.name, key.id))
            }
        }
    }
}

fn row(key: &NamedAdminKey) -> Vec<String> {
    vec![
        key.name.clone(),
        key.id.clone(),
        output::rights(key.policy_document.as_ref()),
        output::expiry(key.expires_at),
        output::age(key.last_used_at),
        output::age(key.created_at),
    ]
}

fn print(client: &ClientArguments, issued: &IssuedAdminKey) -> anyhow::Result<()> {
    client.output.one(issued, |issued| issued.key.clone())
}

async fn regenerate(api: &Client, group: &str, key: &str) -> anyhow::Result<IssuedAdminKey> {
    let old = match find(api, group, key).await {
        Ok(old) => old,
        Err(_) if key == THE_KEY => return the_key_anew(api, group).await,
        Err(error) => return Err(error),
    };
    // The API renews that key as one that may do everything for ever; another would lose its rights and its end.
    if old.name == THE_KEY && old.policy_document.is_none() && old.expires_at == 0 {
        return the_key_anew(api, group).await;
    }
    if output::expiry(old.expires_at) == "expired" {
        bail!("admin key {:?} has expired: delete it and create another", old.name);
    }
    // A name is one key's alone, so the old one goes first.
    api.delete_admin_key(group, &old.id).await?;
    let spec =
        AdminKeySpec { name: old.name.clone(), policy_document: old.policy_document, expires_at: old.expires_at };
    let made = api.create_admin_key(group, &spec).await;
    made.with_context(|| format!("admin key {:?} is deleted and no new one is made; create it again", old.name))
}

async fn the_key_anew(api: &Client, group: &str) -> anyhow::Result<IssuedAdminKey> {
    let made = api.regenerate_admin_key(group).await?;
    let keys = api.admin_keys(group).await?;
    let id = keys.into_iter().find(|key| key.name == THE_KEY).map(|key| key.id).unwrap_or_default();
    Ok(IssuedAdminKey { id, key: made.key.unwrap_or_default() })
}

/// A key of the group by id or name.
async fn find(api: &Client, group: &str, wanted: &str) -> anyhow::Result<NamedAdminKey> {
    let keys = api.admin_keys(group).await?;
    let found = keys.into_iter().find(|key| key.id == wanted || key.name == wanted);
    Ok(found.ok_or_else(|| ClientError::NoSuch { kind: "admin key", name: wanted.to_owned() })?)
}
