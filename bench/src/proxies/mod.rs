//! What is measured: our gateway and its peers, each with a configuration tuned the same way.

pub(crate) mod envoy;
pub(crate) mod flotilla;
pub(crate) mod haproxy;
pub(crate) mod nginx;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::case::{Case, Peer};
use crate::certificate::Certificate;
use crate::cpu::Cpu;
use crate::http;
use crate::load::{Request, Target, route_path};
use crate::process::{Process, wait_for};
use flotilla::ControlPlane;

/// How long a proxy may take until it answers rightly.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Where a proxy is put up.
pub(crate) struct Site {
    /// For its files and its log.
    pub(crate) dir: PathBuf,
    pub(crate) upstream: SocketAddr,
    pub(crate) certificate: Arc<Certificate>,
}

/// A proxy that answers rightly, alone on its processor.
pub(crate) struct Subject {
    pub(crate) peer: Peer,
    pub(crate) case: Case,
    pub(crate) process: Process,
    pub(crate) target: Target,
}

impl Subject {
    /// Starts `command` as a proxy that listens on `address`.
    pub(crate) fn start(peer: Peer, case: Case, command: Command, address: SocketAddr, site: &Site) -> Result<Self> {
        let name = format!("{peer}-{case}");
        let mut process = Process::start(&name, command, Some(Cpu::Proxy), &site.dir)?;
        wait_for(&mut process, START_LIMIT, || TcpStream::connect(address).is_ok())?;
        let mut subject = Self { peer, case, process, target: target(case, address, site) };
        subject.expect_right_answer()?;
        Ok(subject)
    }

    /// Over plain HTTP one answer is looked at before anything is measured; over TLS the load itself looks.
    pub(crate) fn expect_right_answer(&mut self) -> Result<()> {
        if self.target.tls.is_some() {
            return Ok(());
        }
        let path = self.case.first_path();
        let mut connection = http::Connection::new(self.target.address);
        let is_right = || connection.get(&path, self.case.headers()).is_ok_and(|answer| answer.status == 200);
        wait_for(&mut self.process, START_LIMIT, is_right)
    }
}

fn target(case: Case, address: SocketAddr, site: &Site) -> Target {
    let request = match case {
        Case::Routes(routes) => Request::any_route(routes),
        Case::Plain | Case::Auth | Case::Tls => Request::get(&case.first_path(), case.headers()),
    };
    let tls = (case == Case::Tls).then(|| site.certificate.client_config());
    Target { address, tls, request }
}

/// A loopback address that nobody listens on. Whoever is told it binds it a moment later.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?.local_addr()?)
}

/// Puts up `peer` for `case`; none when it has no counterpart of the case.
pub(crate) fn start_peer(peer: Peer, case: Case, site: &Site, envoy: &Path) -> Result<Option<Subject>> {
    match (peer, case) {
        (Peer::Nginx, Case::Plain | Case::Tls | Case::Routes(_)) => nginx::start(case, site).map(Some),
        (Peer::Haproxy, Case::Plain | Case::Tls) => haproxy::start(case, site).map(Some),
        (Peer::Envoy, Case::Plain | Case::Tls) => envoy::start(envoy, case, site).map(Some),
        (Peer::Relay, Case::Plain) => haproxy::start_relay(site).map(Some),
        (Peer::Flotilla, _) => bail!("our gateway needs a control plane"),
        _ => Ok(None),
    }
}

/// Puts up our gateway for `case`, in a gateway group of its own.
pub(crate) fn start_our_gateway(control: &mut ControlPlane, case: Case, site: &Site) -> Result<Subject> {
    let name = format!("traffic-{case}");
    let group = control.create_group(&name)?;
    control.configure(&group, case, site.upstream, &site.certificate)?;
    let mut gateway = control.start_gateway(&group, &name, Some(Cpu::Proxy))?;
    gateway.wait_right(&case.first_path(), case.headers())?;
    if case == Case::Tls {
        gateway.wait_tls()?;
    }
    let address = if case == Case::Tls { gateway.https } else { gateway.http };
    Ok(Subject { peer: Peer::Flotilla, case, process: gateway.process, target: target(case, address, site) })
}

/// All route paths of a case.
pub(crate) fn paths(case: Case) -> Box<dyn Iterator<Item = String>> {
    match case {
        Case::Routes(routes) => Box::new((0..routes).map(route_path)),
        Case::Plain | Case::Auth | Case::Tls => Box::new(std::iter::once("/".to_owned())),
    }
}
