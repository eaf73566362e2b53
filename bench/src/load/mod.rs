//! The load generator: one thread, many keep-alive connections, each with one request under way.
//!
//! Closed loop by default: the next request follows the answer. With a rate it is paced: each request
//! has its time, and one that finds no idle connection waits with the clock running.

mod connection;
mod generator;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::thread::JoinHandle;

use anyhow::{Result, anyhow};

use crate::cpu::{self, Cpu};
use crate::histogram::Histogram;
use generator::Generator;

pub(crate) use connection::SERVER_NAME;

/// What is asked of whom.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<Arc<rustls::ClientConfig>>,
    pub(crate) request: Request,
}

/// A request, or many that differ in one number.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    bytes: Vec<u8>,
    /// Where the six digits of the route's number stand.
    digits: Option<usize>,
    /// How many routes there are to choose from.
    routes: u32,
}

/// Digits of a route's number in its path.
const DIGITS: usize = 6;

impl Request {
    /// `GET path`; `headers` are whole lines without their end.
    pub(crate) fn get(path: &str, headers: &[&str]) -> Self {
        let lines: String = headers.iter().flat_map(|line| [line, "\r\n"]).collect();
        let text =
            format!("GET {path} HTTP/1.1\r\nHost: bench.test\r\nUser-Agent: bench\r\nAccept: */*\r\n{lines}\r\n");
        Self { bytes: text.into_bytes(), digits: None, routes: 1 }
    }

    /// `GET` of one of `routes` paths of [`route_path`], each time another.
    pub(crate) fn any_route(routes: u32) -> Self {
        let request = Self::get(&route_path(0), &[]);
        Self { digits: Some("GET ".len() + route_path(0).len() - DIGITS), routes, ..request }
    }

    fn choose_route(&mut self, random: u64) {
        let Some(at) = self.digits else { return };
        let mut number = random % u64::from(self.routes);
        for digit in self.bytes.iter_mut().skip(at).take(DIGITS).rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
        }
    }
}

/// The path of the route with this number, below a million.
pub(crate) fn route_path(number: u32) -> String {
    format!("/api/v1/r/{number:06}")
}

/// How hard to ask.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) connections: usize,
    /// Requests a second; `None` for as many as are answered.
    pub(crate) rate: Option<u32>,
}

/// What was seen while measuring.
#[derive(Default, Clone)]
pub(crate) struct Outcome {
    pub(crate) latencies: Histogram,
    /// Answers that are 200 with the upstream's body.
    pub(crate) right: u64,
    /// Other answers.
    pub(crate) wrong: u64,
    /// Connections refused, broken or unreadable.
    pub(crate) errors: u64,
    /// The first wrong answer's status or error, for people.
    pub(crate) first_fault: Option<String>,
}

/// The phase before, while connections open and caches fill, is 0.
const MEASURING: u8 = 1;
const STOPPING: u8 = 2;

#[derive(Default)]
struct Shared {
    phase: AtomicU8,
    answers: AtomicU64,
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
            Generator::new(target, pace, seen)?.run()
        })?;
        Ok(Self { shared, thread })
    }

    /// From now on latencies and faults are kept.
    pub(crate) fn measure(&self) {
        self.shared.phase.store(MEASURING, Ordering::Relaxed);
    }

    /// Answers so far, since the start.
    pub(crate) fn answers(&self) -> u64 {
        self.shared.answers.load(Ordering::Relaxed)
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
