//! One round of load on one proxy, and what it took.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::cpu::tree_cpu_us;
use crate::load::{Load, Pace, Target};
use crate::process::Process;

/// How long and how often.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rounds {
    pub(crate) rounds: u32,
    pub(crate) round: Duration,
    pub(crate) warm_up: Duration,
    pub(crate) connections: usize,
}

pub(crate) struct Sample {
    /// CPU microseconds per answer.
    pub(crate) cpu_us: f64,
    /// Answers a second.
    pub(crate) rate: f64,
    /// CPU time over wall time.
    pub(crate) busy: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) wrong: u64,
    pub(crate) errors: u64,
    pub(crate) first_fault: Option<String>,
}

/// None when nothing was answered: a machine that busy gives no figure.
pub(crate) fn take(process: &mut Process, target: &Target, rounds: Rounds) -> Result<Option<Sample>> {
    process.expect_alive()?;
    let load = Load::start(target.clone(), Pace { connections: rounds.connections, rate: None })?;
    std::thread::sleep(rounds.warm_up);
    load.measure();
    let (begun, cpu, answers) = (Instant::now(), tree_cpu_us(process.pid())?, load.answers());
    std::thread::sleep(rounds.round);
    let (cpu, answers) = (tree_cpu_us(process.pid())? - cpu, load.answers() - answers);
    let elapsed = begun.elapsed().as_secs_f64();
    let outcome = load.stop()?;
    Ok((answers > 0).then(|| Sample {
        cpu_us: cpu / answers as f64,
        rate: answers as f64 / elapsed,
        busy: cpu / 1e6 / elapsed,
        p50_us: outcome.latencies.quantile_us(0.5),
        p99_us: outcome.latencies.quantile_us(0.99),
        wrong: outcome.wrong,
        errors: outcome.errors,
        first_fault: outcome.first_fault,
    }))
}
