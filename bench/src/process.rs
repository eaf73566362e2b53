//! Child processes that never outlive the benchmark: each leads its own process group, which is ended with it.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::cpu::Cpu;

/// From SIGTERM to SIGKILL.
const PATIENCE: Duration = Duration::from_secs(3);

/// Process groups to end when a signal ends the benchmark.
static GROUPS: Mutex<Vec<libc::pid_t>> = Mutex::new(Vec::new());

/// A running child; ended when dropped.
pub(crate) struct Process {
    child: Child,
    name: String,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with its output going to `<dir>/<name>.log`; on one processor when one is given.
    pub(crate) fn start(name: &str, command: Command, cpu: Option<Cpu>, dir: &Path) -> Result<Self> {
        let log = dir.join(format!("{name}.log"));
        let output = File::create(&log)?;
        let mut command = match cpu {
            Some(cpu) => pinned(&command, cpu),
            None => command,
        };
        command.process_group(0).stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().with_context(|| format!("{name} cannot be started"))?;
        groups(|groups| groups.push(group(&child)));
        Ok(Self { child, name: name.to_owned(), log })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// An error with the end of its log when it has ended.
    pub(crate) fn expect_alive(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} ended ({status}): {}", self.name, self.log_end()),
        }
    }

    /// The last lines it wrote.
    pub(crate) fn log_end(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let from = text.char_indices().rev().nth(1500).map_or(0, |(index, _)| index);
        text.get(from..).unwrap_or_default().trim().to_owned()
    }

    /// Kills it at once, as a crash would, and waits until it is gone.
    pub(crate) fn crash(self) {
        signal(group(&self.child), libc::SIGKILL);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let group = group(&self.child);
        signal(group, libc::SIGTERM);
        let deadline = Instant::now() + PATIENCE;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        signal(group, libc::SIGKILL);
        let _ = self.child.wait();
        groups(|groups| groups.retain(|known| *known != group));
    }
}

/// Ends all children at once; for the way out of a signal.
pub(crate) fn kill_all() {
    groups(|groups| groups.drain(..).for_each(|group| signal(group, libc::SIGKILL)));
}

/// Waits until `holds` is true, as long as the process lives.
pub(crate) fn wait_for(process: &mut Process, limit: Duration, mut holds: impl FnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + limit;
    while !holds() {
        process.expect_alive()?;
        if Instant::now() > deadline {
            bail!("{} was not ready in {limit:?}: {}", process.name, process.log_end());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// The same command by way of taskset(1), which replaces itself, so that the child's id stays.
fn pinned(command: &Command, cpu: Cpu) -> Command {
    let mut pinned = Command::new("taskset");
    pinned.arg("-c").arg(cpu.number().to_string()).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => pinned.env(name, value),
            None => pinned.env_remove(name),
        };
    }
    pinned
}

fn group(child: &Child) -> libc::pid_t {
    // 0 would be our own group: never signal that.
    libc::pid_t::try_from(child.id()).unwrap_or(libc::pid_t::MAX)
}

fn signal(group: libc::pid_t, number: libc::c_int) {
    // SAFETY: kill takes two numbers. The group is of a child that we have not waited for to the end, or is gone.
    unsafe { libc::kill(-group, number) };
}

fn groups(act: impl FnOnce(&mut Vec<libc::pid_t>)) {
    act(&mut GROUPS.lock().unwrap_or_else(PoisonError::into_inner));
}
