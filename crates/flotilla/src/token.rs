//! `flotilla token`: the caller's personal tokens.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use api_types::{IssuedToken, Token as Shown, TokenSpec};
use clap::{Args, Subcommand};
use client::Client;
use serde_json::{Value, json};

use crate::client_settings::ClientArguments;
use crate::{duration, output, policy};

/// List, make, renew and delete your personal tokens.
#[derive(Debug, Args)]
pub(crate) struct Token {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List your tokens, newest first; never their texts.
    #[command(after_help = "Example:\n  flotilla token list")]
    List {
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Make a token and print its text, this once.
    ///
    /// It acts with your rights at the time of each call, or with less: narrowed to gateway groups, or to a permission
    /// policy. A narrowed token can make no others.
    #[command(after_help = "Examples:
  flotilla token create --name ci --expires 90d --group payment-test
  flotilla token create --name reader --policy read-only.json")]
    Create {
        #[command(flatten)]
        client: ClientArguments,
        /// Name to know it by.
        #[arg(long)]
        name: String,
        /// How long it is good for: 30s, 15m, 24h, 7d. [default: for ever]
        #[arg(long, value_parser = duration::parse, value_name = "TIME")]
        expires: Option<Duration>,
        /// Good for this gateway group alone, by name; may be given several times.
        #[arg(long = "group", short, value_name = "GROUP")]
        groups: Vec<String>,
        /// Good for what this permission policy's document allows; `-` for standard input.
        #[arg(long, value_name = "FILE", conflicts_with = "groups")]
        policy: Option<PathBuf>,
    },
    /// Give a token a new text and print it, this once; the old one ends.
    #[command(after_help = "Example:\n  flotilla token regenerate ci")]
    Regenerate {
        #[command(flatten)]
        client: ClientArguments,
        /// Name or id of the token.
        name: String,
    },
    /// End a token.
    #[command(after_help = "Example:\n  flotilla token delete ci")]
    Delete {
        #[command(flatten)]
        client: ClientArguments,
        /// Name or id of the token.
        name: String,
    },
}

impl Token {
    /// Carries the action out.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self.action {
            Action::List { client } => {
                let tokens = client.client()?.tokens().await?;
                client.output.list(&tokens, &["token", "id", "rights", "expires", "last used", "age"], row)
            }
            Action::Create { client, name, expires, groups, policy } => {
                let api = client.client()?;
                let policy_document = match &policy {
                    Some(file) => Some(policy::document(file)?),
                    None => within(&api, &groups).await?,
                };
                let spec = TokenSpec { name, policy_document, expires_at: duration::from_now(expires) };
                print(&client, &api.create_token(&spec).await?)
            }
            Action::Regenerate { client, name } => {
                let api = client.client()?;
                let id = find(&api, &name).await?.id;
                print(&client, &api.regenerate_token(&id).await?)
            }
            Action::Delete { client, name } => {
                let api = client.client()?;
                let found = find(&api, &name).await?;
                api.delete_token(&found.id).await?;
                client.output.one(&found, |token| format!("deleted token {} ({})", token.name, token.id))
            }
        }
    }
}

fn row(token: &Shown) -> Vec<String> {
    vec![
        token.name.clone(),
        token.id.clone(),
        output::rights(token.policy_document.as_ref()),
        output::expiry(token.expires_at),
        output::age(token.last_used_at),
        output::age(token.created_at),
    ]
}

fn print(client: &ClientArguments, issued: &IssuedToken) -> anyhow::Result<()> {
    client.output.one(issued, |issued| issued.token.clone())
}

/// Everything in these groups and nothing else; none means no narrowing.
async fn within(api: &Client, groups: &[String]) -> anyhow::Result<Option<Value>> {
    let mut resources = Vec::with_capacity(groups.len() * 2);
    for name in groups {
        let arn = format!("arn:api7:gateway:gatewaygroup/{}", api.group_by_name(name).await?.id);
        resources.extend([format!("{arn}/<.*>"), arn]);
    }
    let statement = json!({ "effect": "allow", "actions": ["gateway:<.*>"], "resources": resources });
    Ok((!groups.is_empty()).then(|| json!({ "statement": [statement] })))
}

/// One of the caller's tokens by id, or by a name that no other has.
async fn find(api: &Client, wanted: &str) -> anyhow::Result<Shown> {
    let mut tokens = api.tokens().await?;
    if let Some(place) = tokens.iter().position(|token| token.id == wanted) {
        return Ok(tokens.swap_remove(place));
    }
    tokens.retain(|token| token.name == wanted);
    match tokens.len() {
        0 => bail!("token {wanted:?} does not exist"),
        1 => Ok(tokens.swap_remove(0)),
        _ => bail!("several tokens are named {wanted:?}; name one by its id: {}", ids(&tokens)),
    }
}

fn ids(tokens: &[Shown]) -> String {
    tokens.iter().map(|token| token.id.as_str()).collect::<Vec<_>>().join(", ")
}
