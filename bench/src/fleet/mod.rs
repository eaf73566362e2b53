//! Convergence: how long until one change has reached all instances of a large group.
//!
//! The instances are simulated, but only in that they carry no traffic: each joins with a key and a
//! certificate of its own, holds its own TLS connection and stream, verifies and applies every frame by the
//! rules of `wire`, and acknowledges it.

mod connect;
mod instance;

use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::cpu::settled_rss_kib;
use crate::proxies::flotilla::{ControlPlane, put, route};
use crate::statistics::Tail;
use instance::Ack;

/// How long all instances together may take to join, and each change to arrive.
const JOIN_LIMIT: Duration = Duration::from_secs(180);
const CHANGE_LIMIT: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Convergence {
    pub(crate) instances: usize,
    /// From the accepted write until the last instance has acknowledged it.
    pub(crate) latency_ms: Tail,
    pub(crate) kib_per_instance: f64,
    pub(crate) joined_in_seconds: f64,
}

/// Joins `instances` instances to a group of their own and makes `changes` changes, one after another.
pub(crate) fn measure(control: &mut ControlPlane, instances: usize, changes: u32) -> Result<Convergence> {
    let group = control.create_group("convergence")?;
    control.put(&group, "upstreams/bench", &json!({ "type": "roundrobin", "nodes": { "127.0.0.1:1": 1 } }))?;
    let token = control.join_token(&group, instances)?;
    let before_kib = settled_rss_kib(control.process.pid())?;
    let begun = Instant::now();
    let fleet = Fleet::join(control, &token, instances)?;
    let joined_in_seconds = begun.elapsed().as_secs_f64();
    let latencies: Result<Vec<f64>> = (0..changes).map(|number| fleet.one_change(control, &group, number)).collect();
    let latency_ms = Tail::of(latencies?).context("no change was made")?;
    let after_kib = settled_rss_kib(control.process.pid())?;
    let kib_per_instance = (after_kib - before_kib) / instances.max(1) as f64;
    Ok(Convergence { instances, latency_ms, kib_per_instance, joined_in_seconds })
}

/// All simulated instances; they end with it.
struct Fleet {
    instances: usize,
    acks: mpsc::Receiver<Ack>,
    runtime: Runtime,
    tasks: JoinSet<Result<()>>,
}

impl Fleet {
    /// Returns once each has acknowledged its first configuration.
    fn join(control: &ControlPlane, token: &str, instances: usize) -> Result<Self> {
        // One thread: the control plane shall have a processor to itself.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let (said, acks) = mpsc::channel();
        let mut tasks = JoinSet::new();
        let setup = instance::Setup::new(control.channel, token, instances)?;
        for number in 0..instances {
            tasks.spawn_on(instance::run(setup.clone(), number, said.clone()), runtime.handle());
        }
        let mut fleet = Self { instances, acks, runtime, tasks };
        fleet.first_acks()?;
        Ok(fleet)
    }

    fn first_acks(&mut self) -> Result<()> {
        let deadline = Instant::now() + JOIN_LIMIT;
        for joined in 0..self.instances {
            while let Err(reason) = self.acks.recv_timeout(Duration::from_millis(200)) {
                self.expect_all_alive()?;
                if Instant::now() > deadline {
                    bail!("only {joined} of {} instances joined: {reason}", self.instances);
                }
            }
        }
        Ok(())
    }

    fn expect_all_alive(&mut self) -> Result<()> {
        match self.tasks.try_join_next() {
            None => Ok(()),
            Some(Ok(Ok(()))) => bail!("an instance's stream ended"),
            Some(Ok(Err(error))) => Err(error.context("an instance ended")),
            Some(Err(error)) => Err(error.into()),
        }
    }

    /// Milliseconds from the accepted write to the last acknowledgement.
    fn one_change(&self, control: &mut ControlPlane, group: &str, number: u32) -> Result<f64> {
        put(&mut control.api, group, "routes/moved", &route(&format!("/moved/{number}"), &json!({})))?;
        let accepted = Instant::now();
        let mut last = accepted;
        for arrived in 0..self.instances {
            let left = CHANGE_LIMIT.saturating_sub(accepted.elapsed());
            let ack = self.acks.recv_timeout(left);
            let ack = ack.with_context(|| format!("change {number}: {arrived} of {} instances", self.instances))?;
            last = last.max(ack.at);
        }
        Ok((last - accepted).as_secs_f64() * 1e3)
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        let _inside = self.runtime.enter();
        self.tasks.abort_all();
    }
}
