//! A real OpenLDAP for the tests of one process, started by `scripts/test-ldap`.

use std::fs;

use anyhow::Context;
use tempfile::TempDir;

use crate::authority::Authority;
use crate::server::Server;

/// The entry that all others stand under.
pub const SUFFIX: &str = "dc=example,dc=org";

/// A throw-away server on free ports. It stops and leaves nothing behind when this is dropped, and also when the test process
/// dies.
///
/// The calls block; they are made between, not during, what a test measures.
pub struct Ldap {
    server: Server,
    home: TempDir,
    /// Its port for `ldap://` on 127.0.0.1.
    pub port: u16,
    /// Its port for `ldaps://` on 127.0.0.1.
    pub tls_port: u16,
}

/// Whether a server asks its clients for a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clients {
    /// Any client may speak.
    Anyone,
    /// By TLS only those with a certificate of the authority may speak.
    Certified,
}

impl Ldap {
    /// Starts a server whose certificate is one of `authority` for 127.0.0.1.
    ///
    /// # Errors
    /// When OpenLDAP is not installed or does not start; the script says why on standard error.
    pub fn start(authority: &Authority, clients: Clients) -> anyhow::Result<Self> {
        let home = TempDir::new()?;
        let own = authority.issue("127.0.0.1")?;
        let files = [("ca.pem", authority.pem()), ("server.pem", own.certificate), ("server.key", own.key)];
        for (name, text) in files {
            fs::write(home.path().join(name), text)?;
        }
        let directory = home.path().to_str().context("a path that is text")?;
        let verify = if clients == Clients::Certified { "demand" } else { "never" };
        let (server, ports) = Server::start("test-ldap", &[directory, verify])?;
        let (port, tls_port) = ports.split_once(' ').context("two ports")?;
        Ok(Self { server, port: port.parse()?, tls_port: tls_port.parse()?, home })
    }

    /// Adds entries, written as LDIF.
    ///
    /// # Errors
    /// When the server refuses one.
    pub fn load(&mut self, ldif: &str) -> anyhow::Result<()> {
        let file = self.home.path().join("load.ldif");
        fs::write(&file, ldif)?;
        self.server.ask(&format!("load {}", file.display())).map(drop)
    }

    /// Kills the server, as a crash would.
    ///
    /// # Errors
    /// When the script is gone.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        self.server.ask("stop").map(drop)
    }

    /// Starts the stopped server again, on the same ports and with the same data.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        self.server.ask("start").map(drop)
    }

    /// Halts the server: it takes connections and answers nothing.
    ///
    /// # Errors
    /// When the script is gone.
    pub fn pause(&mut self) -> anyhow::Result<()> {
        self.server.ask("pause").map(drop)
    }

    /// Lets the halted server go on.
    ///
    /// # Errors
    /// When the script is gone.
    pub fn resume(&mut self) -> anyhow::Result<()> {
        self.server.ask("resume").map(drop)
    }
}
