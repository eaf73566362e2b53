//! What a gateway costs before the first request: memory, and time until it answers rightly.

use std::time::Instant;

use anyhow::Result;
use serde::Serialize;

use crate::case::Case;
use crate::cpu::settled_rss_kib;
use crate::load::route_path;
use crate::proxies::Site;
use crate::proxies::flotilla::{ControlPlane, Gateway};
use crate::statistics::Tail;

/// Restarts without a control plane.
const RESTARTS: usize = 10;

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Footprint {
    pub(crate) idle_rss_mib: f64,
    pub(crate) routes: u32,
    pub(crate) full_rss_mib: Option<f64>,
    pub(crate) kib_per_route: Option<f64>,
    pub(crate) join_ms: Option<f64>,
    pub(crate) restart_routes: u32,
    /// Milliseconds from starting the process to the first right answer.
    pub(crate) restart: Option<Tail>,
}

/// Measures with `routes` routes for memory and `restart_routes` for restarting. Ends the control plane.
pub(crate) fn measure(mut control: ControlPlane, site: &Site, routes: u32, restart_routes: u32) -> Result<Footprint> {
    let empty = control.create_group("footprint-empty")?;
    let mut idle = control.start_gateway(&empty, "footprint-empty", None)?;
    idle.wait_ready()?;
    let idle_kib = settled_rss_kib(idle.process.pid())?;
    drop(idle);

    let mut instance = |name: &str, routes: u32| -> Result<(Gateway, f64)> {
        let group = control.create_group(name)?;
        control.configure(&group, Case::Routes(routes), site)?;
        let begun = Instant::now();
        let mut gateway = control.start_gateway(&group, name, None)?;
        gateway.wait_right(&route_path(routes - 1), &[])?;
        Ok((gateway, begun.elapsed().as_secs_f64() * 1e3))
    };
    let (full, _) = instance("footprint-full", routes)?;
    let full_kib = settled_rss_kib(full.process.pid())?;
    drop(full);
    let (mut kept, join_ms) = instance("footprint-kept", restart_routes)?;
    control.process.crash();
    let mut restarts = Vec::new();
    for _ in 0..RESTARTS {
        let setup = kept.setup.clone();
        drop(kept);
        let begun = Instant::now();
        kept = setup.start()?;
        kept.wait_right(&route_path(restart_routes - 1), &[])?;
        restarts.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    Ok(Footprint {
        idle_rss_mib: idle_kib / 1024.0,
        routes,
        full_rss_mib: Some(full_kib / 1024.0),
        kib_per_route: Some((full_kib - idle_kib) / f64::from(routes)),
        join_ms: Some(join_ms),
        restart_routes,
        restart: Tail::of(restarts),
    })
}
