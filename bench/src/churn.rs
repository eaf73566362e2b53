//! Many changes a second while traffic flows: does a request fail, does the tail grow?

use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;
use serde_json::json;

use crate::case::Case;
use crate::cpu::Background;
use crate::load::{Request, Target};
use crate::paced::{Side, under_load};
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

/// Measures the same load without and with changes.
pub(crate) fn measure(control: &mut ControlPlane, site: &Site, plan: Plan) -> Result<Churn> {
    let group = control.create_group("churn")?;
    control.configure(&group, Case::Routes(plan.routes), site)?;
    let mut gateway = control.start_gateway(&group, "churn", None)?;
    gateway.wait_right(&Case::Routes(plan.routes).first_path(), &[])?;
    let target = Target::http(gateway.http, Request::any_route(plan.routes));
    let (quiet, ()) = under_load(&target, plan.requests_per_second, || {
        std::thread::sleep(plan.duration);
        Ok(())
    })?;
    let background = Background::of(control.process.pid());
    let (changing, (changes, rate)) =
        under_load(&target, plan.requests_per_second, || make_changes(control, &group, plan))?;
    drop(background);
    gateway.process.expect_alive()?;
    Ok(Churn {
        requests_per_second: plan.requests_per_second,
        changes_per_second: rate,
        changes,
        routes: plan.routes,
        quiet,
        changing,
    })
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
