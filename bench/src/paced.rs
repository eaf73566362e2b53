//! A load that is paced well below what the gateway can do: beyond that a tail tells of queues only.

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use crate::load::{Load, Outcome, Pace, Target};

/// Until connections are open and caches are filled.
const WARM_UP: Duration = Duration::from_secs(1);
const CONNECTIONS: usize = 64;

/// What the load saw while something was done beside it, or nothing.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Side {
    pub(crate) right: u64,
    pub(crate) failed: u64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) first_fault: Option<String>,
}

impl From<Outcome> for Side {
    fn from(outcome: Outcome) -> Self {
        Self {
            right: outcome.right,
            failed: outcome.wrong + outcome.errors,
            p50_us: outcome.latencies.quantile_us(0.5),
            p99_us: outcome.latencies.quantile_us(0.99),
            first_fault: outcome.first_fault,
        }
    }
}

/// Measures the load while `act` runs, and gives what that gave besides.
pub(crate) fn under_load<T>(
    target: &Target,
    requests_per_second: u32,
    act: impl FnOnce() -> Result<T>,
) -> Result<(Side, T)> {
    let load = Load::start(target.clone(), Pace { connections: CONNECTIONS, rate: Some(requests_per_second) })?;
    std::thread::sleep(WARM_UP);
    load.measure();
    let done = act();
    Ok((load.stop()?.into(), done?))
}
