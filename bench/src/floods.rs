//! Clients that flood, beside others that do not: how much longer do those wait?
//!
//! The floods come from threads that run only when nobody else wants their processor, as stand-ins for another machine, and
//! each begins anew as soon as it is sent away.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Result, anyhow};
use serde::Serialize;
use testkit::http2::{PREFACE, connect_from, continuations, resets};

use crate::case::Case;
use crate::cpu::{Cpu, pin_thread, stand_back};
use crate::load::{Request, Target};
use crate::paced::{Beside, Turns, in_turns};
use crate::proxies::Site;
use crate::proxies::flotilla::ControlPlane;

/// Clients that flood at once.
const FLOODING: usize = 4;
/// Theirs; the others come from another.
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
/// How long one is kept waiting for an end of its connection.
const PATIENCE: Duration = Duration::from_secs(2);
/// Frames of one connection; the gateway ends it long before.
const FRAMES: u32 = 10_000;

/// One kind of flood.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Flooded {
    pub(crate) kind: &'static str,
    /// Connections that flooded, or tried to.
    pub(crate) connections: u64,
    pub(crate) load: Beside,
}

/// Measures the same load without and with each flood.
pub(crate) fn measure(control: &mut ControlPlane, site: &Site, turns: Turns) -> Result<Vec<Flooded>> {
    let group = control.create_group("floods")?;
    control.configure(&group, Case::Plain, site)?;
    let mut gateway = control.start_gateway(&group, "floods", Some(Cpu::Proxy))?;
    gateway.wait_right(&Case::Plain.first_path(), &[])?;
    let target = Target::http(gateway.http, Request::get(&Case::Plain.first_path(), &[]));
    let kinds = [("HTTP/2 resets", resets(FRAMES)), ("HTTP/2 CONTINUATION frames", continuations(FRAMES))];
    let flooded = kinds
        .into_iter()
        .map(|(kind, frames)| {
            one_kind(kind, &[PREFACE, &frames].concat().into(), gateway.process.pid(), &target, turns)
        })
        .collect();
    gateway.process.expect_alive()?;
    flooded
}

fn one_kind(kind: &'static str, frames: &Arc<[u8]>, gateway: u32, target: &Target, turns: Turns) -> Result<Flooded> {
    let (load, connections) = in_turns(gateway, target, turns, || {
        let floods: Vec<_> = (0..FLOODING).map(|_| Flood::start(target.address, frames.clone())).collect();
        std::thread::sleep(turns.duration);
        floods.into_iter().map(Flood::stop).sum::<Result<u64>>()
    })?;
    Ok(Flooded { kind, connections: connections.iter().sum(), load })
}

/// A client that floods until it is told to stop.
struct Flood {
    stop: Arc<AtomicBool>,
    connections: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Flood {
    fn start(to: SocketAddr, frames: Arc<[u8]>) -> Self {
        let (stop, connections) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, counted) = (stop.clone(), connections.clone());
        let thread = std::thread::spawn(move || {
            pin_thread(Cpu::Load);
            stand_back();
            while !stopped.load(Ordering::Relaxed) {
                if flood(to, &frames).is_ok() {
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        Self { stop, connections, thread }
    }

    /// How many connections it had.
    fn stop(self) -> Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("a flood broke off"))?;
        Ok(self.connections.load(Ordering::Relaxed))
    }
}

/// One connection; sends until it is ended, which is no error.
fn flood(to: SocketAddr, frames: &[u8]) -> std::io::Result<()> {
    let mut stream = connect_from(ADDRESS, to, PATIENCE)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    if stream.write_all(frames).is_ok() {
        let _ = stream.read(&mut [0; 4096]);
    }
    Ok(())
}
