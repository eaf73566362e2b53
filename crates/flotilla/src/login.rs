//! `flotilla login`: trade a password, and a one-time code where one is asked for, for a token.

use std::io::Write;

use anyhow::bail;
use api_types::{IssuedToken, Me, PasswordChange, TokenSpec};
use clap::Args;
use client::{Client, Key, Settings};

use crate::client_settings::{ClientArguments, SavedLogin, login_file};
use crate::logout::end_token;
use crate::prompt::{self, NewPassword};

/// Log in to a control plane and keep a token for the other verbs.
///
/// Who has a second factor is asked for a one-time code; logging in with one ends the user's sessions in browsers, as
/// any login does. Who was invited, or had the password reset, chooses a password of their own first. The token of a
/// login before is ended when it was for the same control plane.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  flotilla login --server https://control:7443 --username ann
  flotilla login --server https://control:7443 --username ann --password-stdin --code 123456 < password
  flotilla login --server https://control:7443 --username ann --password-stdin --new-password-file chosen < one-time")]
pub(crate) struct Login {
    #[command(flatten)]
    client: ClientArguments,
    /// User name.
    #[arg(long, short, default_value = "admin")]
    username: String,
    /// Read the password from standard input instead of asking.
    #[arg(long)]
    password_stdin: bool,
    /// One-time code of the second factor; good once. [default: asked for when it is needed]
    #[arg(long, env = "FLOTILLA_CODE", hide_env_values = true, value_name = "CODE")]
    code: Option<String>,
    #[command(flatten)]
    new_password: NewPassword,
}

/// A way in.
struct Entered {
    api: Client,
    me: Me,
    /// Whether it is a session, which is to be ended.
    is_session: bool,
}

impl Login {
    /// Logs in, makes a token, writes it down.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let Some(server) = self.client.server() else { bail!("which control plane? Give --server https://host:7443") };
        let mut password = self.password()?;
        let trust = self.client.trust(None)?;
        let anonymous = Client::new(Settings { trust, ..Settings::new(server) })?;
        let mut entered = self.enter(&anonymous, &password, self.code.as_deref()).await?;
        if entered.me.must_change_password {
            password = self.choose_password(&entered, password).await?;
            // The change ended the session, and its code is used up.
            let code = entered.is_session.then(next_code).transpose()?;
            entered = self.enter(&anonymous, &password, code.as_deref()).await?;
        }
        let IssuedToken { id, token, .. } = token(&entered).await?;
        let path = login_file()?;
        // A damaged file is no reason not to write a good one.
        let before = SavedLogin::read(&path).ok().flatten();
        let (server, token_id, ca_fingerprint) = (server.to_owned(), Some(id), self.client.ca_fingerprint());
        SavedLogin { server: server.clone(), token, token_id, ca_fingerprint }.write(&path)?;
        if let Some(before) = before {
            replace(&anonymous, &server, &before).await?;
        }
        self.client.output.one(&serde_json::json!({ "server": server, "username": self.username }), |_| {
            format!("logged in to {server} as {}; the token is in {}", self.username, path.display())
        })
    }

    /// With a code by a session; without one by the password alone: one session more could end another that the user
    /// has open in a browser.
    async fn enter(&self, anonymous: &Client, password: &str, code: Option<&str>) -> anyhow::Result<Entered> {
        let Some(code) = code else {
            let key = Key::Basic { username: self.username.clone(), password: password.to_owned() };
            let api = anonymous.with_key(key);
            return match api.me().await {
                Ok(me) => Ok(Entered { api, me, is_session: false }),
                Err(error) if error.wants_second_factor() => {
                    Box::pin(self.enter(anonymous, password, Some(&self.asked_code()?))).await
                }
                Err(error) => Err(error.into()),
            };
        };
        let api = anonymous.login_with_code(&self.username, password, code).await?;
        let me = api.me().await?;
        Ok(Entered { api, me, is_session: true })
    }

    async fn choose_password(&self, entered: &Entered, old_password: String) -> anyhow::Result<String> {
        let new_password = self.new_password.obtain(&self.username)?;
        entered.api.change_password(&PasswordChange { old_password, new_password: new_password.clone() }).await?;
        Ok(new_password)
    }

    fn password(&self) -> anyhow::Result<String> {
        if !self.password_stdin && prompt::is_possible() {
            return prompt::secret(&format!("Password for {}: ", self.username));
        }
        prompt::read_line()
    }

    fn asked_code(&self) -> anyhow::Result<String> {
        if !prompt::is_possible() {
            bail!("{} has a second factor: give a one-time code by --code or FLOTILLA_CODE", self.username);
        }
        prompt::line("One-time code: ")
    }
}

fn next_code() -> anyhow::Result<String> {
    if !prompt::is_possible() {
        bail!("the password is changed, but a one-time code is good once: log in again with the next one");
    }
    prompt::line("The next one-time code: ")
}

/// Ends the token of the login before, or says that it stays: nothing here knows it from now on.
async fn replace(anonymous: &Client, server: &str, before: &SavedLogin) -> std::io::Result<()> {
    let mut told = std::io::stderr();
    let (true, Some(id)) = (before.is_for(server), &before.token_id) else {
        return writeln!(told, "the token of the login before, for {}, stays good until it is deleted", before.server);
    };
    match end_token(&anonymous.with_key(Key::ApiKey(before.token.clone())), id).await {
        Ok(_) => Ok(()),
        Err(error) => writeln!(told, "the token of the login before, {id}, could not be ended: {error}"),
    }
}

async fn token(entered: &Entered) -> anyhow::Result<IssuedToken> {
    let name = format!("flotilla-cli-{}", uuid::Uuid::now_v7().simple());
    let name = name.get(..40).unwrap_or(&name).to_owned();
    let issued = entered.api.create_token(&TokenSpec { name, ..TokenSpec::default() }).await;
    if entered.is_session {
        // It was for the token alone. One that cannot be ended now ends by itself.
        let _ = entered.api.logout().await;
    }
    Ok(issued?)
}
