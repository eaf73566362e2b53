//! What a connection costs that says nothing: many are opened, each has its request answered, and all stay.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use rustls::ClientConfig;
use serde::Serialize;

use crate::case::{Case, Peer};
use crate::cpu::{raise_file_limit, settled_rss_kib};
use crate::http::Connection;
use crate::process::Process;
use crate::proxies::flotilla::ControlPlane;
use crate::proxies::{Site, nginx};

/// Files of a proxy besides its clients' connections.
const OTHER_FILES: u64 = 1000;

/// What idle connections cost one proxy.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Idle {
    pub(crate) peer: String,
    pub(crate) is_tls: bool,
    pub(crate) connections: usize,
    /// After the first answer on one connection.
    pub(crate) before_kib: f64,
    pub(crate) after_kib: f64,
    pub(crate) kib_per_connection: f64,
}

/// Measures ours in `case`, which is plain or TLS.
pub(crate) fn of_ours(control: &mut ControlPlane, site: &Site, case: Case, connections: usize) -> Result<Idle> {
    let name = format!("idle-{case}");
    let group = control.create_group(&name)?;
    control.configure(&group, case, site)?;
    let mut gateway = control.start_gateway(&group, &name, None)?;
    gateway.wait_right(&case.first_path(), &[])?;
    let address = if case.is_tls() { gateway.https } else { gateway.http };
    Holder::new(case, address, site).measure(Peer::Flotilla, &mut gateway.process, connections)
}

/// Measures nginx.
pub(crate) fn of_nginx(site: &Site, case: Case, connections: usize) -> Result<Idle> {
    let mut nginx = nginx::start(case, site)?;
    Holder::new(case, nginx.target.address, site).measure(Peer::Nginx, &mut nginx.process, connections)
}

/// Holds connections to one address.
struct Holder {
    case: Case,
    address: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
}

impl Holder {
    fn new(case: Case, address: SocketAddr, site: &Site) -> Self {
        Self { case, address, tls: case.is_tls().then(|| site.certificate.client_config(case)) }
    }

    fn measure(&self, peer: Peer, process: &mut Process, connections: usize) -> Result<Idle> {
        let files = raise_file_limit();
        if files < connections as u64 + OTHER_FILES {
            bail!("{connections} connections need more than the {files} files that the system permits");
        }
        let first = self.hold()?;
        let before_kib = settled_rss_kib(process.pid())?;
        let held: Vec<_> = (0..connections)
            .map(|number| self.hold().with_context(|| format!("connection {number}")))
            .collect::<Result<_>>()?;
        let after_kib = settled_rss_kib(process.pid())?;
        let open = held.iter().filter(|connection| connection.is_open()).count();
        if open < connections {
            bail!("only {open} of {connections} connections were kept by {peer}");
        }
        drop(first);
        process.expect_alive()?;
        let kib_per_connection = (after_kib - before_kib) / connections.max(1) as f64;
        let (peer, is_tls) = (peer.to_string(), self.tls.is_some());
        Ok(Idle { peer, is_tls, connections, before_kib, after_kib, kib_per_connection })
    }

    /// A connection with one right answer behind it.
    fn hold(&self) -> Result<Connection> {
        let connection = Connection::new(self.address);
        let mut connection = match &self.tls {
            Some(config) => connection.with_tls(config.clone()),
            None => connection,
        };
        let status = connection.get(&self.case.first_path(), &[])?.status;
        if status != 200 {
            bail!("status {status}");
        }
        Ok(connection)
    }
}
