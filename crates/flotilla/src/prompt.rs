//! What is asked of the person at the terminal, and where scripts give it instead.

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;

/// How often two answers that differ may be typed anew.
const TRIES: u32 = 3;
/// Not an argument, where every user of the machine could read it.
const NEW_PASSWORD: &str = "FLOTILLA_NEW_PASSWORD";

/// Where a new password comes from.
#[derive(Debug, Args)]
pub(crate) struct NewPassword {
    /// File whose first line is the new password; the environment variable FLOTILLA_NEW_PASSWORD will do, too.
    /// [default: it is asked for]
    #[arg(long, value_name = "FILE")]
    new_password_file: Option<PathBuf>,
}

impl NewPassword {
    /// The new password: of the file, of the environment, or of the person at the terminal.
    pub(crate) fn obtain(&self, username: &str) -> anyhow::Result<String> {
        if let Some(file) = &self.new_password_file {
            return first_line(file);
        }
        if let Some(given) = std::env::var(NEW_PASSWORD).ok().filter(|given| !given.is_empty()) {
            return Ok(given);
        }
        if !is_possible() {
            bail!("{username} must be given a new password: by --new-password-file FILE or {NEW_PASSWORD}");
        }
        for _ in 0..TRIES {
            let password = secret(&format!("New password for {username}: "))?;
            if secret("The same once more: ")? == password {
                return Ok(password);
            }
            writeln!(std::io::stderr(), "They differ.")?;
        }
        bail!("no new password was chosen")
    }
}

/// Whether there is somebody to ask.
pub(crate) fn is_possible() -> bool {
    std::io::stdin().is_terminal()
}

/// Asks for a line that may be seen.
pub(crate) fn line(question: &str) -> anyhow::Result<String> {
    write_out(question)?;
    read_line()
}

/// Asks for a line that nobody sees.
pub(crate) fn secret(question: &str) -> anyhow::Result<String> {
    // Before the question: what is typed at once must not be seen either.
    let silence = Silence::begin();
    write_out(question)?;
    let answer = read_line();
    drop(silence);
    writeln!(std::io::stderr())?;
    answer
}

/// The next line of standard input.
pub(crate) fn read_line() -> anyhow::Result<String> {
    let mut line = String::new();
    let length = std::io::stdin().lock().read_line(&mut line).context("cannot read standard input")?;
    if length == 0 {
        bail!("standard input ends before the answer");
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn first_line(file: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    match text.lines().next().filter(|line| !line.is_empty()) {
        Some(line) => Ok(line.to_owned()),
        None => bail!("the first line of {} must be a password", file.display()),
    }
}

fn write_out(question: &str) -> std::io::Result<()> {
    let mut stderr = std::io::stderr();
    write!(stderr, "{question}")?;
    stderr.flush()
}

/// The terminal's echo is off as long as this lives.
struct Silence {
    before: Option<libc::termios>,
}

impl Silence {
    fn begin() -> Self {
        let mut attributes = std::mem::MaybeUninit::<libc::termios>::uninit();
        // SAFETY: tcgetattr fills the structure when it returns 0, and only then it is read.
        let before = unsafe {
            if libc::tcgetattr(libc::STDIN_FILENO, attributes.as_mut_ptr()) != 0 {
                return Self { before: None };
            }
            attributes.assume_init()
        };
        let mut silent = before;
        silent.c_lflag &= !libc::ECHO;
        set(&silent);
        Self { before: Some(before) }
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            set(before);
        }
    }
}

fn set(attributes: &libc::termios) {
    // SAFETY: the structure is one that tcgetattr filled.
    unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSADRAIN, attributes) };
}
