//! The second step of a batch: compile what it touches. Nothing is changed yet but the slots that are given out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use model::resource::{
    Consumer, ConsumerGroup, Credential, GlobalRule, PluginConfig, PluginMetadata, Route, Service, Ssl, Upstream,
};
use model::{Fault, Kind, ResourceId, ResourceKey};
use serde_json::Value;

use super::{Compiler, Dirty, Rejection};
use crate::chain::{Chain, ChainBuilder};
use crate::compile::{self, CompiledService, PlacedRoute, RouteContext};
use crate::consumers::{self, CompiledConsumer, Consumers};
use crate::router::UpstreamChoice;
use crate::tls::{self, CompiledSsl};
use crate::upstream::{self, CompiledUpstream};

/// Everything compiled anew, ready to be installed; `None` for what is gone.
#[derive(Default)]
pub(super) struct Stage {
    pub(super) upstreams: Vec<(u32, ResourceKey, Option<Arc<CompiledUpstream>>)>,
    pub(super) services: HashMap<ResourceId, Option<CompiledService>>,
    pub(super) plugin_configs: HashMap<ResourceId, Option<Arc<Chain>>>,
    pub(super) routes: Vec<(ResourceId, Option<PlacedRoute>)>,
    pub(super) consumers: Option<Consumers>,
    pub(super) ssls: Vec<(ResourceId, Option<CompiledSsl>)>,
    pub(super) global: Option<GlobalRules>,
    /// Whose faults are those of the batch.
    pub(super) blamed: Blamed,
    /// What can be served, or is gone.
    pub(super) sound: Vec<ResourceKey>,
    /// What cannot, through no fault of the batch.
    pub(super) faulty: BTreeMap<ResourceKey, Rejection>,
}

/// The global rules' plugins; `closed` when one of the rules cannot be served, for it may guard everything.
#[derive(Default)]
pub(super) struct GlobalRules {
    pub(super) chain: Arc<Chain>,
    pub(super) closed: bool,
}

/// Whose faults refuse a batch. Faults that were there before it do not: otherwise one object that an older version
/// accepted would keep its group from ever being changed.
#[derive(Default)]
pub(super) enum Blamed {
    /// Nobody: what is taken up was accepted before.
    #[default]
    Nobody,
    /// What the batch touches, and what was sound before it.
    Batch { touched: BTreeSet<ResourceKey> },
}

