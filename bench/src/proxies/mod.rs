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

use anyhow::{Context, Result, bail};

use crate::case::{Case, Peer};
use crate::certificate::Certificate;
use crate::cpu::Cpu;
use crate::load::{Protocol, Request, Target, route_path};
use crate::process::{Process, wait_for};
use crate::upstream::Upstream;
use flotilla::ControlPlane;

/// How long a proxy may take until it answers rightly.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Where a proxy is put up.
pub(crate) struct Site {
    /// For its files and its log.
    pub(crate) dir: PathBuf,
    pub(crate) certificate: Arc<Certificate>,
    plain: Upstream,
    echo: Upstream,
    grpc: Upstream,
}

impl Site {
    /// With upstreams of all kinds.
    pub(crate) fn prepare(dir: &Path) -> Result<Self> {
        Ok(Self {
            dir: dir.to_owned(),
            certificate: Arc::new(Certificate::make(dir)?),
            plain: Upstream::start()?,
            echo: Upstream::start_echo()?,
            grpc: Upstream::start_grpc()?,
        })
    }

    /// Where a case's requests go.
    pub(crate) fn upstream(&self, case: Case) -> SocketAddr {
        match case {
            Case::WebSocket => self.echo.address,
            Case::Grpc => self.grpc.address,
            _ => self.plain.address,
        }
    }
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

    /// An answer as the load will see it, to the connection as the load will make it.
    fn expect_right_answer(&mut self) -> Result<()> {
        let mut fault = None;
        let waited = wait_for(&mut self.process, START_LIMIT, || {
            fault = self.target.probe().err();
            fault.is_none()
        });
        match fault {
            Some(fault) => waited.with_context(|| format!("{fault:#}")),
            None => waited,
        }
    }
}

fn target(case: Case, address: SocketAddr, site: &Site) -> Target {
    let request = match case {
        Case::Routes(routes) => Request::any_route(routes),
        _ => Request::get(&case.first_path(), case.headers()),
    };
    let protocol = match case {
        Case::Http2 => Protocol::Http2,
        Case::Grpc => Protocol::Grpc,
        Case::WebSocket => Protocol::WebSocket,
        Case::Handshakes => Protocol::Handshakes,
        Case::Plain | Case::Auth | Case::Tls | Case::Routes(_) => Protocol::Http1,
    };
    let tls = case.is_tls().then(|| site.certificate.client_config(case));
    Target { address, tls, protocol, path: case.first_path(), request, other: None }
}

/// A loopback address that nobody listens on. Whoever is told it binds it a moment later.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?.local_addr()?)
}

/// Puts up `peer` for `case`; none when it has no counterpart of the case.
pub(crate) fn start_peer(peer: Peer, case: Case, site: &Site, envoy: &Path) -> Result<Option<Subject>> {
    match (peer, case) {
        (Peer::Flotilla, _) => bail!("our gateway needs a control plane"),
        (Peer::Relay, Case::Plain) => haproxy::start_relay(site).map(Some),
        (_, Case::Auth) | (Peer::Relay, _) => Ok(None),
        (Peer::Nginx, _) => nginx::start(case, site).map(Some),
        (Peer::Haproxy, Case::Plain | Case::Tls | Case::WebSocket) => haproxy::start(case, site).map(Some),
        (Peer::Haproxy, _) | (Peer::Envoy, Case::Handshakes | Case::Routes(_)) => Ok(None),
        (Peer::Envoy, _) => envoy::start(envoy, case, site).map(Some),
    }
}

/// Puts up our gateway for `case`, in a gateway group of its own.
pub(crate) fn start_our_gateway(control: &mut ControlPlane, case: Case, site: &Site) -> Result<Subject> {
    let name = format!("traffic-{case}");
    let group = control.create_group(&name)?;
    control.configure(&group, case, site)?;
    let mut gateway = control.start_gateway(&group, &name, Some(Cpu::Proxy))?;
    gateway.wait_ready()?;
    let address = if case.is_tls() { gateway.https } else { gateway.http };
    let mut subject =
        Subject { peer: Peer::Flotilla, case, process: gateway.process, target: target(case, address, site) };
    subject.expect_right_answer()?;
    Ok(subject)
}

/// All route paths of a case.
pub(crate) fn paths(case: Case) -> Box<dyn Iterator<Item = String>> {
    match case {
        Case::Routes(routes) => Box::new((0..routes).map(route_path)),
        _ => Box::new(std::iter::once("/".to_owned())),
    }
}
