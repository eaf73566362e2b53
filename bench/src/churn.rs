//! Many changes a second while traffic flows: does a request fail, does the tail grow?
//!
//! The load is paced well below what the gateway can do, because beyond that the tail tells of queues only.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;
use serde_json::json;

use crate::case::Case;
use crate::cpu::Background;
use crate::load::{Load, Outcome, Pace, Request, Target};
use crate::proxies::Site;
use crate::proxies::flotilla::{ControlPlane, put, route};

#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) duration: Duration,
    pub(crate) changes_per_second: u32,
    pub(crate) requests_per_second: u32,
    pub(crate) routes: u32,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Churn {
    pub(crate) requests_per_second: u32,
    /// As achieved.
    pub(crate) changes_per_second: f64,
    pub(crate) changes: u32,
    pub(crate) routes: u32,
    pub(crate) quiet: Side,
    pub(crate) changing: Side,
}

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

/// Measures the same load without and with changes.
pub(crate) fn measure(control: &mut ControlPlane, site: &Site, plan: Plan) -> Result<Churn> {
    let group = control.create_group("churn")?;
    control.configure(&group, Case::Routes(plan.routes), site)?;
    let mut gateway = control.start_gateway(&group, "churn", None)?;
    gateway.wait_right(&Case::Routes(plan.routes).first_path(), &[])?;
    let target = Target::http(gateway.http, Request::any_route(plan.routes));
    let (quiet, ()) = under_load(&target, plan, || {
        std::thread::sleep(plan.duration);
        Ok(())
    })?;
    let background = Background::of(control.process.pid());
    let (changing, (changes, rate)) = under_load(&target, plan, || make_changes(control, &group, plan))?;
    drop(background);
    gateway.process.expect_alive()?;
    Ok(Churn {
        requests_per_second: plan.requests_per_second,
        changes_per_second: rate,
        changes,
        routes: plan.routes,
        quiet: quiet.into(),
        changing: changing.into(),
    })
}

fn under_load<T>(target: &Target, plan: Plan, act: impl FnOnce() -> Result<T>) -> Result<(Outcome, T)> {
    let load = Load::start(target.clone(), Pace { connections: 64, rate: Some(plan.requests_per_second) })?;
    std::thread::sleep(Duration::from_secs(1));
    load.measure();
    let done = act();
    Ok((load.stop()?, done?))
}

/// One route after another changes its name; the routes under load go on answering.
fn make_changes(control: &mut ControlPlane, group: &str, plan: Plan) -> Result<(u32, f64)> {
    let interval = Duration::from_secs(1) / plan.changes_per_second.max(1);
    let (begun, mut changes) = (Instant::now(), 0);
    while begun.elapsed() < plan.duration {
        let number = changes % plan.routes;
        let mut body = route(&crate::load::route_path(number), &json!({}));
        body["name"] = json!(format!("change {changes}"));
        put(&mut control.api, group, &format!("routes/r{number}"), &body)?;
        changes += 1;
        std::thread::sleep((interval * changes).saturating_sub(begun.elapsed()));
    }
    Ok((changes, f64::from(changes) / begun.elapsed().as_secs_f64()))
}
