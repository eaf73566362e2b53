//! What each plugin adds to a request: routes of one gateway process, each measured together with a route that has
//! all but the plugin and is asked the same.

mod credentials;
mod list;
mod pair;

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::{Value, json};

use crate::case::Case;
use crate::cpu::Cpu;
use crate::proxies::Site;
use crate::proxies::flotilla::{ControlPlane, Gateway, route, upstream};
use crate::sample::Rounds;
use crate::statistics::Spread;
use crate::upstream::Upstream;
use list::{Around, Entry};
use pair::Pair;

/// What one plugin costs.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct PluginCost {
    pub(crate) plugin: String,
    /// What the compared route has: nothing, or another plugin that this one needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) beside: Option<String>,
    /// CPU microseconds per request more than without it: each round's difference.
    pub(crate) added_us: Spread,
    /// CPU microseconds per request without it, and with it.
    pub(crate) without_us: f64,
    pub(crate) with_us: f64,
    pub(crate) faults: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first_fault: Option<String>,
}

/// The costs, and which plugins were not measured with the reason.
pub(crate) type Outcome = (Vec<PluginCost>, Vec<(String, String)>);

/// Measures the plugins that are wanted, or every one that our control plane knows.
pub(crate) fn measure(control: &mut ControlPlane, site: &Site, wanted: &[String], rounds: Rounds) -> Result<Outcome> {
    let sink = Upstream::start_sink()?;
    let node = site.upstream(Case::Plain);
    let group = control.create_group("plugins")?;
    control.put(&group, "upstreams/bench", &upstream("http", &[node]))?;
    control.put(&group, "routes/plain", &route("/p/plain", &json!({})))?;
    let log_file = site.dir.join("plugins").join("access.json");
    let entries = list::entries(&Around { upstream: node, sink: sink.address, log_file })?;
    for name in wanted {
        ensure!(entries.iter().any(|entry| entry.name == name), "the benchmark knows no plugin {name}");
    }
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    let mut missing = unknown(control, &entries)?;
    missing.retain(|(name, _)| is_wanted(name));
    let mut configured = Vec::new();
    for entry in entries.into_iter().filter(|entry| is_wanted(entry.name)) {
        match configure(control, &group, &entry) {
            Ok(()) => configured.push(entry),
            Err(error) => missing.push((entry.name.to_owned(), format!("{error:#}"))),
        }
    }
    let mut gateway = control.start_gateway(&group, "plugins", Some(Cpu::Proxy))?;
    gateway.wait_right("/p/plain", &[])?;
    let mut pairs = Vec::new();
    for entry in configured {
        let pair = Pair::new(entry, &gateway);
        match pair.check(&gateway) {
            Ok(()) => pairs.push(pair),
            Err(error) => missing.push((pair.entry.name.to_owned(), format!("{error:#}"))),
        }
    }
    Ok((in_turns(&mut gateway, pairs, rounds)?, missing))
}

/// Plugins that the control plane has and the list has not.
fn unknown(control: &mut ControlPlane, entries: &[Entry]) -> Result<Vec<(String, String)>> {
    let listed: BTreeSet<&str> = entries.iter().map(|entry| entry.name).collect();
    let all = control.api.call("GET", "/apisix/admin/plugins/list", &Value::Null)?;
    let names = all.as_array().context("no list of plugins")?.iter().filter_map(Value::as_str);
    let why = "the benchmark has no configuration for it (bench/src/plugins/list.rs)";
    Ok(names.filter(|name| !listed.contains(name)).map(|name| (name.to_owned(), why.to_owned())).collect())
}

fn configure(control: &mut ControlPlane, group: &str, entry: &Entry) -> Result<()> {
    if let Some(credential) = &entry.credential {
        control.put_credential(group, entry.name, credential)?;
    }
    let mut plugins = json!({ entry.name: entry.conf });
    if let Some((beside, conf)) = &entry.beside {
        plugins[*beside] = conf.clone();
    }
    control.put(group, &format!("routes/{}", entry.name), &route(&path(entry.name), &plugins))
}

fn path(plugin: &str) -> String {
    format!("/p/{plugin}")
}

fn in_turns(gateway: &mut Gateway, mut pairs: Vec<Pair>, rounds: Rounds) -> Result<Vec<PluginCost>> {
    for round in 1..=rounds.rounds {
        for pair in &mut pairs {
            eprint!("\rround {round}/{}: {:<24}", rounds.rounds, pair.entry.name);
            pair.measure(&mut gateway.process, rounds)?;
        }
    }
    eprintln!();
    Ok(pairs.into_iter().filter_map(Pair::cost).collect())
}
