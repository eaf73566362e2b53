//! `flotilla login-option`: ways to log in beside name and password.

use std::path::PathBuf;

use anyhow::bail;
use api_types::LoginOption as Shown;
use clap::{Args, Subcommand};
use serde_json::Value;

use crate::client_settings::ClientArguments;
use crate::{json_file, output};

/// List, create, change and delete login options: OpenID Connect providers and LDAP directories.
#[derive(Debug, Args)]
pub(crate) struct LoginOption {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List login options.
    #[command(after_help = "Example:\n  flotilla login-option list")]
    List {
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Show a login option, in the form that `create` and `update` read; secrets are `***`.
    #[command(after_help = "Example:\n  flotilla login-option show Company")]
    Show {
        #[command(flatten)]
        client: ClientArguments,
        /// Its name.
        name: String,
    },
    /// Create a login option from a file.
    #[command(after_help = "Example:
  flotilla login-option create --file company.json

  company.json:
  { \"name\": \"Company\", \"type\": \"oidc\",
    \"oidc\": { \"client_id\": \"flotilla\", \"client_secret\": \"...\", \"issuer\": \"https://id.example.com\",
              \"root_url\": \"https://control:7443\" },
    \"role_mapping\": [{ \"attribute\": \"groups\", \"operator\": \"exact_match\", \"value\": \"gateways\", \"roles\": [\"ID\"] }] }")]
    Create {
        #[command(flatten)]
        client: ClientArguments,
        /// File with it as JSON; `-` for standard input.
        #[arg(long, short, value_name = "FILE")]
        file: PathBuf,
    },
    /// Replace a login option by a file. Its type stays, and so do secrets that are left out or `***`.
    #[command(after_help = "Example:\n  flotilla login-option update Company --file company.json")]
    Update {
        #[command(flatten)]
        client: ClientArguments,
        /// Its name.
        name: String,
        /// File with it as JSON; `-` for standard input.
        #[arg(long, short, value_name = "FILE")]
        file: PathBuf,
    },
    /// Let users log in by a login option.
    #[command(after_help = "Example:\n  flotilla login-option enable Company")]
    Enable {
        #[command(flatten)]
        client: ClientArguments,
        /// Its name.
        name: String,
    },
    /// Stop logins by a login option; the sessions that were opened by it end at once.
    #[command(after_help = "Example:\n  flotilla login-option disable Company")]
    Disable {
        #[command(flatten)]
        client: ClientArguments,
        /// Its name.
        name: String,
    },
    /// Delete a login option with the users who come by it.
    #[command(after_help = "Example:\n  flotilla login-option delete Company")]
    Delete {
        #[command(flatten)]
        client: ClientArguments,
        /// Its name.
        name: String,
    },
}

impl LoginOption {
    /// Carries the action out.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self.action {
            Action::List { client } => {
                let options = client.client()?.login_options().await?;
                client.output.list(&options, &["login option", "id", "type", "enabled", "last used", "age"], row)
            }
            Action::Show { client, name } => {
                let option = client.client()?.login_option_by_name(&name).await?;
                client.output.one(&option, |option| serde_json::to_string_pretty(&option.spec).unwrap_or_default())
            }
            Action::Create { client, file } => {
                let made = client.client()?.create_login_option(&spec(&file)?).await?;
                told(&client, &made, "created")
            }
            Action::Update { client, name, file } => {
                let api = client.client()?;
                let option = api.login_option_by_name(&name).await?;
                told(&client, &api.update_login_option(&option.id, &spec(&file)?).await?, "updated")
            }
            Action::Enable { client, name } => enable(&client, &name, true).await,
            Action::Disable { client, name } => enable(&client, &name, false).await,
            Action::Delete { client, name } => {
                let api = client.client()?;
                let option = api.login_option_by_name(&name).await?;
                api.delete_login_option(&option.id).await?;
                told(&client, &option, "deleted")
            }
        }
    }
}

fn row(option: &Shown) -> Vec<String> {
    vec![
        option.spec.name.clone(),
        option.id.clone(),
        option.spec.option_type.clone(),
        if option.spec.enabled { "yes" } else { "no" }.to_owned(),
        output::age(option.last_used_at),
        output::age(option.created_at),
    ]
}

async fn enable(client: &ClientArguments, name: &str, enabled: bool) -> anyhow::Result<()> {
    let api = client.client()?;
    let option = api.login_option_by_name(name).await?;
    let changed = api.enable_login_option(&option, enabled).await?;
    told(client, &changed, if enabled { "enabled" } else { "disabled" })
}

fn told(client: &ClientArguments, option: &Shown, what: &str) -> anyhow::Result<()> {
    client.output.one(option, |option| format!("{what} login option {} ({})", option.spec.name, option.id))
}

/// The file goes to the API as it is: it knows better what is wrong with a field.
fn spec(file: &std::path::Path) -> anyhow::Result<Value> {
    let value = json_file::read(file)?;
    if !value.is_object() {
        bail!("{} must hold an object with \"name\" and \"type\"", file.display());
    }
    Ok(value)
}
