//! The load generator: one thread, many connections, each with one request (HTTP/2: a few) under way.
//!
//! Closed loop by default: the next request follows the answer. With a rate it is paced: each request
//! has its time, and one that finds no idle connection waits with the clock running.

mod connection;
mod generator;
mod http2;
mod outcome;
mod request;
mod websocket;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};

use crate::cpu::{self, Cpu};
use generator::Generator;

pub(crate) use connection::SERVER_NAME;
pub(crate) use outcome::Outcome;
pub(crate) use request::{Request, Right, route_path};

/// How long one answer may take where only its rightness matters.
const PROBE_LIMIT: Duration = Duration::from_secs(5);

/// What is asked of whom.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<Arc<rustls::ClientConfig>>,
    pub(crate) protocol: Protocol,
    /// Of requests that are not HTTP/1.1.
    pub(crate) path: String,
    /// Of HTTP/1.1.
    pub(crate) request: Request,
    /// What else [`Load::choose`] may have asked instead.
    pub(crate) other: Option<Request>,
}

impl Target {
    /// HTTP/1.1 without TLS.
    pub(crate) fn http(address: SocketAddr, request: Request) -> Self {
        Self { address, tls: None, protocol: Protocol::Http1, path: "/".to_owned(), request, other: None }
    }

    /// Asks once; an error that says what is wrong with the answer.
    pub(crate) fn probe(&self) -> Result<()> {
        let load = Load::start(self.clone(), Pace { connections: 1, rate: None })?;
        let deadline = Instant::now() + PROBE_LIMIT;
        while load.answers() + load.faults() == 0 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        let (answers, outcome) = (load.answers(), load.stop()?);
        match outcome.first_fault {
            Some(fault) => bail!("{fault}"),
            None if answers == 0 => bail!("no answer in {PROBE_LIMIT:?}"),
            None => Ok(()),
        }
    }
}

/// What is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP/1.1 on kept connections.
    Http1,
    /// HTTP/1.1 over TLS, a connection and a full handshake for each request.
    Handshakes,
    /// Messages that come back.
    WebSocket,
    /// HTTP/2 with many streams on few connections.
    Http2,
    /// Unary calls, likewise.
    Grpc,
}

/// Which of a target's requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    Own,
    Other,
}

/// How hard to ask.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Connections, or streams of HTTP/2.
    pub(crate) connections: usize,
    /// Requests a second, of HTTP/1.1; `None` for as many as are answered.
    pub(crate) rate: Option<u32>,
}

/// The phase before, while connections open and caches fill, is 0.
const MEASURING: u8 = 1;
const STOPPING: u8 = 2;

#[derive(Default)]
struct Shared {
    phase: AtomicU8,
    answers: AtomicU64,
    faults: AtomicU64,
    asks_other: AtomicBool,
}

impl Shared {
    fn phase(&self) -> u8 {
        self.phase.load(Ordering::Relaxed)
    }
}

/// A running load.
pub(crate) struct Load {
    shared: Arc<Shared>,
    thread: JoinHandle<io::Result<Outcome>>,
}

impl Load {
    /// Opens the connections and begins to ask; nothing counts before [`Load::measure`].
    pub(crate) fn start(target: Target, pace: Pace) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let seen = shared.clone();
        let thread = std::thread::Builder::new().name("load".to_owned()).spawn(move || {
            cpu::pin_thread(Cpu::Load);
            match target.protocol {
                Protocol::Http2 | Protocol::Grpc => http2::run(target, pace, seen),
                _ => Generator::new(target, pace, seen)?.run(),
            }
        })?;
        Ok(Self { shared, thread })
    }

    /// From now on latencies and faults are kept.
    pub(crate) fn measure(&self) {
        self.shared.phase.store(MEASURING, Ordering::Relaxed);
    }

    /// From now on asks the target's request, or its other one, on the same connections (HTTP/1.1 only).
    pub(crate) fn choose(&self, which: Which) {
        self.shared.asks_other.store(which == Which::Other, Ordering::Relaxed);
    }

    /// Answers so far, since the start.
    pub(crate) fn answers(&self) -> u64 {
        self.shared.answers.load(Ordering::Relaxed)
    }

    /// Connections that failed so far.
    fn faults(&self) -> u64 {
        self.shared.faults.load(Ordering::Relaxed)
    }

    /// Ends the load.
    pub(crate) fn stop(self) -> Result<Outcome> {
        self.shared.phase.store(STOPPING, Ordering::Relaxed);
        let outcome = self.thread.join().map_err(|_| anyhow!("the load generator panicked"))?;
        Ok(outcome?)
    }
}

#[cfg(test)]
mod tests;
