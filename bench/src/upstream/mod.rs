//! The upstreams behind every proxy. Each does as little work as possible.

mod echo;
mod grpc;
mod plain;
mod server;
mod sink;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Result;

use crate::cpu::{self, Cpu};

pub(crate) use echo::{SOCKET_ACCEPT, SOCKET_KEY};
pub(crate) use plain::BODY;

/// How long a stop may go unnoticed.
const TICK: Duration = Duration::from_millis(50);

/// A running upstream; stops when dropped.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Upstream {
    /// Answers every request with the same 129 bytes.
    pub(crate) fn start() -> Result<Self> {
        Self::run(server::run::<plain::Plain>)
    }

    /// Takes every connection as a WebSocket and sends back what comes.
    pub(crate) fn start_echo() -> Result<Self> {
        Self::run(server::run::<echo::Echo>)
    }

    /// Answers every gRPC call with the same message.
    pub(crate) fn start_grpc() -> Result<Self> {
        Self::run(grpc::run)
    }

    /// Takes bodies of any length and answers without one.
    pub(crate) fn start_sink() -> Result<Self> {
        Self::run(server::run::<sink::Sink>)
    }

    fn run(server: fn(TcpListener, &AtomicBool) -> io::Result<()>) -> Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        listener.set_nonblocking(true)?;
        let (address, stop) = (listener.local_addr()?, Arc::new(AtomicBool::new(false)));
        let stopped = stop.clone();
        let thread = std::thread::Builder::new().name("upstream".to_owned()).spawn(move || {
            cpu::pin_thread(Cpu::Load);
            server(listener, &stopped)
        })?;
        Ok(Self { address, stop, thread: Some(thread) })
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(Err(_) | Ok(Err(_))) = self.thread.take().map(JoinHandle::join) {
            eprintln!("the upstream did not end well");
        }
    }
}
