//! The client verbs of the real binary, in a home directory of their own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{ControlPlane, command, directory};

/// Runs verbs with a token.
pub struct Verbs {
    server: String,
    token: Option<String>,
    home: TempDir,
}

impl Verbs {
    /// With a token of the first admin.
    pub async fn of(control: &ControlPlane) -> Self {
        let made = control.api.call("POST", "/api/tokens", Some(json!({ "name": "verbs" }))).await;
        let token = made["value"]["token"].as_str().expect("a token");
        Self { server: control.api.base.clone(), token: Some(token.to_owned()), home: directory() }
    }

    /// The same with another token; `None`: with what `login` leaves in its own home directory.
    pub fn by(&self, token: Option<&str>) -> Self {
        Self { server: self.server.clone(), token: token.map(str::to_owned), home: directory() }
    }

    /// At another control plane, without a token.
    pub fn at(control: &ControlPlane) -> Self {
        Self { server: control.api.base.clone(), token: None, home: directory() }
    }

    /// Writes a file into the home directory.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home.path().join(name);
        std::fs::write(&path, text).expect("written");
        path
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(arguments);
        command.env("FLOTILLA_SERVER", &self.server).env("XDG_CONFIG_HOME", self.home.path()).stdin(Stdio::null());
        command.env_remove("FLOTILLA_TOKEN");
        if let Some(token) = &self.token {
            command.env("FLOTILLA_TOKEN", token);
        }
        command
    }

    /// What a verb answers and tells, which must succeed.
    pub fn told(&self, arguments: &[&str]) -> (String, String) {
        success(self.command(arguments))
    }

    /// What a verb answers as text.
    pub fn text(&self, arguments: &[&str]) -> String {
        self.told(arguments).0
    }

    /// What a verb answers as JSON.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let (out, _) = self.told(&[arguments, &["--output", "json"]].concat());
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {out}"))
    }

    /// What a verb says when it does not do it.
    pub fn refused(&self, arguments: &[&str]) -> String {
        refusal(self.command(arguments))
    }
}

/// What a command that succeeds writes to both outputs.
pub fn success(mut command: Command) -> (String, String) {
    let output = command.output().expect("ran");
    let (out, err) = texts(&output);
    assert!(output.status.success(), "{command:?}: {out}{err}");
    (out, err)
}

/// What a command that fails writes to standard error.
pub fn refusal(mut command: Command) -> String {
    let output = command.output().expect("ran");
    let (out, err) = texts(&output);
    assert!(!output.status.success(), "{command:?} succeeds: {out}{err}");
    err
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}
