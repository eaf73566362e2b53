//! `flotilla logout`: end the token that `login` keeps, and forget it.

use std::path::Path;

use anyhow::{Context, bail};
use clap::Args;
use client::{Client, ClientResult, Key, Settings};
use serde_json::json;

use crate::client_settings::{ClientArguments, SavedLogin, login_file};

/// End the token that `flotilla login` keeps, and forget the login.
///
/// It is about that token alone: one in FLOTILLA_TOKEN stays, and so does what `flotilla up` left in `./data`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  flotilla logout
  flotilla logout --local")]
pub(crate) struct Logout {
    #[command(flatten)]
    client: ClientArguments,
    /// Forget the login on this machine without asking the control plane; the token stays good.
    #[arg(long)]
    local: bool,
}

impl Logout {
    /// Ends the token, unless it is to be forgotten alone, and removes the file.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let path = login_file()?;
        if self.local {
            forget(&path)?;
            return self.client.output.one(&json!({ "token_ended": false }), |_| {
                "the login is forgotten here; its token, flotilla-cli-... in `flotilla token list`, is good still"
                    .to_owned()
            });
        }
        let Some(saved) = SavedLogin::read(&path)? else { bail!(nobody(&path)) };
        if let Some(server) = self.client.server().filter(|server| !saved.is_for(server)) {
            bail!("there is no login for {server}: the one in {} is for {}", path.display(), saved.server);
        }
        let server = &saved.server;
        let was_good = self.end(&saved).await.with_context(|| {
            format!(
                "still logged in to {server}; `flotilla logout --local` forgets the login here and leaves its token"
            )
        })?;
        forget(&path)?;
        self.client.output.one(&json!({ "server": server, "token_ended": was_good }), |_| match was_good {
            true => format!("logged out of {server}; the token is ended"),
            false => format!("logged out of {server}; the token was not good any more"),
        })
    }

    async fn end(&self, saved: &SavedLogin) -> anyhow::Result<bool> {
        let Some(id) = &saved.token_id else {
            bail!("the login is an older version's, without its token's id: end it by `flotilla token delete`");
        };
        let (trust, key) = (self.client.trust(saved.ca_fingerprint.clone())?, Key::ApiKey(saved.token.clone()));
        let api = Client::new(Settings { trust, key: Some(key), ..Settings::new(&saved.server) })?;
        Ok(end_token(&api, id).await?)
    }
}

/// Ends the token that the client comes by; whether it was good still.
pub(crate) async fn end_token(api: &Client, id: &str) -> ClientResult<bool> {
    match api.delete_token(id).await {
        Ok(()) => Ok(true),
        Err(error) if error.status() == Some(401) => Ok(false),
        Err(error) => Err(error),
    }
}

fn forget(path: &Path) -> anyhow::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!(nobody(path)),
        removed => removed.with_context(|| format!("cannot remove {}", path.display())),
    }
}

fn nobody(path: &Path) -> String {
    format!("not logged in: there is no {}", path.display())
}
