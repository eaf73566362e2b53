//! Everything that was measured, as JSON, as tables for people, and as a page of the documentation.

use serde::Serialize;

use crate::churn::Churn;
use crate::fleet::Convergence;
use crate::floods::Flooded;
use crate::footprint::Footprint;
use crate::idle::Idle;
use crate::machine::Machine;
use crate::memory::Memory;
use crate::permissions::Permissions;
use crate::plugins::PluginCost;
use crate::propagation::Propagation;
use crate::statistics::Spread;
use crate::table::Table;
use crate::target::Target;
use crate::traffic::Figures;

/// The result of one run. What was not asked for, or could not be measured, is absent.
#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) settings: Settings,
    pub(crate) traffic: Vec<Figures>,
    pub(crate) plugins: Vec<PluginCost>,
    pub(crate) footprint: Option<Footprint>,
    pub(crate) idle: Vec<Idle>,
    pub(crate) memory: Option<Memory>,
    pub(crate) propagation: Vec<Propagation>,
    pub(crate) churn: Option<Churn>,
    pub(crate) floods: Vec<Flooded>,
    pub(crate) convergence: Option<Convergence>,
    pub(crate) permissions: Option<Permissions>,
    pub(crate) targets: Vec<Target>,
    /// What could not be measured, and why.
    pub(crate) notes: Vec<String>,
}

/// How it was measured.
#[derive(Serialize)]
pub(crate) struct Settings {
    pub(crate) connections: usize,
    pub(crate) rounds: u32,
    pub(crate) seconds: f64,
    pub(crate) plugin_seconds: f64,
}

impl Report {
    /// As Markdown, which is readable on a terminal too.
    pub(crate) fn markdown(&self) -> String {
        let sections = [
            self.machine_section(),
            self.targets_section(),
            self.traffic_section(),
            self.plugins_section(),
            self.footprint_section(),
            self.idle_section(),
            self.memory_section(),
            self.propagation_section(),
            self.churn_section(),
            self.floods_section(),
            self.convergence_section(),
            self.permissions_section(),
            self.notes_section(),
        ];
        sections.into_iter().flatten().collect::<Vec<_>>().join("\n")
    }

    fn machine_section(&self) -> Option<String> {
        let Machine { cpu, cores, memory_mib, kernel, system, date, commit, versions } = &self.machine;
        let Settings { connections, rounds, seconds, plugin_seconds } = self.settings;
        let versions: Vec<_> = versions.iter().map(|(name, text)| format!("{name}: {text}")).collect();
        Some(format!(
            "Machine: {cpu}, {cores} cores, {memory_mib} MiB, Linux {kernel}, {system}. Date: {date}, commit {commit}.\n\n\
             {}.\n\n{connections} connections, {rounds} rounds of {seconds} s per case and proxy, interleaved; of {plugin_seconds} s with and \
             without each plugin.\n",
            versions.join("; ")
        ))
    }

    fn targets_section(&self) -> Option<String> {
        let mut table = Table::new(&["Target", "Measured", "At most", ""]);
        for target in &self.targets {
            let Target { name, measured, limit, unit, .. } = target;
            let verdict = if target.holds() { "holds" } else { "**missed**" };
            table.row([name.clone(), format!("{measured:.2} {unit}"), format!("{limit} {unit}"), verdict.to_owned()]);
        }
        table.section("Targets")
    }

    fn traffic_section(&self) -> Option<String> {
        let columns = [
            "Case",
            "Proxy",
            "CPU us/request",
            "min..max",
            "x nginx",
            "requests/s",
            "busy",
            "p50 us",
            "p99 us",
            "RSS MiB",
            "faults",
        ];
        let mut table = Table::new(&columns);
        for of in &self.traffic {
            table.row([
                of.case.clone(),
                of.peer.clone(),
                format!("{:.2}", of.cpu_us.median),
                format!("{:.2}..{:.2}", of.cpu_us.min, of.cpu_us.max),
                of.to_nginx.map_or_else(String::new, |ratio| format!("{ratio:.3}")),
                format!("{:.0}", of.requests_per_second),
                format!("{:.2}", of.busy),
                format!("{:.0}", of.p50_us),
                format!("{:.0}", of.p99_us),
                format!("{:.1}", of.rss_kib as f64 / 1024.0),
                format!("{}", of.wrong + of.errors),
            ]);
        }
        table.section("CPU per request")
    }

