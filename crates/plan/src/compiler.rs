//! Follows a group's configuration change by change and keeps the plan that belongs to it.
//!
//! A batch is applied in three steps: put it into the state; compile what it touches into a
//! [`Stage`], which may fail and then leaves everything as it was; install the stage, which cannot.

mod staging;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use model::change::Body;
use model::resource::{Consumer, Service};
use model::{Change, Fault, GroupState, Kind, ResourceId, ResourceKey};
use plugin_api::Registry;
use serde_json::Value;

use crate::chain::Chain;
use crate::compile::{CompiledService, PlacedRoute};
use crate::plan::Plan;
use crate::references::References;
use crate::tls::{CompiledSsl, TlsMap};
use crate::upstream::CompiledUpstream;
use staging::{Blamed, Stage};

/// How a fault is worded that is a reference which leads nowhere.
pub(crate) const DANGLING: &str = "must name an existing";

/// Why a configuration cannot be served: which object, where in it, what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: Error at \"{pointer}\": {message}")]
pub struct Rejection {
    /// The object at fault.
    pub key: ResourceKey,
    /// JSON pointer within it.
    pub pointer: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl Rejection {
    fn new(key: &ResourceKey, fault: Fault) -> Self {
        Self { key: key.clone(), pointer: fault.pointer, message: fault.message }
    }

    /// Whether all that is wrong is a reference of its own that leads nowhere. Of references in plugins nobody is told
    /// who takes away what they name, so they count as any fault.
    fn is_dangling(&self) -> bool {
        self.message.starts_with(DANGLING)
    }

    /// Whether it is about a reference that leads nowhere, its own or a plugin's.
    pub fn is_of_reference(&self) -> bool {
        self.message.contains(DANGLING)
    }

    fn dangling(key: &ResourceKey, pointer: &str, id: &ResourceId) -> Self {
        Self::new(key, Fault::new(pointer, format!("{DANGLING} object, {id:?} is none")))
    }
}

/// The configuration of a group together with everything compiled from it.
pub struct Compiler {
    registry: &'static Registry,
    references: References,
    state: GroupState,
    plan: Plan,
    next_slot: u32,
    /// Slots by `kind/id`; a slot is never given to another.
    slots: HashMap<Box<str>, u32>,
    services: HashMap<ResourceId, CompiledService>,
    plugin_configs: HashMap<ResourceId, Arc<Chain>>,
    routes: HashMap<ResourceId, PlacedRoute>,
    routes_of_service: HashMap<ResourceId, BTreeSet<ResourceId>>,
    routes_of_plugin_config: HashMap<ResourceId, BTreeSet<ResourceId>>,
    ssls: BTreeMap<ResourceId, CompiledSsl>,
    /// What is part of the configuration and cannot be served: it fails closed.
    faulty: BTreeMap<ResourceKey, Rejection>,
}

/// What a batch touches, references followed.
#[derive(Default)]
struct Dirty {
    upstreams: BTreeSet<ResourceKey>,
    services: BTreeSet<ResourceId>,
    plugin_configs: BTreeSet<ResourceId>,
    routes: BTreeSet<ResourceId>,
    consumers: BTreeSet<ResourceId>,
    ssls: BTreeSet<ResourceId>,
    global: bool,
}

impl Compiler {
    /// A compiler of an empty configuration. References in it are texts; see [`Compiler::resolving`].
    pub fn new(registry: &'static Registry) -> Self {
        Self {
            registry,
            references: References::default(),
            state: GroupState::default(),
            plan: Plan::default(),
            next_slot: 1,
            slots: HashMap::new(),
            services: HashMap::new(),
            plugin_configs: HashMap::new(),
            routes: HashMap::new(),
            routes_of_service: HashMap::new(),
            routes_of_plugin_config: HashMap::new(),
            ssls: BTreeMap::new(),
            faulty: BTreeMap::new(),
        }
    }

    /// Resolves the references of plugins, as an instance does.
    #[must_use]
    pub fn resolving(self, references: References) -> Self {
        Self { references, ..self }
    }

    /// What is part of the configuration and cannot be served. Routes among it answer 503, consumers are not known,
    /// certificates are not shown; a global rule among it closes everything.
    pub fn faulty(&self) -> impl Iterator<Item = &Rejection> {
        self.faulty.values()
    }

    /// The configuration as it stands.
    pub fn state(&self) -> &GroupState {
        &self.state
    }

    /// The plan of the configuration as it stands.
    pub fn plan(&self) -> Plan {
        Plan { identity: Arc::new(()), ..self.plan.clone() }
    }

    /// Applies a batch: all of it, or nothing.
    ///
    /// # Errors
    /// The first object that the batch makes impossible to serve. State and plan are then as before.
    pub fn apply(&mut self, changes: &[Change]) -> Result<(), Rejection> {
        let with_owner = |change: &Change| [Some(change.key().clone()), owner(change.key())];
        let touched = changes.iter().flat_map(with_owner).flatten().collect();
        self.apply_blaming(changes, Blamed::Batch { touched })
    }

