//! `flotilla scim`: provisioning of users and groups by an identity provider.

use std::time::Duration;

use api_types::{ScimSettings, ScimTokenSpec};
use clap::{Args, Subcommand};

use crate::client_settings::ClientArguments;
use crate::{duration, output};

/// Switch provisioning by SCIM, and make its token.
#[derive(Debug, Args)]
pub(crate) struct Scim {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show whether provisioning is on, and when its token was made, ends and was last used.
    #[command(after_help = "Example:\n  flotilla scim status")]
    Status {
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Make the token that the identity provider is given, and print it, this once; the one before ends at once.
    #[command(after_help = "Example:\n  flotilla scim token --expires 365d")]
    Token {
        #[command(flatten)]
        client: ClientArguments,
        /// How long it is good for: 30s, 15m, 24h, 7d. [default: for ever]
        #[arg(long, value_parser = duration::parse, value_name = "TIME")]
        expires: Option<Duration>,
    },
    /// Switch provisioning on.
    #[command(after_help = "Example:\n  flotilla scim enable")]
    Enable {
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Switch provisioning off. The token stays and is refused.
    #[command(after_help = "Example:\n  flotilla scim disable")]
    Disable {
        #[command(flatten)]
        client: ClientArguments,
    },
}

impl Scim {
    /// Carries the action out.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self.action {
            Action::Status { client } => client.output.one(&client.client()?.scim_settings().await?, told),
            Action::Token { client, expires } => {
                let spec = ScimTokenSpec { expires_at: duration::from_now(expires) };
                client.output.one(&client.client()?.make_scim_token(&spec).await?, |issued| issued.token.clone())
            }
            Action::Enable { client } => client.output.one(&client.client()?.set_scim_enabled(true).await?, told),
            Action::Disable { client } => client.output.one(&client.client()?.set_scim_enabled(false).await?, told),
        }
    }
}

fn told(settings: &ScimSettings) -> String {
    let switch = if settings.enabled { "on" } else { "off" };
    let token = match &settings.token {
        None => "none".to_owned(),
        Some(token) => {
            let (age, used) = (output::age(token.created_at), output::age(token.last_used_at));
            format!("made {age} ago, expires {}, last used {used}", output::expiry(token.expires_at))
        }
    };
    format!("provisioning  {switch}\naddress       {}\ntoken         {token}", settings.path)
}
