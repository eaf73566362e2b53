//! From the API's 200 to the first right answer of an instance.
//!
//! Each change moves one route to a path that was not there before. One thread asks for that path over and
//! over on a keep-alive connection while another writes; the clock starts when the write is answered.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use serde::Serialize;
use serde_json::json;

use crate::case::Case;
use crate::http::Connection;
use crate::proxies::Site;
use crate::proxies::flotilla::{ControlPlane, Gateway, put, route};
use crate::statistics::Tail;

/// Until a change must have arrived.
const LIMIT: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Propagation {
    pub(crate) routes: u32,
    /// Accepted write to first right answer. 0 when the answer was right before the API said so.
    pub(crate) latency_ms: Tail,
    /// The API's own time.
    pub(crate) write_ms: Tail,
}

/// Makes `changes` changes, one after another, in a group of its own with `routes` routes.
pub(crate) fn measure(control: &mut ControlPlane, site: &Site, routes: u32, changes: u32) -> Result<Propagation> {
    let name = format!("propagation-{routes}");
    let group = control.create_group(&name)?;
    control.configure(&group, Case::Routes(routes), site)?;
    let mut gateway = control.start_gateway(&group, &name, None)?;
    gateway.wait_right(&Case::Routes(routes).first_path(), &[])?;
    let (mut latencies, mut writes) = (Vec::new(), Vec::new());
    for number in 0..changes {
        let (write, latency) = one_change(control, &group, &gateway, number)?;
        writes.push(write);
        latencies.push(latency);
    }
    let none = || anyhow!("no change was made");
    Ok(Propagation {
        routes,
        latency_ms: Tail::of(latencies).with_context(none)?,
        write_ms: Tail::of(writes).with_context(none)?,
    })
}

/// Milliseconds of the write and from its end to the right answer.
fn one_change(control: &mut ControlPlane, group: &str, gateway: &Gateway, number: u32) -> Result<(f64, f64)> {
    let path = format!("/moved/{number}");
    let asker = ask_until_right(gateway.http, path.clone());
    let begun = Instant::now();
    put(&mut control.api, group, "routes/moved", &route(&path, &json!({})))?;
    let accepted = Instant::now();
    let right = asker.recv_timeout(LIMIT).map_err(|_| anyhow!("change {number} did not arrive in {LIMIT:?}"))??;
    let milliseconds = |from: Instant, to: Instant| to.saturating_duration_since(from).as_secs_f64() * 1e3;
    Ok((milliseconds(begun, accepted), milliseconds(accepted, right)))
}

/// Asks hot, from the moment this returns.
fn ask_until_right(address: SocketAddr, path: String) -> mpsc::Receiver<Result<Instant>> {
    let (done, moment) = mpsc::channel();
    let (ready, is_ready) = mpsc::channel();
    std::thread::spawn(move || {
        let mut connection = Connection::new(address);
        let mut ask = || -> Result<Option<Instant>> {
            match connection.get(&path, &[])?.status {
                200 => Ok(Some(Instant::now())),
                404 => Ok(None),
                status => bail!("status {status} while waiting for {path}"),
            }
        };
        let deadline = Instant::now() + LIMIT;
        let mut outcome = ask();
        let _ = ready.send(());
        while matches!(outcome, Ok(None)) && Instant::now() < deadline {
            outcome = ask();
        }
        let _ = done.send(outcome.and_then(|at| at.context("too late")));
    });
    let _ = is_ready.recv();
    moment
}
