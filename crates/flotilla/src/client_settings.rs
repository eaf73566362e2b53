//! Which control plane the client verbs speak to, and by which token.
//!
//! First comes the command line, then the environment, then the file that `login` wrote, then the one
//! that `up` wrote in `./data`.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use client::{Client, Fingerprint, Key, Settings, Trust};
use serde::{Deserialize, Serialize};

use crate::master_key::write_private;
use crate::output::Output;

/// Arguments that every client verb takes.
#[derive(Debug, Args)]
pub(crate) struct ClientArguments {
    /// Address of the control plane: `https://host:7443`.
    #[arg(long, env = "FLOTILLA_SERVER", value_name = "URL")]
    server: Option<String>,
    /// Personal token or group admin key. Better given in the environment: others see a process's arguments.
    #[arg(long, env = "FLOTILLA_TOKEN", hide_env_values = true, value_name = "TOKEN", allow_hyphen_values = true)]
    token: Option<String>,
    /// Certificate authority to trust, a PEM file.
    #[arg(long, env = "FLOTILLA_CA_FILE", value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Certificate authority to trust, by the SHA-256 of its certificate.
    #[arg(long, env = "FLOTILLA_CA_FINGERPRINT", value_name = "HEX", conflicts_with = "ca_file")]
    ca_fingerprint: Option<String>,
    /// Form of the output.
    #[arg(long, short, env = "FLOTILLA_OUTPUT", default_value = "table")]
    pub(crate) output: Output,
}

/// What `login` and `up` leave for the other verbs; readable by its owner alone.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct SavedLogin {
    /// Address of the control plane.
    pub(crate) server: String,
    /// A personal token.
    pub(crate) token: String,
    /// The token's id, by which it is ended; versions before did not note it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token_id: Option<String>,
    /// SHA-256 of the CA's certificate, when it is not one that the system trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ca_fingerprint: Option<String>,
}

impl SavedLogin {
    /// Writes the file, for its owner alone.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let text = toml::to_string(self)?;
        write_private(path, text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Whether it is for this server; its token goes to no other.
    pub(crate) fn is_for(&self, server: &str) -> bool {
        self.server.trim_end_matches('/') == server.trim_end_matches('/')
    }

    /// What stands in the file; `None` when there is none.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Option<Self>> {
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Some(toml::from_str(&text).with_context(|| format!("{} is damaged", path.display()))?)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }
}

/// Where `login` keeps its token: `$XDG_CONFIG_HOME/flotilla/login.toml`, else below `~/.config`.
pub(crate) fn login_file() -> anyhow::Result<PathBuf> {
    let config = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config"));
    let config = config.or_else(home).context("neither HOME nor XDG_CONFIG_HOME is set")?;
    Ok(config.join("flotilla/login.toml"))
}

/// Where `up` keeps its token.
pub(crate) fn up_file(data_dir: &Path) -> PathBuf {
    data_dir.join("login.toml")
}

impl ClientArguments {
    /// A client with a key.
    pub(crate) fn client(&self) -> anyhow::Result<Client> {
        let saved = self.saved()?;
        let server = self.server.clone().or_else(|| saved.as_ref().map(|saved| saved.server.clone()));
        let Some(server) = server else {
            bail!("which control plane? Run `flotilla login --server URL`, or set FLOTILLA_SERVER");
        };
        let saved = saved.filter(|saved| saved.is_for(&server));
        let token = self.token.clone().or_else(|| saved.as_ref().map(|saved| saved.token.clone()));
        let Some(token) = token else {
            bail!("no token for {server}: run `flotilla login --server {server}`, or set FLOTILLA_TOKEN");
        };
        let trust = self.trust(saved.and_then(|saved| saved.ca_fingerprint))?;
        Ok(Client::new(Settings { trust, key: Some(Key::ApiKey(token)), ..Settings::new(server) })?)
    }

    /// The server that was named, for `login` and `logout`.
    pub(crate) fn server(&self) -> Option<&str> {
        self.server.as_deref()
    }

    /// Whom to trust; `saved` where nothing is said.
    pub(crate) fn trust(&self, saved: Option<String>) -> anyhow::Result<Trust> {
        if let Some(path) = &self.ca_file {
            let pem = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            return Ok(Trust::CaPem(pem));
        }
        match self.ca_fingerprint.clone().or(saved) {
            Some(fingerprint) => Ok(Trust::CaFingerprint(Fingerprint::parse(&fingerprint)?)),
            None => Ok(Trust::System),
        }
    }

    /// The fingerprint that was given, to be saved with a login.
    pub(crate) fn ca_fingerprint(&self) -> Option<String> {
        self.ca_fingerprint.clone()
    }

    fn saved(&self) -> anyhow::Result<Option<SavedLogin>> {
        if let Ok(path) = login_file()
            && let Some(saved) = SavedLogin::read(&path)?
        {
            return Ok(Some(saved));
        }
        SavedLogin::read(&up_file(Path::new("data")))
    }
}