    /// Takes up what was accepted before: whatever of it cannot be served any more fails closed, see
    /// [`Compiler::faulty`].
    pub fn load(&mut self, changes: &[Change]) {
        // Nobody is to blame, so nothing is refused.
        let _ = self.apply_blaming(changes, Blamed::Nobody);
    }

    fn apply_blaming(&mut self, changes: &[Change], blamed: Blamed) -> Result<(), Rejection> {
        let before: Vec<_> = changes.iter().map(|change| (change.key().clone(), self.state.apply(change))).collect();
        let dirty = self.dirty(&before);
        match self.stage(dirty, blamed) {
            Ok(stage) => {
                self.install(stage);
                Ok(())
            }
            Err(rejection) => {
                for (key, body) in before.into_iter().rev() {
                    self.state.apply(
                        &body.map_or_else(|| Change::Delete(key.clone()), |body| Change::Put(key.clone(), body)),
                    );
                }
                Err(rejection)
            }
        }
    }

    // Step 1: what is touched

    fn dirty(&self, before: &[(ResourceKey, Option<Body>)]) -> Dirty {
        let mut dirty = Dirty::default();
        if before.iter().any(|(key, _)| key.kind == Kind::PluginMetadata) {
            // Metadata may be used by any plugin anywhere; it changes rarely.
            self.state.iter().for_each(|(key, _)| dirty.add(key));
        }
        for (key, body) in before {
            dirty.add(key);
            match key.kind {
                Kind::Service if self.faulty.contains_key(key) || self.concerns_routes(key, body.as_ref()) => {
                    dirty.routes.extend(self.routes_of_service.get(&key.id).into_iter().flatten().cloned());
                }
                // One that comes or goes below a service changes what its routes' references lead to.
                Kind::Upstream if body.is_some() != self.state.contains(key) => {
                    let routes = key.parent.as_ref().and_then(|service| self.routes_of_service.get(service));
                    dirty.routes.extend(routes.into_iter().flatten().cloned());
                }
                Kind::PluginConfig => {
                    dirty.routes.extend(self.routes_of_plugin_config.get(&key.id).into_iter().flatten().cloned());
                }
                Kind::Ssl => {
                    let shown = self.state.iter().filter(|(_, body)| names_client_cert(body, &key.id));
                    shown.for_each(|(key, _)| self.with_dependants(&mut dirty, key));
                }
                Kind::ConsumerGroup => {
                    dirty.consumers.extend(self.consumers_of_group(&key.id));
                }
                _ => {}
            }
        }
        dirty
    }

    /// An object, and what is put together from its plugins.
    fn with_dependants(&self, dirty: &mut Dirty, key: &ResourceKey) {
        dirty.add(key);
        let routes = match key.kind {
            Kind::Service => self.routes_of_service.get(&key.id),
            Kind::PluginConfig => self.routes_of_plugin_config.get(&key.id),
            _ => None,
        };
        dirty.routes.extend(routes.into_iter().flatten().cloned());
        if key.kind == Kind::ConsumerGroup {
            dirty.consumers.extend(self.consumers_of_group(&key.id));
        }
    }

    /// Consumer groups change rarely, so their members are looked for, not kept.
    fn consumers_of_group(&self, group: &ResourceId) -> impl Iterator<Item = ResourceId> {
        let is_member = |body: &Body| {
            let consumer: Option<Consumer> = serde_json::from_slice(body).ok();
            consumer.is_some_and(|consumer| consumer.group_id.as_ref() == Some(group))
        };
        self.state.of_kind(Kind::Consumer).filter(move |(_, body)| is_member(body)).map(|(key, _)| key.id.clone())
    }

    /// A service whose inline upstream alone changed does not concern its routes: they hold its slot.
    fn concerns_routes(&self, key: &ResourceKey, before: Option<&Body>) -> bool {
        let without_upstream = |body: Option<&Body>| {
            let mut service: Service = serde_json::from_slice(body?).ok()?;
            let had = service.upstream.take().is_some();
            Some((service, had))
        };
        let (before, after) = (without_upstream(before), without_upstream(self.state.get(key)));
        before.is_none() || before != after
    }

    // Step 3: install it

    fn install(&mut self, stage: Stage) {
        for (slot, key, compiled) in stage.upstreams {
            self.install_upstream(slot, &key, compiled);
        }
        install_all(&mut self.services, stage.services);
        install_all(&mut self.plugin_configs, stage.plugin_configs);
        for (id, placed) in stage.routes {
            self.install_route(id, placed);
        }
        if let Some(consumers) = stage.consumers {
            self.plan.consumers = consumers;
        }
        if !stage.ssls.is_empty() {
            for (id, compiled) in stage.ssls {
                match compiled {
                    Some(compiled) => self.ssls.insert(id, compiled),
                    None => self.ssls.remove(&id),
                };
            }
            self.plan.tls = Arc::new(TlsMap::new(&self.ssls));
        }
        if let Some(global) = stage.global {
            self.plan.global = global.chain;
            self.plan.closed = global.closed;
            // Rules that are gone were not looked at.
            self.faulty.retain(|key, _| key.kind != Kind::GlobalRule);
        }
        for key in stage.sound {
            self.faulty.remove(&key);
        }
        self.faulty.extend(stage.faulty);
    }

