//! `flotilla login`: trade a password for a token.

use std::io::{BufRead, IsTerminal, Write};

use anyhow::{Context, bail};
use api_types::TokenSpec;
use clap::Args;
use client::{Client, Key, Settings};

use crate::client_settings::{ClientArguments, SavedLogin, login_file};

/// Log in to a control plane and keep a token for the other verbs.
#[derive(Debug, Args)]
pub(crate) struct Login {
    #[command(flatten)]
    client: ClientArguments,
    /// User name.
    #[arg(long, short, default_value = "admin")]
    username: String,
    /// Read the password from standard input instead of asking.
    #[arg(long)]
    password_stdin: bool,
}

impl Login {
    /// Logs in, makes a token, writes it down.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let Some(server) = self.client.server() else { bail!("which control plane? Give --server https://host:7443") };
        let password = self.password()?;
        let trust = self.client.trust(None)?;
        // No session: one more could end another that the user has open in a browser.
        let key = Some(Key::Basic { username: self.username.clone(), password });
        let client = Client::new(Settings { trust, key, ..Settings::new(server) })?;
        let name = format!("flotilla-cli-{}", uuid::Uuid::now_v7().simple());
        let name = name.get(..40).unwrap_or(&name).to_owned();
        let issued = client.create_token(&TokenSpec { name, ..TokenSpec::default() }).await?;
        let saved =
            SavedLogin { server: server.to_owned(), token: issued.token, ca_fingerprint: self.client.ca_fingerprint() };
        let path = login_file()?;
        saved.write(&path)?;
        self.client.output.one(&serde_json::json!({ "server": server, "username": self.username }), |_| {
            format!("logged in to {server} as {}; the token is in {}", self.username, path.display())
        })
    }

    fn password(&self) -> anyhow::Result<String> {
        let stdin = std::io::stdin();
        if !self.password_stdin && stdin.is_terminal() {
            let mut stderr = std::io::stderr();
            write!(stderr, "Password for {}: ", self.username)?;
            stderr.flush()?;
            let line = without_echo(|| read_line(&stdin))?;
            writeln!(stderr)?;
            return Ok(line);
        }
        read_line(&stdin)
    }
}

fn read_line(stdin: &std::io::Stdin) -> anyhow::Result<String> {
    let mut line = String::new();
    stdin.lock().read_line(&mut line).context("cannot read the password")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// Reads with the terminal's echo off, and on again afterwards.
fn without_echo<T>(read: impl FnOnce() -> T) -> T {
    let mut attributes = std::mem::MaybeUninit::<libc::termios>::uninit();
    // SAFETY: tcgetattr fills the structure when it returns 0, and only then it is read.
    let before = unsafe {
        if libc::tcgetattr(libc::STDIN_FILENO, attributes.as_mut_ptr()) != 0 {
            return read();
        }
        attributes.assume_init()
    };
    let mut silent = before;
    silent.c_lflag &= !libc::ECHO;
    // SAFETY: both structures are valid termios values.
    unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSAFLUSH, &silent) };
    let outcome = read();
    unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSAFLUSH, &before) };
    outcome
}
