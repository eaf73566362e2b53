//! Follows a group's configuration change by change and keeps the plan that belongs to it.
//!
//! A batch is applied in three steps: put it into the state; compile what it touches into a
//! [`Stage`], which may fail and then leaves everything as it was; install the stage, which cannot.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use model::change::Body;
use model::resource::{
    Consumer, ConsumerGroup, Credential, GlobalRule, PluginConfig, PluginMetadata, Route, Service, Ssl, Upstream,
};
use model::{Change, Fault, GroupState, Kind, ResourceId, ResourceKey};
use plugin_api::Registry;
use serde_json::Value;

use crate::chain::{Chain, ChainBuilder};
use crate::compile::{self, CompiledService, PlacedRoute, RouteContext};
use crate::consumers::{self, Consumers};
use crate::plan::Plan;
use crate::references::References;
use crate::router::UpstreamChoice;
use crate::tls::{self, CompiledSsl, TlsMap};
use crate::upstream::{self, CompiledUpstream};

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

/// Everything compiled anew, ready to be installed; `None` for what is gone.
#[derive(Default)]
struct Stage {
    upstreams: Vec<(u32, ResourceKey, Option<Arc<CompiledUpstream>>)>,
    services: HashMap<ResourceId, Option<CompiledService>>,
    plugin_configs: HashMap<ResourceId, Option<Arc<Chain>>>,
    routes: Vec<(ResourceId, Option<PlacedRoute>)>,
    consumers: Option<Consumers>,
    ssls: Vec<(ResourceId, Option<CompiledSsl>)>,
    global: Option<Arc<Chain>>,
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
        }
    }

    /// Resolves the references of plugins, as an instance does.
    #[must_use]
    pub fn resolving(self, references: References) -> Self {
        Self { references, ..self }
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
    /// The first object that cannot be served. State and plan are then as before.
    pub fn apply(&mut self, changes: &[Change]) -> Result<(), Rejection> {
        let before: Vec<_> = changes.iter().map(|change| (change.key().clone(), self.state.apply(change))).collect();
        let dirty = self.dirty(&before);
        match self.stage(dirty) {
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
                Kind::Service if self.concerns_routes(key, body.as_ref()) => {
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
                Kind::Ssl => self
                    .state
                    .iter()
                    .filter(|(_, body)| names_client_cert(body, &key.id))
                    .for_each(|(key, _)| dirty.add(key)),
                Kind::ConsumerGroup => {
                    dirty.consumers.extend(self.consumers_of_group(&key.id));
                }
                _ => {}
            }
        }
        dirty
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

    // Step 2: compile it

    fn stage(&mut self, dirty: Dirty) -> Result<Stage, Rejection> {
        let mut stage = Stage::default();
        for key in dirty.upstreams {
            self.stage_upstream(&mut stage, key)?;
        }
        for id in dirty.plugin_configs {
            self.stage_plugin_config(&mut stage, id)?;
        }
        for id in dirty.services {
            self.stage_service(&mut stage, id)?;
        }
        for id in dirty.routes {
            self.stage_route(&mut stage, id)?;
        }
        self.stage_consumers(&mut stage, dirty.consumers)?;
        for id in dirty.ssls {
            self.stage_ssl(&mut stage, id)?;
        }
        if dirty.global {
            stage.global = Some(Arc::new(self.global_chain()?));
        }
        Ok(stage)
    }

    fn stage_upstream(&mut self, stage: &mut Stage, key: ResourceKey) -> Result<(), Rejection> {
        let owner = key.to_string();
        let slot = self.slot(&owner);
        let compiled =
            self.read::<Upstream>(&key)?.map(|resource| upstream::compile(slot, &owner, &resource, &|id| self.ssl(id)));
        let compiled = compiled.transpose().map_err(|fault| Rejection::new(&key, fault))?;
        stage.upstreams.push((slot, key, compiled.map(Arc::new)));
        Ok(())
    }

    fn stage_plugin_config(&mut self, stage: &mut Stage, id: ResourceId) -> Result<(), Rejection> {
        let key = ResourceKey::new(Kind::PluginConfig, id);
        let chain = match self.read::<PluginConfig>(&key)? {
            Some(resource) => Some(self.chain(&key, &resource.plugins)?),
            None => None,
        };
        stage.plugin_configs.insert(key.id, chain.map(Arc::new));
        Ok(())
    }

    fn stage_service(&mut self, stage: &mut Stage, id: ResourceId) -> Result<(), Rejection> {
        let key = ResourceKey::new(Kind::Service, id);
        let owner = format!("service/{}", key.id);
        let slot = self.slot(&owner);
        let Some(service) = self.read::<Service>(&key)? else {
            stage.upstreams.push((slot, key.clone(), None));
            stage.services.insert(key.id, None);
            return Ok(());
        };
        let own = service.upstream.as_ref().map(|own| upstream::compile(slot, &owner, own, &|id| self.ssl(id)));
        let own = own.transpose();
        let own = own.map_err(|fault| Rejection::new(&key, fault.under("/upstream")))?;
        let upstream = match (&own, &service.upstream_id) {
            (Some(_), _) => UpstreamChoice::Shared(slot),
            (None, Some(id)) => UpstreamChoice::Shared(self.upstream_slot(Some(&key.id), id)),
            (None, None) => UpstreamChoice::None,
        };
        stage.upstreams.push((slot, key.clone(), own.map(Arc::new)));
        let chain = Arc::new(self.chain(&key, &service.plugins)?);
        stage.services.insert(key.id, Some(CompiledService { service, chain, upstream }));
        Ok(())
    }

    fn stage_route(&mut self, stage: &mut Stage, id: ResourceId) -> Result<(), Rejection> {
        let key = ResourceKey::new(Kind::Route, id);
        let Some(route) = self.read::<Route>(&key)? else {
            stage.routes.push((key.id, None));
            return Ok(());
        };
        let slot = self.slot(&format!("route/{}", key.id));
        let upstream_slot = route.upstream_id.as_ref().map(|id| self.upstream_slot(route.service_id.as_ref(), id));
        let context = RouteContext {
            slot,
            id: &key.id,
            service: self.named(&key, "/service_id", &route.service_id, |id| match stage.services.get(id) {
                Some(staged) => staged.as_ref(),
                None => self.services.get(id),
            })?,
            plugin_config: self.named(&key, "/plugin_config_id", &route.plugin_config_id, |id| {
                let staged = stage.plugin_configs.get(id);
                staged.map_or_else(|| self.plugin_configs.get(id), Option::as_ref).map(Arc::as_ref)
            })?,
            upstream_slot,
            find_ssl: &|id| self.ssl(id),
        };
        let metadata = self.metadata();
        let builder = ChainBuilder::new(self.registry, self.references, &metadata);
        let placed = compile::route(&route, &context, builder).map_err(|fault| Rejection::new(&key, fault))?;
        stage.routes.push((key.id, Some(placed)));
        Ok(())
    }

    /// The object that a reference names.
    fn named<'t, T: ?Sized>(
        &self,
        key: &ResourceKey,
        pointer: &str,
        id: &Option<ResourceId>,
        find: impl FnOnce(&ResourceId) -> Option<&'t T>,
    ) -> Result<Option<&'t T>, Rejection> {
        let Some(id) = id else { return Ok(None) };
        let missing =
            || Rejection::new(key, Fault::new(pointer, format!("must name an existing object, {id:?} is none")));
        find(id).map(Some).ok_or_else(missing)
    }

    /// All changed consumers leave before any comes back, so that two can swap their keys.
    fn stage_consumers(&mut self, stage: &mut Stage, ids: BTreeSet<ResourceId>) -> Result<(), Rejection> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut consumers = self.plan.consumers.clone();
        for id in &ids {
            consumers.remove(id.as_str());
        }
        for id in ids {
            let key = ResourceKey::new(Kind::Consumer, id);
            let Some(consumer) = self.read::<Consumer>(&key)? else {
                continue;
            };
            let credentials = self.credentials(&key.id)?;
            let group = self.consumer_group(&key, &consumer)?;
            let slot = self.slot(&format!("consumer/{}", key.id));
            let metadata = self.metadata();
            let builder = ChainBuilder::new(self.registry, self.references, &metadata);
            consumers::compile(slot, &consumer, group.as_ref(), &credentials, builder)
                .and_then(|compiled| consumers.insert(compiled))
                .map_err(|fault| Rejection::new(&key, fault))?;
        }
        stage.consumers = Some(consumers);
        Ok(())
    }

    fn consumer_group(&self, key: &ResourceKey, consumer: &Consumer) -> Result<Option<ConsumerGroup>, Rejection> {
        let Some(id) = &consumer.group_id else { return Ok(None) };
        let group = self.read::<ConsumerGroup>(&ResourceKey::new(Kind::ConsumerGroup, id.clone()))?;
        let missing = || Fault::new("/group_id", format!("must name an existing object, {id:?} is none"));
        group.map(Some).ok_or_else(|| Rejection::new(key, missing()))
    }

    fn credentials(&self, consumer: &ResourceId) -> Result<Vec<(String, Credential)>, Rejection> {
        let all = self.state.below(Kind::Credential, consumer);
        all.map(|(key, body)| Ok((key.id.to_string(), parse(key, body)?))).collect()
    }

    fn stage_ssl(&mut self, stage: &mut Stage, id: ResourceId) -> Result<(), Rejection> {
        let key = ResourceKey::new(Kind::Ssl, id);
        let compiled = self.read::<Ssl>(&key)?.map(|ssl| tls::compile(&ssl)).transpose();
        let compiled = compiled.map_err(|fault| Rejection::new(&key, fault))?.flatten();
        stage.ssls.push((key.id, compiled));
        Ok(())
    }

    fn ssl(&self, id: &ResourceId) -> Option<Ssl> {
        serde_json::from_slice(self.state.get(&ResourceKey::new(Kind::Ssl, id.clone()))?).ok()
    }

    fn global_chain(&self) -> Result<Chain, Rejection> {
        let metadata = self.metadata();
        let mut builder = ChainBuilder::new(self.registry, self.references, &metadata);
        for (key, body) in self.state.of_kind(Kind::GlobalRule) {
            let rule: GlobalRule = parse(key, body)?;
            builder.add(&key.to_string(), &rule.plugins).map_err(|fault| Rejection::new(key, fault))?;
        }
        Ok(builder.finish())
    }

    fn chain(&self, key: &ResourceKey, plugins: &model::resource::Plugins) -> Result<Chain, Rejection> {
        let metadata = self.metadata();
        let mut builder = ChainBuilder::new(self.registry, self.references, &metadata);
        builder.add(&key.to_string(), plugins).map_err(|fault| Rejection::new(key, fault))?;
        Ok(builder.finish())
    }

    fn metadata(&self) -> impl Fn(&str) -> Option<Arc<Value>> {
        |plugin| {
            let key = ResourceKey::new(Kind::PluginMetadata, ResourceId::new(plugin).ok()?);
            let metadata: PluginMetadata = serde_json::from_slice(self.state.get(&key)?).ok()?;
            Some(Arc::new(Value::Object(metadata.fields)))
        }
    }

    fn read<T: serde::de::DeserializeOwned>(&self, key: &ResourceKey) -> Result<Option<T>, Rejection> {
        self.state.get(key).map(|body| parse(key, body)).transpose()
    }

    /// The slot of the upstream that a reference names: one below the service, else one on its own. It need
    /// not exist yet.
    fn upstream_slot(&mut self, service: Option<&ResourceId>, id: &ResourceId) -> u32 {
        let below = service.map(|service| ResourceKey::below(service.clone(), Kind::Upstream, id.clone()));
        let key = below.filter(|key| self.state.contains(key));
        self.slot(&key.unwrap_or_else(|| ResourceKey::new(Kind::Upstream, id.clone())).to_string())
    }

    fn slot(&mut self, owner: &str) -> u32 {
        if let Some(slot) = self.slots.get(owner) {
            return *slot;
        }
        let slot = self.next_slot;
        self.next_slot += 1;
        self.slots.insert(owner.into(), slot);
        slot
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
            self.plan.global = global;
        }
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

/// Whether a resource has an upstream that shows this certificate. Hardly any has one, so the text is asked first.
fn names_client_cert(body: &[u8], id: &ResourceId) -> bool {
    const FIELD: &[u8] = b"client_cert_id";
    if !body.windows(FIELD.len()).any(|window| window == FIELD) {
        return false;
    }
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let named = ["/tls/client_cert_id", "/upstream/tls/client_cert_id"].map(|pointer| body.pointer(pointer));
    named.into_iter().flatten().any(|named| named.as_str() == Some(id.as_str()))
}

fn parse<T: serde::de::DeserializeOwned>(key: &ResourceKey, body: &[u8]) -> Result<T, Rejection> {
    serde_json::from_slice(body).map_err(|error| Rejection::new(key, Fault::new("", error.to_string())))
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