    fn install_upstream(&mut self, slot: u32, key: &ResourceKey, compiled: Option<Arc<CompiledUpstream>>) {
        let named = key.kind == Kind::Upstream;
        match compiled {
            Some(compiled) => {
                self.plan.upstreams.insert(slot, compiled);
                if named {
                    self.plan.upstream_slots.insert(key.to_string().into(), slot);
                }
            }
            None => {
                self.plan.upstreams.remove(&slot);
                if named {
                    self.plan.upstream_slots.remove(key.to_string().as_str());
                }
            }
        }
    }

    fn install_route(&mut self, id: ResourceId, placed: Option<PlacedRoute>) {
        if let Some(old) = self.routes.remove(&id) {
            for place in &old.places {
                self.plan.router.remove(place, old.route.info.slot);
            }
            self.plan.routed_by_body -= usize::from(old.route.reads_body());
            unlink(&mut self.routes_of_service, old.service_id.as_ref(), &id);
            unlink(&mut self.routes_of_plugin_config, old.plugin_config_id.as_ref(), &id);
        }
        let Some(placed) = placed else {
            self.slots.remove(&*format!("route/{id}"));
            self.plan.routes = self.routes.len();
            return;
        };
        for place in &placed.places {
            self.plan.router.insert(place, &placed.route);
        }
        self.plan.routed_by_body += usize::from(placed.route.reads_body());
        link(&mut self.routes_of_service, placed.service_id.as_ref(), &id);
        link(&mut self.routes_of_plugin_config, placed.plugin_config_id.as_ref(), &id);
        self.routes.insert(id, placed);
        self.plan.routes = self.routes.len();
    }
}

impl Dirty {
    fn add(&mut self, key: &ResourceKey) {
        let id = || key.id.clone();
        match key.kind {
            Kind::Service => drop(self.services.insert(id())),
            Kind::Route => drop(self.routes.insert(id())),
            Kind::Upstream => drop(self.upstreams.insert(key.clone())),
            Kind::Consumer => drop(self.consumers.insert(id())),
            Kind::Credential => self.consumers.extend(key.parent.clone()),
            Kind::Ssl => drop(self.ssls.insert(id())),
            Kind::GlobalRule => self.global = true,
            Kind::PluginConfig => drop(self.plugin_configs.insert(id())),
            // Streams are not served yet, protos and secrets not used; the others make those dirty that use them.
            Kind::StreamRoute | Kind::Proto | Kind::Secret | Kind::PluginMetadata | Kind::ConsumerGroup => {}
        }
    }
}

/// The consumer that a credential is compiled with.
fn owner(key: &ResourceKey) -> Option<ResourceKey> {
    let consumer = key.parent.clone().filter(|_| key.kind == Kind::Credential)?;
    Some(ResourceKey::new(Kind::Consumer, consumer))
}

/// Whether a resource has an upstream that shows this certificate, its own or in a plugin. Hardly any has one, so the
/// text is asked first.
fn names_client_cert(body: &[u8], id: &ResourceId) -> bool {
    const FIELD: &[u8] = b"client_cert_id";
    if !body.windows(FIELD.len()).any(|window| window == FIELD) {
        return false;
    }
    holds_client_cert(&serde_json::from_slice(body).unwrap_or_default(), id.as_str())
}

fn holds_client_cert(value: &Value, id: &str) -> bool {
    match value {
        Value::Object(fields) => {
            fields.get("client_cert_id").and_then(Value::as_str) == Some(id)
                || fields.values().any(|field| holds_client_cert(field, id))
        }
        Value::Array(items) => items.iter().any(|item| holds_client_cert(item, id)),
        _ => false,
    }
}

fn install_all<T>(into: &mut HashMap<ResourceId, T>, staged: HashMap<ResourceId, Option<T>>) {
    for (id, compiled) in staged {
        match compiled {
            Some(compiled) => into.insert(id, compiled),
            None => into.remove(&id),
        };
    }
}

fn link(index: &mut HashMap<ResourceId, BTreeSet<ResourceId>>, target: Option<&ResourceId>, route: &ResourceId) {
    if let Some(target) = target {
        index.entry(target.clone()).or_default().insert(route.clone());
    }
}

fn unlink(index: &mut HashMap<ResourceId, BTreeSet<ResourceId>>, target: Option<&ResourceId>, route: &ResourceId) {
    let Some(target) = target else { return };
    if let Some(routes) = index.get_mut(target) {
        routes.remove(route);
        if routes.is_empty() {
            index.remove(target);
        }
    }
}

#[cfg(test)]
mod tests;
