//! The facts of the machine and of the programs measured; figures mean nothing without them.

use std::path::Path;
use std::process::Command;

use serde::Serialize;

use crate::proxies::{haproxy, nginx};

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) memory_mib: u64,
    pub(crate) kernel: String,
    pub(crate) system: String,
    pub(crate) date: String,
    pub(crate) commit: String,
    pub(crate) versions: Vec<(String, String)>,
}

impl Machine {
    pub(crate) fn read(flotilla: &Path, envoy: &Path) -> Self {
        let versions = [
            ("flotilla", first_line(Command::new(flotilla).arg("--version"))),
            ("nginx", first_line(Command::new(nginx::PROGRAM).arg("-v"))),
            ("haproxy", first_line(Command::new(haproxy::PROGRAM).arg("-v"))),
            ("envoy", first_line(Command::new(envoy).arg("--version"))),
        ];
        Self {
            cpu: field("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mib: field("/proc/meminfo", "MemTotal").map_or(0, |text| kib(&text) / 1024),
            kernel: line("/proc/sys/kernel/osrelease"),
            system: field("/etc/os-release", "PRETTY_NAME").unwrap_or_default().trim_matches('"').to_owned(),
            date: first_line(Command::new("date").arg("--iso-8601")).unwrap_or_default(),
            commit: first_line(Command::new("git").args(["rev-parse", "--short=12", "HEAD"])).unwrap_or_default(),
            versions: versions.into_iter().map(|(name, text)| (name.to_owned(), version(text))).collect(),
        }
    }
}

fn version(text: Option<String>) -> String {
    text.unwrap_or_else(|| "not installed".to_owned())
}

/// What a program says first, wherever it says it.
fn first_line(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    text.lines().map(str::trim).find(|line| !line.is_empty()).map(|line| shortened(line).to_owned())
}

/// Envoy says its path and commit first: `envoy  version: <commit>/<version>/<state>/...`.
fn shortened(line: &str) -> &str {
    let envoy = line.split_once("version: ").filter(|(name, _)| name.trim().ends_with("envoy"));
    envoy.and_then(|(_, rest)| rest.split('/').nth(1)).unwrap_or(line)
}

fn line(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

/// The value behind `name` and a colon or equals sign.
fn field(path: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(value.trim_start_matches([' ', '\t', ':', '=']).trim().to_owned())
}

fn kib(text: &str) -> u64 {
    text.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_envoys_version_is_taken_out_of_its_line() {
        assert_eq!(shortened("/opt/envoy  version: 9e55/1.40.0/Clean/RELEASE/BoringSSL"), "1.40.0");
        assert_eq!(shortened("nginx version: nginx/1.22.1"), "nginx version: nginx/1.22.1");
    }
}
