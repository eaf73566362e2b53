//! A server under a script of the project's: it obeys lines, and its life hangs on a pipe.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, ensure};

/// A running script. Dropping it ends its input, which tells it to stop the server; so does the death of the test.
pub(crate) struct Server {
    name: &'static str,
    script: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Server {
    /// Starts `scripts/<name>`; gives it with the first line that it prints.
    pub(crate) fn start(name: &'static str, arguments: &[&str]) -> anyhow::Result<(Self, String)> {
        let mut script = Command::new(find(name)?)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("scripts/{name} does not run"))?;
        let commands = script.stdin.take();
        let answers = BufReader::new(script.stdout.take().with_context(|| format!("no pipe from scripts/{name}"))?);
        let mut server = Self { name, script, commands, answers };
        let first = server.answer()?;
        Ok((server, first))
    }

    /// Gives a command and waits for its answer.
    pub(crate) fn ask(&mut self, command: &str) -> anyhow::Result<String> {
        let commands = self.commands.as_mut().context("the server is being shut down")?;
        writeln!(commands, "{command}")?;
        self.answer()
    }

    fn answer(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        ensure!(!line.is_empty(), "scripts/{} ended; it says why on standard error", self.name);
        Ok(line.trim_end().to_owned())
    }
}

/// The script of this checkout: a path known when the test was built may be that of another one, for built tests
/// are kept outside the checkout. Tests start in their package's folder.
fn find(name: &str) -> anyhow::Result<PathBuf> {
    let folder = std::env::current_dir()?;
    let mut scripts = folder.ancestors().map(|folder| folder.join("scripts").join(name));
    scripts.find(|script| script.is_file()).with_context(|| format!("no scripts/{name} above the current folder"))
}

impl Drop for Server {
    fn drop(&mut self) {
        // The end of its input tells the script to stop the server.
        self.commands = None;
        let _ = self.script.wait();
    }
}
