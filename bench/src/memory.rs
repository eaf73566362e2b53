//! Whether memory comes back: routes, certificates, nodes and connections come and go for a while, and in the end
//! all is as in the beginning.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde::Serialize;
use serde_json::{Value, json};

use crate::case::Case;
use crate::certificate;
use crate::cpu::settled_rss_kib;
use crate::http::Connection;
use crate::load::{Protocol, Request, Target};
use crate::proxies::Site;
use crate::proxies::flotilla::{ControlPlane, Gateway, route, upstream};
use crate::sample::{self, Rounds};
use crate::upstream::Upstream;

/// Routes that stay; of each turn as many come and go.
const ROUTES: u32 = 500;
const CERTIFICATES: u32 = 20;
const NODES: usize = 4;
/// Connections of each turn, half of them with TLS.
const CONNECTIONS: usize = 200;
/// Traffic of each turn: as long on HTTP as on HTTPS, and as on HTTP/2.
const TRAFFIC: Duration = Duration::from_millis(200);
const LIMIT: Duration = Duration::from_secs(10);

/// Resident memory before and after.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Memory {
    pub(crate) seconds: f64,
    /// Turns made in between.
    pub(crate) turns: u32,
    pub(crate) gateway_kib: Change,
    pub(crate) control_plane_kib: Change,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Change {
    pub(crate) before: f64,
    pub(crate) after: f64,
}

impl Change {
    /// By how many percent it has grown.
    pub(crate) fn growth_percent(self) -> f64 {
        (self.after / self.before - 1.0) * 100.0
    }
}

/// Turns until threads, pools and the allocator are in their stride.
const WARM_UP: u32 = 5;

/// Measures for `duration`, after a few turns to warm up.
pub(crate) fn measure(control: &mut ControlPlane, site: &Site, duration: Duration) -> Result<Memory> {
    let mut turns = Turns::prepare(control, site)?;
    for number in 0..WARM_UP {
        turns.make_one(number)?;
    }
    let before = turns.rss()?;
    let (begun, mut made) = (Instant::now(), 0);
    while begun.elapsed() < duration {
        eprint!("\rturn {made}");
        turns.make_one(WARM_UP + made)?;
        made += 1;
    }
    eprintln!();
    let after = turns.rss()?;
    turns.gateway.process.expect_alive()?;
    Ok(Memory {
        seconds: duration.as_secs_f64(),
        turns: made,
        gateway_kib: Change { before: before.0, after: after.0 },
        control_plane_kib: Change { before: before.1, after: after.1 },
    })
}

struct Turns<'a> {
    control: &'a mut ControlPlane,
    site: &'a Site,
    group: String,
    gateway: Gateway,
    upstreams: Vec<Upstream>,
}

impl<'a> Turns<'a> {
    fn prepare(control: &'a mut ControlPlane, site: &'a Site) -> Result<Self> {
        let upstreams = (0..NODES).map(|_| Upstream::start()).collect::<Result<Vec<_>>>()?;
        let group = control.create_group("memory")?;
        control.configure(&group, Case::Tls, site)?;
        control.batch(&group, &routes("stays", 0))?;
        let mut gateway = control.start_gateway(&group, "memory", None)?;
        gateway.wait_right("/stays/0/0", &[])?;
        Ok(Self { control, site, group, gateway, upstreams })
    }

    /// Everything comes, is used, and goes.
    fn make_one(&mut self, number: u32) -> Result<()> {
        let mut coming = routes("comes", number);
        coming.extend(certificates(number)?);
        self.control.batch(&self.group, &coming)?;
        self.put_nodes(NODES)?;
        self.wait_until(number, true)?;
        self.open_and_close(number)?;
        self.traffic(&last_path(number))?;
        let going: Vec<_> = coming.iter().map(deletion).collect();
        self.control.batch(&self.group, &going)?;
        self.put_nodes(1)?;
        self.wait_until(number, false)
    }

    fn put_nodes(&mut self, count: usize) -> Result<()> {
        let nodes: Vec<_> = self.upstreams.iter().take(count).map(|upstream| upstream.address).collect();
        self.control.put(&self.group, "upstreams/bench", &upstream("http", &nodes))
    }

    fn open_and_close(&self, number: u32) -> Result<()> {
        let tls = self.site.certificate.client_config(Case::Tls);
        let mut open = Vec::new();
        for index in 0..CONNECTIONS {
            let mut connection = if index % 2 == 0 {
                Connection::new(self.gateway.http)
            } else {
                Connection::new(self.gateway.https).with_tls(tls.clone())
            };
            let status = connection.get(&last_path(number), &[])?.status;
            if status != 200 {
                bail!("status {status} on connection {index}");
            }
            open.push(connection);
        }
        Ok(())
    }

    fn traffic(&mut self, path: &str) -> Result<()> {
        let rounds = Rounds { rounds: 1, round: TRAFFIC, warm_up: Duration::ZERO, connections: 64 };
        let http = Target::http(self.gateway.http, Request::get(path, &[]));
        let tls = Some(self.site.certificate.client_config(Case::Tls));
        let https = Target { address: self.gateway.https, tls, ..http.clone() };
        let tls = Some(self.site.certificate.client_config(Case::Http2));
        let http2 = Target { tls, protocol: Protocol::Http2, path: path.to_owned(), ..https.clone() };
        for target in [http, https, http2] {
            let sample = sample::take(&mut self.gateway.process, &target, rounds)?;
            if let Some(fault) = sample.and_then(|sample| sample.first_fault) {
                bail!("under load: {fault}");
            }
        }
        Ok(())
    }

    /// Until a turn's routes are there, or gone. The route for everything answers either way, so they are known by a
    /// header of theirs.
    fn wait_until(&self, turn: u32, is_there: bool) -> Result<()> {
        let (mut connection, deadline) = (Connection::new(self.gateway.http), Instant::now() + LIMIT);
        while connection.get(&last_path(turn), &[])?.header("x-turn:").is_some() != is_there {
            if Instant::now() > deadline {
                bail!("turn {turn} was not seen in {LIMIT:?}");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Of the gateway and of the control plane.
    fn rss(&self) -> Result<(f64, f64)> {
        Ok((settled_rss_kib(self.gateway.process.pid())?, settled_rss_kib(self.control.process.pid())?))
    }
}

fn routes(prefix: &str, turn: u32) -> Vec<Value> {
    let change = |number: u32| {
        let plugins = json!({ "response-rewrite": { "headers": { "set": { "X-Turn": turn.to_string() } } } });
        let value = route(&format!("/{prefix}/{turn}/{number}"), &plugins);
        json!({ "op": "put", "kind": "route", "id": format!("{prefix}-{number}"), "value": value })
    };
    (0..ROUTES).map(change).collect()
}

fn certificates(turn: u32) -> Result<Vec<Value>> {
    let change = |number: u32| {
        let value = certificate::other_resource(&format!("{number}.turn-{turn}.test"))?;
        Ok(json!({ "op": "put", "kind": "ssl", "id": format!("comes-{number}"), "value": value }))
    };
    (0..CERTIFICATES).map(change).collect()
}

fn deletion(put: &Value) -> Value {
    json!({ "op": "delete", "kind": put["kind"], "id": put["id"] })
}

/// Of the routes that come in a turn.
fn last_path(turn: u32) -> String {
    format!("/comes/{turn}/{}", ROUTES - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_what_is_more_than_before() {
        let growth = |before, after| Change { before, after }.growth_percent();
        assert!((growth(200.0, 210.0) - 5.0).abs() < 1e-9);
        assert!(growth(200.0, 190.0) < 0.0);
    }
}
