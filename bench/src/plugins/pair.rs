//! A route with a plugin and one without it, asked the same by the same connections in turn.
//!
//! What a plugin adds is a few percent of a request or less, and a machine's speed varies by more from one second to
//! the next. So the two take turns of a few hundredths of a second: what the machine does falls on both.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::list::{Entry, Proof};
use super::{PluginCost, path};
use crate::cpu::process_cpu_us;
use crate::http::Connection;
use crate::load::{Load, Pace, Request, Target, Which};
use crate::process::Process;
use crate::proxies::flotilla::Gateway;
use crate::sample::Rounds;
use crate::statistics::Spread;

/// How long one of the two is asked at a stretch.
const TURN: Duration = Duration::from_millis(40);
/// How long requests of the turn before may still be under way.
const CHANGE: Duration = Duration::from_millis(4);
/// The same where a plugin works on after the answer; its turns take as long as a round.
const LONG_CHANGE: Duration = Duration::from_millis(100);

/// A plugin and its two routes.
pub(super) struct Pair {
    pub(super) entry: Entry,
    without: Request,
    with: Request,
    target: Target,
    /// CPU microseconds per request without it and with it, of each round.
    rounds: Vec<(f64, f64)>,
    faults: u64,
    first_fault: Option<String>,
}

impl Pair {
    pub(super) fn new(entry: Entry, gateway: &Gateway) -> Self {
        let base = entry.beside.as_ref().map_or("plain", |(name, _)| name);
        let request = |path: &str| {
            let headers: Vec<&str> = entry.headers.iter().map(String::as_str).collect();
            let method = if entry.body.is_empty() { "GET" } else { "POST" };
            Request::new(method, path, &headers, entry.body)
        };
        let without = request(&path(base));
        let with = request(&path(entry.name)).expecting(entry.right.clone());
        let target = Target { other: Some(with.clone()), ..Target::http(gateway.http, without.clone()) };
        Self { entry, without, with, target, rounds: Vec::new(), faults: 0, first_fault: None }
    }

    /// Both routes must answer rightly, and the plugin be seen to work.
    pub(super) fn check(&self, gateway: &Gateway) -> Result<()> {
        Target::http(gateway.http, self.without.clone()).probe().context("without it")?;
        Target::http(gateway.http, self.with.clone()).probe()?;
        prove(&self.entry, gateway)
    }

    /// One round: as long as `rounds` says on each side.
    pub(super) fn measure(&mut self, process: &mut Process, rounds: Rounds) -> Result<()> {
        process.expect_alive()?;
        let load = Load::start(self.target.clone(), Pace { connections: rounds.connections, rate: None })?;
        std::thread::sleep(rounds.warm_up);
        load.measure();
        let (mut without, mut with) = (Used::default(), Used::default());
        let (change, turn) = if self.entry.works_on { (LONG_CHANGE, rounds.round) } else { (CHANGE, TURN) };
        let begun = Instant::now();
        while begun.elapsed() < rounds.round * 2 {
            for (side, which) in [(&mut without, Which::Own), (&mut with, Which::Other)] {
                load.choose(which);
                std::thread::sleep(change);
                side.add_turn(&load, process, turn)?;
            }
        }
        let outcome = load.stop()?;
        self.faults += outcome.wrong + outcome.errors;
        self.first_fault = self.first_fault.take().or(outcome.first_fault);
        self.rounds.extend(without.per_request().zip(with.per_request()));
        Ok(())
    }

    /// None when nothing was measured.
    pub(super) fn cost(self) -> Option<PluginCost> {
        Some(PluginCost {
            plugin: self.entry.name.to_owned(),
            beside: self.entry.beside.as_ref().map(|(name, _)| (*name).to_owned()),
            added_us: Spread::of(self.rounds.iter().map(|(without, with)| with - without))?,
            without_us: Spread::of(self.rounds.iter().map(|(without, _)| *without))?.median,
            with_us: Spread::of(self.rounds.iter().map(|(_, with)| *with))?.median,
            faults: self.faults,
            first_fault: self.first_fault,
        })
    }
}

/// CPU and answers of one side.
#[derive(Default)]
struct Used {
    cpu_us: f64,
    answers: u64,
}

impl Used {
    fn add_turn(&mut self, load: &Load, process: &Process, turn: Duration) -> Result<()> {
        let (cpu, answers) = (process_cpu_us(process.pid())?, load.answers());
        std::thread::sleep(turn);
        self.cpu_us += process_cpu_us(process.pid())? - cpu;
        self.answers += load.answers() - answers;
        Ok(())
    }

    fn per_request(&self) -> Option<f64> {
        (self.answers > 0).then(|| self.cpu_us / self.answers as f64)
    }
}

fn prove(entry: &Entry, gateway: &Gateway) -> Result<()> {
    let mut connection = Connection::new(gateway.http);
    let path = path(entry.name);
    match entry.proof {
        None => {}
        Some(Proof::Shows(header)) => {
            let headers: Vec<&str> = entry.headers.iter().map(String::as_str).collect();
            if connection.get(&path, &headers)?.header(header).is_none() {
                bail!("its answer has no {header}");
            }
        }
        Some(Proof::Refuses { query, headers }) => {
            let status = connection.get(&format!("{path}{query}"), headers)?.status;
            if !(400..600).contains(&status) {
                bail!("status {status} for what it should refuse");
            }
        }
    }
    Ok(())
}
