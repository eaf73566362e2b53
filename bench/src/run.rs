//! A whole run: puts everything up, measures part by part, and goes on when a part cannot be measured.

use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::case::{Case, Peer};
use crate::churn;
use crate::cpu::Cpu;
use crate::fleet;
use crate::floods;
use crate::footprint;
use crate::idle;
use crate::machine::Machine;
use crate::memory;
use crate::options::{Options, Part};
use crate::paced::Turns;
use crate::permissions;
use crate::plugins;
use crate::propagation;
use crate::proxies::flotilla::ControlPlane;
use crate::proxies::{Site, Subject, start_our_gateway, start_peer};
use crate::report::{Report, Settings};
use crate::target;
use crate::traffic;

/// Of each side of a round.
const CHURN_TURN: Duration = Duration::from_secs(3);
const FLOOD_TURN: Duration = Duration::from_secs(2);

/// Measures what `options` ask for. Configurations, data and logs go to `dir`.
pub(crate) fn run(options: &Options, dir: &Path) -> Result<Report> {
    let mut run = Run { options, site: Site::prepare(dir)?, report: empty_report(options) };
    for part in &options.parts {
        run.part(*part);
    }
    if options.quick {
        // Figures of a quick run say nothing; a verdict on them would be read all the same.
        run.report.targets.clear();
    }
    Ok(run.report)
}

fn empty_report(options: &Options) -> Report {
    Report {
        machine: Machine::read(&options.flotilla, &options.envoy),
        settings: Settings {
            connections: options.connections,
            rounds: options.rounds,
            seconds: options.seconds,
            plugin_seconds: options.plugin_seconds,
        },
        traffic: Vec::new(),
        plugins: Vec::new(),
        footprint: None,
        idle: Vec::new(),
        memory: None,
        propagation: Vec::new(),
        churn: None,
        floods: Vec::new(),
        convergence: None,
        permissions: None,
        targets: Vec::new(),
        notes: Vec::new(),
    }
}

struct Run<'a> {
    options: &'a Options,
    site: Site,
    report: Report,
}

