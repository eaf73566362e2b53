//! Many changes a second while traffic flows: does a request fail, does the tail grow?

use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;
use serde_json::json;

use crate::case::Case;
use crate::cpu::{Cpu, Scheduled};
use crate::load::{Request, Target};
use crate::paced::{Beside, Turns, in_turns};
use crate::proxies::Site;
use crate::proxies::flotilla::{ControlPlane, put, route};

#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) turns: Turns,
    pub(crate) changes_per_second: u32,
    pub(crate) routes: u32,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Churn {
    /// As achieved, while changes were made.
    pub(crate) changes_per_second: f64,
    pub(crate) changes: u32,
    pub(crate) routes: u32,
    pub(crate) load: Beside,
}

/// Measures the same load without and with changes. What the gateway does with a change, it does on the one processor that it has.
pub(crate) fn measure(control: &mut ControlPlane, site: &Site, plan: Plan) -> Result<Churn> {
    let group = control.create_group("churn")?;
    control.configure(&group, Case::Routes(plan.routes), site)?;
    let mut gateway = control.start_gateway(&group, "churn", Some(Cpu::Proxy))?;
    gateway.wait_right(&Case::Routes(plan.routes).first_path(), &[])?;
    let target = Target::http(gateway.http, Request::any_route(plan.routes));
    let background = Scheduled::behind(control.process.pid());
    let mut changes = 0;
    let (load, taken) =
        in_turns(gateway.process.pid(), &target, plan.turns, || make_changes(control, &group, plan, &mut changes))?;
    drop(background);
    gateway.process.expect_alive()?;
    let taken: Duration = taken.iter().sum();
    Ok(Churn { changes_per_second: f64::from(changes) / taken.as_secs_f64(), changes, routes: plan.routes, load })
}

/// One route after another changes its name; the routes under load go on answering. Counts on, and gives the time it took.
fn make_changes(control: &mut ControlPlane, group: &str, plan: Plan, changes: &mut u32) -> Result<Duration> {
    let interval = Duration::from_secs(1) / plan.changes_per_second.max(1);
    let (begun, before) = (Instant::now(), *changes);
    while begun.elapsed() < plan.turns.duration {
        let number = *changes % plan.routes;
        let mut body = route(&crate::load::route_path(number), &json!({}));
        body["name"] = json!(format!("change {changes}"));
        put(&mut control.api, group, &format!("routes/r{number}"), &body)?;
        *changes += 1;
        std::thread::sleep((interval * (*changes - before)).saturating_sub(begun.elapsed()));
    }
    Ok(begun.elapsed())
}