    fn plugins_section(&self) -> Option<String> {
        let mut table =
            Table::new(&["Plugin", "CPU us added", "min..max", "us without", "us with", "compared with", "faults"]);
        for of in &self.plugins {
            table.row([
                of.plugin.clone(),
                format!("{:.2}", of.added_us.median),
                format!("{:.2}..{:.2}", of.added_us.min, of.added_us.max),
                format!("{:.2}", of.without_us),
                format!("{:.2}", of.with_us),
                of.beside.clone().unwrap_or_else(|| "no plugin".to_owned()),
                of.faults.to_string(),
            ]);
        }
        table.section("CPU per request that a plugin adds")
    }

    fn footprint_section(&self) -> Option<String> {
        let of = self.footprint.as_ref()?;
        let mut table = Table::new(&["Memory and starting", ""]);
        let mut row = |name: String, value: Option<String>| {
            if let Some(value) = value {
                table.row([name, value]);
            }
        };
        row("Idle gateway, RSS".to_owned(), Some(format!("{:.1} MiB", of.idle_rss_mib)));
        row(format!("Gateway with {} routes, RSS", of.routes), of.full_rss_mib.map(|mib| format!("{mib:.1} MiB")));
        row("RSS per route".to_owned(), of.kib_per_route.map(|kib| format!("{kib:.2} KiB")));
        row("New instance: start to first right answer".to_owned(), of.join_ms.map(|ms| format!("{ms:.0} ms")));
        let restart =
            of.restart.map(|tail| format!("p50 {:.0} ms, max {:.0} ms of {}", tail.p50, tail.max, tail.samples));
        row(
            format!("Control plane dead: restart to first right answer, {} routes on disk", of.restart_routes),
            restart,
        );
        table.section("Footprint")
    }

    fn idle_section(&self) -> Option<String> {
        let mut table = Table::new(&["Proxy", "connections", "RSS KiB each", "RSS MiB before", "RSS MiB with them"]);
        for of in &self.idle {
            table.row([
                of.peer.clone(),
                format!("{} {}", of.connections, if of.is_tls { "TLS" } else { "plain" }),
                format!("{:.2}", of.kib_per_connection),
                format!("{:.1}", of.before_kib / 1024.0),
                format!("{:.1}", of.after_kib / 1024.0),
            ]);
        }
        table.section("Idle connections")
    }

    fn memory_section(&self) -> Option<String> {
        let of = self.memory.as_ref()?;
        let mut table = Table::new(&["Process", "turns", "seconds", "RSS MiB before", "RSS MiB after", "grown by"]);
        for (process, change) in [("gateway", of.gateway_kib), ("control plane", of.control_plane_kib)] {
            table.row([
                process.to_owned(),
                of.turns.to_string(),
                format!("{}", of.seconds),
                format!("{:.1}", change.before / 1024.0),
                format!("{:.1}", change.after / 1024.0),
                format!("{:.1} %", change.growth_percent()),
            ]);
        }
        table.section("Memory after much has come and gone")
    }

    fn propagation_section(&self) -> Option<String> {
        let mut table = Table::new(&["Routes", "changes", "p50 ms", "p99 ms", "max ms", "write p50 ms"]);
        for of in &self.propagation {
            let tail = of.latency_ms;
            table.row([
                of.routes.to_string(),
                tail.samples.to_string(),
                format!("{:.2}", tail.p50),
                format!("{:.2}", tail.p99),
                format!("{:.2}", tail.max),
                format!("{:.2}", of.write_ms.p50),
            ]);
        }
        table.section("From accepted write to first right answer")
    }