impl Run<'_> {
    fn part(&mut self, part: Part) {
        eprintln!("measuring {part:?}");
        let outcome = match part {
            Part::Traffic => self.traffic(),
            Part::Plugins => self.plugins(),
            Part::Footprint => self.footprint(),
            Part::Idle => self.idle(),
            Part::Memory => self.memory(),
            Part::Propagation => self.propagation(),
            Part::Churn => self.churn(),
            Part::Floods => self.floods(),
            Part::Convergence => self.convergence(),
            Part::Permissions => self.permissions(),
        };
        if let Err(error) = outcome {
            self.note(format!("{part:?}"), &format!("{error:#}"));
        }
    }

    fn note(&mut self, what: impl Display, why: &str) {
        eprintln!("not measured: {what}: {why}");
        self.report.notes.push(format!("{what}: {}", why.replace('\n', " ")));
    }

    fn traffic(&mut self) -> Result<()> {
        let mut control = None;
        if self.options.peers.contains(&Peer::Flotilla) {
            match self.control_plane("traffic", Some(Cpu::Load)) {
                Ok(started) => control = Some(started),
                Err(error) => self.note("our gateway", &format!("{error:#}")),
            }
        }
        let mut subjects = self.subjects(&mut control);
        self.report.traffic = traffic::measure(&mut subjects, self.options.rounds())?;
        self.report.targets.extend(target::of_traffic(&self.report.traffic));
        Ok(())
    }

    /// All proxies of all cases that can be put up.
    fn subjects(&mut self, control: &mut Option<ControlPlane>) -> Vec<Subject> {
        let mut subjects = Vec::new();
        let pairs = self.options.cases.iter().flat_map(|case| self.options.peers.iter().map(|peer| (*case, *peer)));
        for (case, peer) in pairs.collect::<Vec<_>>() {
            match self.subject(control.as_mut(), case, peer) {
                Ok(subject) => subjects.extend(subject),
                Err(error) => self.note(format_args!("{peer} {case}"), &format!("{error:#}")),
            }
        }
        subjects
    }

    fn subject(&self, control: Option<&mut ControlPlane>, case: Case, peer: Peer) -> Result<Option<Subject>> {
        match (peer, control) {
            (Peer::Flotilla, Some(control)) => start_our_gateway(control, case, &self.site).map(Some),
            (Peer::Flotilla, None) => Ok(None),
            _ => start_peer(peer, case, &self.site, &self.options.envoy),
        }
    }

    fn plugins(&mut self) -> Result<()> {
        let mut control = self.control_plane("plugins", Some(Cpu::Load))?;
        let (wanted, rounds) = (&self.options.plugins, self.options.plugin_rounds());
        let (costs, missing) = plugins::measure(&mut control, &self.site, wanted, rounds)?;
        missing.iter().for_each(|(plugin, why)| self.note(format_args!("plugin {plugin}"), why));
        self.report.targets.extend(target::of_plugins(&costs));
        self.report.plugins = costs;
        Ok(())
    }

    fn idle(&mut self) -> Result<()> {
        let mut control = self.control_plane("idle", None)?;
        let connections = self.options.idle_connections;
        for case in [Case::Plain, Case::Tls] {
            let measured = idle::of_ours(&mut control, &self.site, case, connections)?;
            self.report.targets.push(target::of_idle(&measured));
            self.report.idle.push(measured);
            if self.options.peers.contains(&Peer::Nginx) {
                match idle::of_nginx(&self.site, case, connections) {
                    Ok(measured) => self.report.idle.push(measured),
                    Err(error) => self.note(format_args!("nginx with idle {case} connections"), &format!("{error:#}")),
                }
            }
        }
        Ok(())
    }

    fn memory(&mut self) -> Result<()> {
        let mut control = self.control_plane("memory", None)?;
        let duration = Duration::from_secs_f64(self.options.memory_seconds);
        let measured = memory::measure(&mut control, &self.site, duration)?;
        self.report.targets.push(target::of_memory(&measured));
        self.report.memory = Some(measured);
        Ok(())
    }

    fn footprint(&mut self) -> Result<()> {
        let control = self.control_plane("footprint", None)?;
        let (routes, restart_routes) = (self.options.footprint_routes, self.options.restart_routes);
        let measured = footprint::measure(control, &self.site, routes, restart_routes)?;
        self.report.targets.extend(target::of_footprint(&measured));
        self.report.footprint = Some(measured);
        Ok(())
    }

    fn propagation(&mut self) -> Result<()> {
        let mut control = self.control_plane("propagation", None)?;
        for routes in &self.options.propagation_routes {
            let measured = propagation::measure(&mut control, &self.site, *routes, self.options.changes)?;
            self.report.targets.push(target::of_propagation(&measured));
            self.report.propagation.push(measured);
        }
        Ok(())
    }

    fn churn(&mut self) -> Result<()> {
        let mut control = self.control_plane("churn", Some(Cpu::Load))?;
        let seconds = self.options.churn_seconds;
        let turns = Turns {
            rounds: (seconds / CHURN_TURN.as_secs_f64()).ceil() as u32,
            duration: CHURN_TURN.min(Duration::from_secs_f64(seconds)),
            requests_per_second: self.options.churn_rate,
        };
        let plan = churn::Plan { turns, changes_per_second: 100, routes: self.options.restart_routes };
        let measured = churn::measure(&mut control, &self.site, plan)?;
        self.report.targets.extend(target::of_churn(&measured));
        self.report.churn = Some(measured);
        Ok(())
    }

    fn floods(&mut self) -> Result<()> {
        let mut control = self.control_plane("floods", Some(Cpu::Load))?;
        let turns = Turns {
            rounds: self.options.flood_rounds,
            duration: FLOOD_TURN,
            requests_per_second: self.options.churn_rate,
        };
        self.report.floods = floods::measure(&mut control, &self.site, turns)?;
        self.report.targets.extend(target::of_floods(&self.report.floods));
        Ok(())
    }

    fn convergence(&mut self) -> Result<()> {
        let mut control = self.control_plane("convergence", None)?;
        let measured = fleet::measure(&mut control, self.options.instances, self.options.changes)?;
        self.report.targets.extend(target::of_convergence(&measured));
        self.report.convergence = Some(measured);
        Ok(())
    }

    fn permissions(&mut self) -> Result<()> {
        let dir = self.site.dir.join("permissions");
        std::fs::create_dir_all(&dir)?;
        let (mut control, _postgres) = permissions::control_plane(&self.options.flotilla, &dir)?;
        let Options { groups, users, policies_per_user, changes, .. } = *self.options;
        let size = permissions::Size { groups, users, policies_per_user, samples: changes as usize };
        let measured = permissions::measure(&mut control, size)?;
        self.report.targets.extend(target::of_permissions(&measured));
        self.report.permissions = Some(measured);
        Ok(())
    }

    /// A control plane of its own for each part, so that none inherits another's memory. Where CPU of proxies
    /// is measured it must keep off theirs; elsewhere it runs as it would in earnest.
    fn control_plane(&self, part: &str, cpu: Option<Cpu>) -> Result<ControlPlane> {
        let dir = self.site.dir.join(part);
        std::fs::create_dir_all(&dir)?;
        ControlPlane::start(Path::new(&self.options.flotilla), &dir, cpu)
    }
}
