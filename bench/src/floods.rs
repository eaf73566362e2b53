//! Clients that flood, beside others that do not: how much longer do those wait?
//!
//! The floods come from threads that run only when nobody else wants their processor, as stand-ins for another machine, and
//! each begins anew as soon as it is sent away.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Result, anyhow};
use serde::Serialize;
use socket2::{Domain, Socket, Type};

use crate::case::Case;
use crate::cpu::{Cpu, pin_thread, stand_back};
use crate::load::{Request, Target};
use crate::paced::{Beside, Turns, in_turns};
use crate::proxies::Site;
use crate::proxies::flotilla::ControlPlane;

/// Clients that flood at once.
const FLOODING: usize = 4;
/// Theirs; the others come from another.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// How long one is kept waiting for an end of its connection.
const PATIENCE: Duration = Duration::from_secs(2);
/// Frames of one connection; the gateway ends it long before.
const FRAMES: u32 = 10_000;
/// What begins a connection of HTTP/2: the preface, and settings that set nothing.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

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
    let kinds = [("HTTP/2 resets", resets()), ("HTTP/2 CONTINUATION frames", continuations())];
    let flooded = kinds
        .into_iter()
        .map(|(kind, frames)| one_kind(kind, &frames.into(), gateway.process.pid(), &target, turns))
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
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((ADDRESS, 0)).into())?;
    socket.connect_timeout(&to.into(), PATIENCE)?;
    let mut stream = TcpStream::from(socket);
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    if stream.write_all(frames).is_ok() {
        let _ = stream.read(&mut [0; 4096]);
    }
    Ok(())
}

/// Requests that are reset as soon as they are opened (CVE-2023-44487).
fn resets() -> Vec<u8> {
    // GET http / of the authority `a`.
    const HEAD: [u8; 6] = [0x82, 0x86, 0x84, 0x41, 0x01, b'a'];
    const CANCEL: [u8; 4] = [0, 0, 0, 8];
    let streams = (0..FRAMES).map(|number| 2 * number + 1);
    let frames = streams.flat_map(|stream| [frame(1, 0x5, stream, &HEAD), frame(3, 0, stream, &CANCEL)]);
    std::iter::once(PREFACE.to_vec()).chain(frames).flatten().collect()
}

/// A head that never ends (VU#421644).
fn continuations() -> Vec<u8> {
    let head = frame(1, 0x1, 1, &[0x82, 0x86, 0x84]);
    // A new header `x` with 262 bytes, which nobody keeps.
    let field: Vec<u8> = [&[0x00, 0x01, b'x', 0x7f, 0x87, 0x01][..], &[b'y'; 262]].concat();
    let more = (0..FRAMES).map(|_| frame(9, 0, 1, &field));
    [PREFACE.to_vec(), head].into_iter().chain(more).flatten().collect()
}

/// RFC 9113, section 4.1.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_has_its_length_kind_flags_and_stream() {
        assert_eq!(frame(3, 0, 5, &[0, 0, 0, 8]), [0, 0, 4, 3, 0, 0, 0, 0, 5, 0, 0, 0, 8]);
    }
}