    fn churn_section(&self) -> Option<String> {
        let of = self.churn.as_ref()?;
        let columns = [
            "Load at",
            "changes/s",
            "changes",
            "p50 us",
            "p99 us",
            "of quiet p99",
            "min..max",
            "worker waits ms/s",
            "failed requests",
        ];
        let mut table = Table::new(&columns);
        let load = &of.load;
        let rate = format!("{}/s", load.requests_per_second);
        let median = |spread: &Spread| format!("{:.0}", spread.median);
        let none = || "-".to_owned();
        table.row([
            rate.clone(),
            "0".to_owned(),
            "0".to_owned(),
            median(&load.alone_p50_us),
            median(&load.alone_p99_us),
            none(),
            none(),
            median(&load.alone_wait_ms),
            none(),
        ]);
        table.row([
            rate,
            format!("{:.0}", of.changes_per_second),
            of.changes.to_string(),
            median(&load.p50_us),
            median(&load.p99_us),
            format!("{:.2}", load.ratio.median),
            format!("{:.2}..{:.2}", load.ratio.min, load.ratio.max),
            median(&load.wait_ms),
            load.failed.to_string(),
        ]);
        table.section("Changes under load")
    }

    fn floods_section(&self) -> Option<String> {
        let columns = [
            "Flood of",
            "its connections",
            "others' requests",
            "p99 us quiet",
            "p99 us flooded",
            "x",
            "min..max",
            "failed",
        ];
        let mut table = Table::new(&columns);
        for of in &self.floods {
            table.row([
                of.kind.to_owned(),
                of.connections.to_string(),
                format!("{}/s", of.load.requests_per_second),
                format!("{:.0}", of.load.alone_p99_us.median),
                format!("{:.0}", of.load.p99_us.median),
                format!("{:.2}", of.load.ratio.median),
                format!("{:.2}..{:.2}", of.load.ratio.min, of.load.ratio.max),
                of.load.failed.to_string(),
            ]);
        }
        table.section("Floods beside others' requests")
    }

    fn convergence_section(&self) -> Option<String> {
        let of = self.convergence.as_ref()?;
        let mut table = Table::new(&[
            "Instances",
            "changes",
            "p50 ms",
            "p99 ms",
            "max ms",
            "control plane RSS per instance",
            "joined in",
        ]);
        let tail = of.latency_ms;
        table.row([
            of.instances.to_string(),
            tail.samples.to_string(),
            format!("{:.1}", tail.p50),
            format!("{:.1}", tail.p99),
            format!("{:.1}", tail.max),
            format!("{:.1} KiB", of.kib_per_instance),
            format!("{:.1} s", of.joined_in_seconds),
        ]);
        table.section("A one-route change on all instances")
    }

    fn permissions_section(&self) -> Option<String> {
        let of = self.permissions.as_ref()?;
        let mut table = Table::new(&["What a user asks", "samples", "p50 ms", "p99 ms", "max ms"]);
        let login = [("login".to_owned(), of.login_ms)];
        for (what, tail) in of.lists_ms.iter().chain(&login) {
            let samples = tail.samples.to_string();
            let [p50, p99, max] = [tail.p50, tail.p99, tail.max].map(|ms| format!("{ms:.1}"));
            table.row([what.clone(), samples, p50, p99, max]);
        }
        let size = of.size;
        let text = format!(
            "PostgreSQL; {} groups with ten services each, {} users with {} permission policies of four statements each. One \
             decision among all policies of a user: {:.1} us.\n\n",
            size.groups, size.users, size.policies_per_user, of.decision_us
        );
        table.section("Permissions").map(|table| table.replacen("\n\n", &format!("\n\n{text}"), 1))
    }

    fn notes_section(&self) -> Option<String> {
        let lines: Vec<_> = self.notes.iter().map(|note| format!("- {note}\n")).collect();
        (!lines.is_empty()).then(|| format!("### Not measured\n\n{}", lines.concat()))
    }
}
