//! A real Redis for the tests of one process, started by `scripts/test-redis`.

use anyhow::Context;

use crate::server::Server;

/// A throw-away server on a free port that asks for a password. It stops and leaves nothing behind when this is dropped, and
/// also when the test process dies.
///
/// The calls block; they are made between, not during, what a test measures.
pub struct Redis {
    server: Server,
    /// Its port on 127.0.0.1.
    pub port: u16,
}

impl Redis {
    /// Starts a server.
    ///
    /// # Errors
    /// When Redis is not installed or does not start; the script says why on standard error.
    pub fn start(password: &str) -> anyhow::Result<Self> {
        let (server, port) = Server::start("test-redis", &[password])?;
        Ok(Self { server, port: port.parse().context("a port")? })
    }

    /// Kills the server, as a crash would.
    ///
    /// # Errors
    /// When the script is gone.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        self.server.ask("stop").map(drop)
    }

    /// Starts the stopped server again, on the same port and empty.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        self.server.ask("start").map(drop)
    }
}
