//! A gateway instance with a configuration, without a control plane.

use std::net::SocketAddr;

use gateway::{AccessLog, Bound, PlanSlot, Running, Settings};
use model::{Change, Kind, ResourceId, ResourceKey};
use plugin_api::Registry;
use serde_json::Value;

use super::probe;

/// A gateway that serves.
pub(crate) struct Gateway {
    pub(crate) http: SocketAddr,
    pub(crate) https: SocketAddr,
    pub(crate) slot: PlanSlot,
    running: Running,
}

impl Gateway {
    /// One worker, test plugins, these resources.
    pub(crate) fn start(changes: Vec<Change>) -> Self {
        Self::start_with(settings(), probe::registry(), changes)
    }

    pub(crate) fn start_with(settings: Settings, registry: &'static Registry, changes: Vec<Change>) -> Self {
        let bound = Bound::new(settings).expect("addresses");
        let mut slot = PlanSlot::new(registry);
        slot.apply(&changes).expect("a configuration that can be served");
        let running = bound.serve(&slot.plans()).expect("workers");
        Self { http: running.http[0], https: running.https[0], slot, running }
    }

    /// Changes the configuration while it serves.
    pub(crate) fn apply(&mut self, changes: Vec<Change>) {
        self.slot.apply(&changes).expect("a configuration that can be served");
    }

    /// Connections that were closed at once.
    pub(crate) fn refused(&self) -> u64 {
        self.running.counters.totals().connections_refused
    }

    /// Drains and stops.
    pub(crate) async fn stop(self) {
        super::soon("the gateway stops", self.running.stop()).await.expect("workers end well");
    }
}

/// Loopback, free ports, one worker, no log.
pub(crate) fn settings() -> Settings {
    let free = SocketAddr::from(([127, 0, 0, 1], 0));
    Settings {
        http: vec![free],
        https: vec![free],
        status: None,
        metrics: None,
        workers: 1,
        access_log: AccessLog::Off,
        ..Settings::default()
    }
}

/// Creates or replaces `kind/id` or `kind/parent/id`.
pub(crate) fn put(path: &str, body: Value) -> Change {
    Change::Put(key(path), model::json::canonical(&body).into())
}

/// Removes it.
pub(crate) fn delete(path: &str) -> Change {
    Change::Delete(key(path))
}

fn key(path: &str) -> ResourceKey {
    let parts: Vec<_> = path.split('/').collect();
    let kind: Kind = parts[0].parse().expect("a kind");
    let id = |text: &str| ResourceId::new(text).expect("an id");
    match parts[1..] {
        [own] => ResourceKey::new(kind, id(own)),
        [parent, own] => ResourceKey::below(id(parent), kind, id(own)),
        _ => panic!("{path} is no key"),
    }
}
