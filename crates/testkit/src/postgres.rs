//! A real PostgreSQL for the tests of one process, started by `scripts/test-postgres`.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, ensure};

/// A throw-away server on a free port. It stops and leaves nothing behind when this is dropped, and also
/// when the test process dies: its life hangs on a pipe.
///
/// The calls block; they are made between, not during, what a test measures.
pub struct Postgres {
    script: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    databases: u32,
}

impl Postgres {
    /// Starts a server; takes a second or two.
    ///
    /// # Errors
    /// When PostgreSQL is not installed or does not start; the script says why on standard error.
    pub fn start() -> anyhow::Result<Self> {
        let mut script = Command::new(script()?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("scripts/test-postgres does not run")?;
        let commands = script.stdin.take();
        let answers = BufReader::new(script.stdout.take().context("no pipe from scripts/test-postgres")?);
        let mut postgres = Self { script, commands, answers, databases: 0 };
        postgres.answer()?;
        Ok(postgres)
    }

    /// Makes an empty database and returns its URL.
    ///
    /// # Errors
    /// When the server is down.
    pub fn database(&mut self) -> anyhow::Result<String> {
        self.databases += 1;
        self.ask(&format!("database test_{}", self.databases))
    }

    /// Stops the server without warning, as a crash would.
    ///
    /// # Errors
    /// When the script is gone.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        self.ask("stop").map(drop)
    }

    /// Starts the stopped server again, on the same port and with the same data.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        self.ask("start").map(drop)
    }

    fn ask(&mut self, command: &str) -> anyhow::Result<String> {
        let commands = self.commands.as_mut().context("the server is being shut down")?;
        writeln!(commands, "{command}")?;
        self.answer()
    }

    fn answer(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        ensure!(!line.is_empty(), "scripts/test-postgres ended; it says why on standard error");
        Ok(line.trim_end().to_owned())
    }
}

/// The script of this checkout: a path known when the test was built may be that of another one, for built tests
/// are kept outside the checkout. Tests start in their package's folder.
fn script() -> anyhow::Result<PathBuf> {
    let folder = std::env::current_dir()?;
    let mut scripts = folder.ancestors().map(|folder| folder.join("scripts/test-postgres"));
    scripts.find(|script| script.is_file()).context("no scripts/test-postgres above the current folder")
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // The end of its input tells the script to stop the server.
        self.commands = None;
        let _ = self.script.wait();
    }
}