impl Compiler {
    /// Compiles what is touched.
    pub(super) fn stage(&mut self, dirty: Dirty, blamed: Blamed) -> Result<Stage, Rejection> {
        let mut stage = Stage { blamed, ..Stage::default() };
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
            self.stage_global(&mut stage)?;
        }
        Ok(stage)
    }

    /// Notes whether an object can be served; `None` when it cannot and the batch is not to blame.
    fn settle<T>(
        &self,
        stage: &mut Stage,
        key: &ResourceKey,
        outcome: Result<T, Rejection>,
    ) -> Result<Option<T>, Rejection> {
        match outcome {
            Ok(compiled) => {
                stage.sound.push(key.clone());
                Ok(Some(compiled))
            }
            Err(rejection) if self.is_blamed(&stage.blamed, &rejection) => Err(rejection),
            Err(rejection) => {
                stage.faulty.insert(key.clone(), rejection);
                Ok(None)
            }
        }
    }

    /// Whoever removes what others refer to has been told of them, so a reference that dangles is not held against the
    /// batch, unless it comes with it.
    fn is_blamed(&self, blamed: &Blamed, rejection: &Rejection) -> bool {
        match blamed {
            Blamed::Nobody => false,
            Blamed::Batch { touched } => {
                touched.contains(&rejection.key)
                    || !(rejection.is_dangling() || self.faulty.contains_key(&rejection.key))
            }
        }
    }

    fn stage_upstream(&mut self, stage: &mut Stage, key: ResourceKey) -> Result<(), Rejection> {
        let owner = key.to_string();
        let slot = self.slot(&owner);
        let compiled = self.read::<Upstream>(&key).and_then(|resource| {
            let compiled = resource.map(|resource| upstream::compile(slot, &owner, &resource, &|id| self.ssl(id)));
            compiled.transpose().map_err(|fault| Rejection::new(&key, fault))
        });
        let compiled = self.settle(stage, &key, compiled)?.flatten();
        stage.upstreams.push((slot, key, compiled.map(Arc::new)));
        Ok(())
    }

    fn stage_plugin_config(&mut self, stage: &mut Stage, id: ResourceId) -> Result<(), Rejection> {
        let key = ResourceKey::new(Kind::PluginConfig, id);
        let chain = self.read::<PluginConfig>(&key).and_then(|resource| {
            let chain = resource.map(|resource| self.chain(&key, &resource.plugins));
            chain.transpose()
        });
        let chain = self.settle(stage, &key, chain)?.flatten();
        stage.plugin_configs.insert(key.id, chain.map(Arc::new));
        Ok(())
    }

    fn stage_service(&mut self, stage: &mut Stage, id: ResourceId) -> Result<(), Rejection> {
        let key = ResourceKey::new(Kind::Service, id);
        let slot = self.slot(&format!("service/{}", key.id));
        let compiled = self.compile_service(&key, slot);
        let compiled = self.settle(stage, &key, compiled)?.flatten();
        let (service, own) = compiled.map_or((None, None), |(service, own)| (Some(service), own));
        stage.upstreams.push((slot, key.clone(), own));
        stage.services.insert(key.id, service);
        Ok(())
    }

    fn compile_service(&mut self, key: &ResourceKey, slot: u32) -> Result<Option<ServiceParts>, Rejection> {
        let Some(service) = self.read::<Service>(key)? else { return Ok(None) };
        let owner = format!("service/{}", key.id);
        let own = service.upstream.as_ref().map(|own| upstream::compile(slot, &owner, own, &|id| self.ssl(id)));
        let own = own.transpose().map_err(|fault| Rejection::new(key, fault.under("/upstream")))?;
        let upstream = match (&own, &service.upstream_id) {
            (_, Some(id)) => UpstreamChoice::Shared(self.upstream_slot(Some(&key.id), id)),
            (Some(_), None) => UpstreamChoice::Shared(slot),
            (None, None) => UpstreamChoice::None,
        };
        let chain = Arc::new(self.chain(key, &service.plugins)?);
        Ok(Some((CompiledService { service, chain, upstream }, own.map(Arc::new))))
    }

    fn stage_route(&mut self, stage: &mut Stage, id: ResourceId) -> Result<(), Rejection> {
        let key = ResourceKey::new(Kind::Route, id);
        let placed = self.compile_route(stage, &key);
        let placed = match self.settle(stage, &key, placed)? {
            Some(placed) => placed,
            None => self.close_route(&key),
        };
        stage.routes.push((key.id, placed));
        Ok(())
    }

    fn compile_route(&mut self, stage: &Stage, key: &ResourceKey) -> Result<Option<PlacedRoute>, Rejection> {
        let Some(route) = self.read::<Route>(key)? else { return Ok(None) };
        let slot = self.slot(&format!("route/{}", key.id));
        let upstream_slot = route.upstream_id.as_ref().map(|id| self.upstream_slot(route.service_id.as_ref(), id));
        let context = RouteContext {
            slot,
            id: &key.id,
            service: named(key, "/service_id", &route.service_id, |id| match stage.services.get(id) {
                Some(staged) => staged.as_ref(),
                None => self.services.get(id),
            })?,
            plugin_config: named(key, "/plugin_config_id", &route.plugin_config_id, |id| {
                let staged = stage.plugin_configs.get(id);
                staged.map_or_else(|| self.plugin_configs.get(id), Option::as_ref).map(Arc::as_ref)
            })?,
            upstream_slot,
            find_ssl: &|id| self.ssl(id),
        };
        let (metadata, find_ssl) = (self.metadata(), |id: &ResourceId| self.ssl(id));
        let builder = ChainBuilder::new(self.registry, self.references, &metadata, &find_ssl);
        compile::route(&route, &context, builder).map(Some).map_err(|fault| Rejection::new(key, fault))
    }

    /// Where requests would find a route that cannot be served, so that they are refused and not taken by another.
    fn close_route(&mut self, key: &ResourceKey) -> Option<PlacedRoute> {
        let slot = self.slot(&format!("route/{}", key.id));
        let route = compile::matching_part(self.state.get(key)?)?;
        let service = route.service_id.as_ref().map(|id| ResourceKey::new(Kind::Service, id.clone()));
        let service = service.map(|key| self.state.get(&key).and_then(|body| serde_json::from_slice(body).ok()));
        Some(compile::closed(&route, slot, &key.id, service.as_ref()))
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
            let inserted = self.compile_consumer(&key).and_then(|compiled| {
                let inserted = compiled.map(|compiled| consumers.insert(compiled));
                inserted.transpose().map_err(|fault| Rejection::new(&key, fault))
            });
            self.settle(stage, &key, inserted)?;
        }
        stage.consumers = Some(consumers);
        Ok(())
    }

    fn compile_consumer(&mut self, key: &ResourceKey) -> Result<Option<CompiledConsumer>, Rejection> {
        let Some(consumer) = self.read::<Consumer>(key)? else { return Ok(None) };
        let credentials = self.credentials(&key.id)?;
        let group = self.consumer_group(key, &consumer)?;
        let slot = self.slot(&format!("consumer/{}", key.id));
        let (metadata, find_ssl) = (self.metadata(), |id: &ResourceId| self.ssl(id));
        let builder = ChainBuilder::new(self.registry, self.references, &metadata, &find_ssl);
        let compiled = consumers::compile(slot, &consumer, group.as_ref(), &credentials, builder);
        compiled.map(Some).map_err(|fault| Rejection::new(key, fault))
    }

    fn consumer_group(&self, key: &ResourceKey, consumer: &Consumer) -> Result<Option<ConsumerGroup>, Rejection> {
        let Some(id) = &consumer.group_id else { return Ok(None) };
        let group = self.read::<ConsumerGroup>(&ResourceKey::new(Kind::ConsumerGroup, id.clone()))?;
        group.map(Some).ok_or_else(|| Rejection::dangling(key, "/group_id", id))
    }

    fn credentials(&self, consumer: &ResourceId) -> Result<Vec<(String, Credential)>, Rejection> {
        let all = self.state.below(Kind::Credential, consumer);
        all.map(|(key, body)| Ok((key.id.to_string(), parse(key, body)?))).collect()
    }

    fn stage_ssl(&mut self, stage: &mut Stage, id: ResourceId) -> Result<(), Rejection> {
        let key = ResourceKey::new(Kind::Ssl, id);
        let compiled = self.read::<Ssl>(&key).and_then(|ssl| {
            let compiled = ssl.map(|ssl| tls::compile(&ssl)).transpose();
            compiled.map_err(|fault| Rejection::new(&key, fault))
        });
        let compiled = self.settle(stage, &key, compiled)?.flatten().flatten();
        stage.ssls.push((key.id, compiled));
        Ok(())
    }

    fn stage_global(&mut self, stage: &mut Stage) -> Result<(), Rejection> {
        let (metadata, find_ssl) = (self.metadata(), |id: &ResourceId| self.ssl(id));
        let mut builder = ChainBuilder::new(self.registry, self.references, &metadata, &find_ssl);
        let mut closed = false;
        for (key, body) in self.state.of_kind(Kind::GlobalRule) {
            let added = parse::<GlobalRule>(key, body).and_then(|rule| {
                let added = builder.add(&key.to_string(), &rule.plugins);
                added.map(drop).map_err(|fault| Rejection::new(key, fault))
            });
            closed |= self.settle(stage, key, added)?.is_none();
        }
        stage.global = Some(GlobalRules { chain: Arc::new(builder.finish()), closed });
        Ok(())
    }

    fn ssl(&self, id: &ResourceId) -> Option<Ssl> {
        self.read(&ResourceKey::new(Kind::Ssl, id.clone())).ok().flatten()
    }

    fn chain(&self, key: &ResourceKey, plugins: &model::resource::Plugins) -> Result<Chain, Rejection> {
        let (metadata, find_ssl) = (self.metadata(), |id: &ResourceId| self.ssl(id));
        let mut builder = ChainBuilder::new(self.registry, self.references, &metadata, &find_ssl);
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
        let Some(body) = self.state.get(key) else { return Ok(None) };
        match self.references.in_certificates(key, body) {
            Some(resolved) => serde_json::from_value(resolved).map(Some).map_err(|error| unreadable(key, &error)),
            None => parse(key, body).map(Some),
        }
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
}

/// A service, and the upstream that stands in it.
type ServiceParts = (CompiledService, Option<Arc<CompiledUpstream>>);

/// The object that a reference names.
fn named<'t, T: ?Sized>(
    key: &ResourceKey,
    pointer: &str,
    id: &Option<ResourceId>,
    find: impl FnOnce(&ResourceId) -> Option<&'t T>,
) -> Result<Option<&'t T>, Rejection> {
    let Some(id) = id else { return Ok(None) };
    find(id).map(Some).ok_or_else(|| Rejection::dangling(key, pointer, id))
}

fn parse<T: serde::de::DeserializeOwned>(key: &ResourceKey, body: &[u8]) -> Result<T, Rejection> {
    serde_json::from_slice(body).map_err(|error| unreadable(key, &error))
}

fn unreadable(key: &ResourceKey, error: &serde_json::Error) -> Rejection {
    Rejection::new(key, Fault::new("", error.to_string()))
}
