//! A load that is paced well below what the gateway can do, alone and beside something: beyond that pace a tail tells of queues only.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::cpu::{Scheduled, workers_wait};
use crate::load::{Load, Outcome, Pace, Target};
use crate::statistics::Spread;

/// Until connections are open and caches are filled.
const WARM_UP: Duration = Duration::from_secs(1);
const CONNECTIONS: usize = 64;

/// How long and how often.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turns {
    pub(crate) rounds: u32,
    /// Of each side of a round.
    pub(crate) duration: Duration,
    pub(crate) requests_per_second: u32,
}

/// What the load saw alone and beside something, over the rounds.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Beside {
    pub(crate) requests_per_second: u32,
    /// Milliseconds of each second for which the gateway's worker was ready to run and had no processor.
    pub(crate) alone_wait_ms: Spread,
    pub(crate) wait_ms: Spread,
    pub(crate) alone_p50_us: Spread,
    pub(crate) alone_p99_us: Spread,
    pub(crate) p50_us: Spread,
    pub(crate) p99_us: Spread,
    /// Of the two p99 within each round.
    pub(crate) ratio: Spread,
    /// Requests, on both sides.
    pub(crate) right: u64,
    pub(crate) failed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first_fault: Option<String>,
}

/// Measures the load on the gateway `pid` alone, then while `act` runs, which takes as long, round by round. Gives besides what that gave.
pub(crate) fn in_turns<T>(
    pid: u32,
    target: &Target,
    turns: Turns,
    mut act: impl FnMut() -> Result<T>,
) -> Result<(Beside, Vec<T>)> {
    let (mut alone, mut beside, mut gave) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..turns.rounds {
        let wait = || {
            std::thread::sleep(turns.duration);
            Ok(())
        };
        alone.push(under_load(pid, target, turns.requests_per_second, wait)?.0);
        let (side, given) = under_load(pid, target, turns.requests_per_second, &mut act)?;
        beside.push(side);
        gave.push(given);
    }
    Ok((Beside::of(turns, &alone, &beside)?, gave))
}

/// One side of a round: what the load saw, and the worker's wait.
type Side = (Outcome, f64);

fn under_load<T>(
    pid: u32,
    target: &Target,
    requests_per_second: u32,
    act: impl FnOnce() -> Result<T>,
) -> Result<(Side, T)> {
    let load = Load::start(target.clone(), Pace { connections: CONNECTIONS, rate: Some(requests_per_second) })?;
    let _ahead = Scheduled::ahead(&["load", "upstream"]);
    std::thread::sleep(WARM_UP);
    load.measure();
    let (begun, waited) = (Instant::now(), workers_wait(pid)?);
    let done = act();
    let waited = workers_wait(pid)?.saturating_sub(waited);
    let waits = 1000.0 * waited.as_secs_f64() / begun.elapsed().as_secs_f64();
    Ok(((load.stop()?, waits), done?))
}

impl Beside {
    fn of(turns: Turns, alone: &[Side], beside: &[Side]) -> Result<Self> {
        let spread = |values: Vec<f64>| Spread::of(values).context("no round was measured");
        let quantile = |sides: &[Side], quantile| {
            spread(sides.iter().map(|(outcome, _)| outcome.latencies.quantile_us(quantile)).collect())
        };
        let wait = |sides: &[Side]| spread(sides.iter().map(|(_, wait)| *wait).collect());
        let p99 = |(outcome, _): &Side| outcome.latencies.quantile_us(0.99);
        let all = || alone.iter().chain(beside).map(|(outcome, _)| outcome);
        Ok(Self {
            requests_per_second: turns.requests_per_second,
            alone_wait_ms: wait(alone)?,
            wait_ms: wait(beside)?,
            alone_p50_us: quantile(alone, 0.5)?,
            alone_p99_us: quantile(alone, 0.99)?,
            p50_us: quantile(beside, 0.5)?,
            p99_us: quantile(beside, 0.99)?,
            ratio: spread(alone.iter().zip(beside).map(|(alone, beside)| p99(beside) / p99(alone)).collect())?,
            right: all().map(|outcome| outcome.right).sum(),
            failed: all().map(|outcome| outcome.wrong + outcome.errors).sum(),
            first_fault: all().find_map(|outcome| outcome.first_fault.clone()),
        })
    }
}
