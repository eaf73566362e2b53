//! A real PostgreSQL for the tests of one process, started by `scripts/test-postgres`.

use crate::server::Server;

/// A throw-away server on a free port. It stops and leaves nothing behind when this is dropped, and also
/// when the test process dies: its life hangs on a pipe.
///
/// The calls block; they are made between, not during, what a test measures.
pub struct Postgres {
    server: Server,
    databases: u32,
}

impl Postgres {
    /// Starts a server; takes a second or two.
    ///
    /// # Errors
    /// When PostgreSQL is not installed or does not start; the script says why on standard error.
    pub fn start() -> anyhow::Result<Self> {
        let (server, _) = Server::start("test-postgres", &[])?;
        Ok(Self { server, databases: 0 })
    }

    /// Makes an empty database and returns its URL.
    ///
    /// # Errors
    /// When the server is down.
    pub fn database(&mut self) -> anyhow::Result<String> {
        self.databases += 1;
        self.server.ask(&format!("database test_{}", self.databases))
    }

    /// Stops the server without warning, as a crash would.
    ///
    /// # Errors
    /// When the script is gone.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        self.server.ask("stop").map(drop)
    }

    /// Starts the stopped server again, on the same port and with the same data.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        self.server.ask("start").map(drop)
    }
}
