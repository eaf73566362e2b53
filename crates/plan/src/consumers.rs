//! Consumers by what they prove themselves with.

use std::sync::Arc;

use model::Fault;
use model::resource::{Consumer, ConsumerGroup, Credential, Plugins};
use plugin_api::registry::in_plugin;
use plugin_api::{ConsumerEntry, ConsumerIndex, ConsumerInfo, PluginType, Registry};
use serde_json::Value;

use crate::chain::{Chain, ChainBuilder};
use crate::references::References;
use crate::sharded::ShardedMap;

/// A consumer with its credentials, ready to be found.
#[derive(Clone)]
pub struct CompiledConsumer {
    /// Its facts.
    pub info: Arc<ConsumerInfo>,
    /// Its plugins besides authentication.
    pub chain: Arc<Chain>,
    /// What it is found by.
    pub(crate) proofs: Vec<Proof>,
}

/// One credential: which plugin finds it, and by what.
#[derive(Clone)]
pub(crate) struct Proof {
    plugin: &'static str,
    key: Box<str>,
    entry: Arc<ConsumerEntry>,
    /// For faults: the plugin's configuration within the resource it stands in.
    pointer: String,
    /// Whether references in it were resolved.
    is_resolved: bool,
}

/// Who proves what, by what a plugin finds them by.
type Proofs = ShardedMap<Box<str>, Arc<ConsumerEntry>>;

/// All consumers of a group.
#[derive(Clone, Default)]
pub(crate) struct Consumers {
    by_name: ShardedMap<Box<str>, CompiledConsumer>,
    by_proof: Vec<(&'static str, Proofs)>,
}

impl Consumers {
    pub(crate) fn compiled(&self, username: &str) -> Option<&CompiledConsumer> {
        self.by_name.get(username)
    }

    /// # Errors
    /// When another consumer has the same proof.
    pub(crate) fn insert(&mut self, consumer: CompiledConsumer) -> Result<(), Fault> {
        // Before the first is put in, for nothing may stay behind of a consumer that is refused.
        let mut own = Vec::with_capacity(consumer.proofs.len());
        for proof in &consumer.proofs {
            let other = self.find(proof.plugin, &proof.key);
            if let Some(other) = other.filter(|other| other.consumer.slot != consumer.info.slot) {
                let other = &other.consumer.username;
                if proof.is_resolved {
                    // Nobody could see it before, and a variable must not keep a revision from being served.
                    tracing::error!(consumer = %consumer.info.username, plugin = proof.plugin, %other, "a credential that a reference leads to is another consumer's too");
                    continue;
                }
                return Err(Fault::new(proof.pointer.clone(), format!("is already used by consumer {other:?}")));
            }
            own.push(proof);
        }
        for proof in own {
            self.proofs_of(proof.plugin).insert(proof.key.clone(), proof.entry.clone());
        }
        self.by_name.insert(consumer.info.username.clone(), consumer);
        Ok(())
    }

    pub(crate) fn remove(&mut self, username: &str) {
        let Some(consumer) = self.by_name.get(username).cloned() else {
            return;
        };
        for proof in &consumer.proofs {
            let map = self.proofs_of(proof.plugin);
            // One that a reference led to may have been another's already.
            if map.get(&proof.key).is_some_and(|found| found.consumer.slot == consumer.info.slot) {
                map.remove(&proof.key);
            }
        }
        self.by_name.remove(username);
    }

    fn proofs_of(&mut self, plugin: &'static str) -> &mut Proofs {
        let at = self.by_proof.iter().position(|(name, _)| *name == plugin).unwrap_or_else(|| {
            self.by_proof.push((plugin, Proofs::default()));
            self.by_proof.len() - 1
        });
        &mut self.by_proof[at].1
    }
}

impl ConsumerIndex for Consumers {
    fn find(&self, plugin: &str, key: &str) -> Option<&Arc<ConsumerEntry>> {
        self.by_proof.iter().find(|(name, _)| *name == plugin)?.1.get(key)
    }

    fn by_name(&self, username: &str) -> Option<&Arc<ConsumerInfo>> {
        self.by_name.get(username).map(|consumer| &consumer.info)
    }
}

/// Compiles a consumer with its credentials (each with its id). Pointers of faults are relative to the
/// consumer for its own plugins, and to the credential for a credential's.
pub(crate) fn compile(
    slot: u32,
    consumer: &Consumer,
    group: Option<&ConsumerGroup>,
    credentials: &[(String, Credential)],
    mut builder: ChainBuilder<'_>,
) -> Result<CompiledConsumer, Fault> {
    let (registry, references) = builder.sources();
    let is_proof = |name: &str| registry.get(name).is_some_and(|plugin| plugin.is_authentication());
    let own: Plugins = consumer.plugins.iter().filter(|(name, _)| !is_proof(name)).map(clone_pair).collect();
    // Compiled for each member, whose chain it is part of. What is counted is counted for the group, as in APISIX.
    if let (Some(group), Some(id)) = (group, &consumer.group_id) {
        builder.add(&format!("consumer_group/{id}"), &group.plugins)?;
    }
    builder.add(&format!("consumer/{}", consumer.username), &own)?;
    let chain = Arc::new(builder.finish());
    let info = Arc::new(ConsumerInfo {
        slot,
        username: consumer.username.as_str().into(),
        group_id: consumer.group_id.as_ref().map(|id| id.as_str().into()),
        labels: consumer.labels.clone(),
        has_plugins: !chain.entries().is_empty(),
    });
    let mut proofs = Vec::new();
    let collector = Collector { registry, references, info: &info };
    collector.collect(&mut proofs, None, &consumer.plugins)?;
    for (id, credential) in credentials {
        collector.collect(&mut proofs, Some(id), &credential.plugins)?;
    }
    Ok(CompiledConsumer { info, chain, proofs })
}

fn clone_pair((name, conf): (&String, &Value)) -> (String, Value) {
    (name.clone(), conf.clone())
}

/// Finds the proofs of one consumer.
struct Collector<'a> {
    registry: &'a Registry,
    references: References,
    info: &'a Arc<ConsumerInfo>,
}

impl Collector<'_> {
    fn collect(&self, proofs: &mut Vec<Proof>, credential: Option<&str>, plugins: &Plugins) -> Result<(), Fault> {
        for (name, conf) in plugins {
            let Some(plugin) = self.registry.get(name).filter(|plugin| plugin.is_authentication()) else {
                continue;
            };
            let pointer = format!("/plugins/{name}");
            let owner = format!("consumer/{}", self.info.username);
            let proof = self.references.compile(conf, &owner, |used| self.proof(plugin, credential, used));
            if let Some(mut proof) = proof.map_err(|fault| in_plugin(name, fault).under(&pointer))? {
                proof.is_resolved = proof.entry.conf != *conf;
                proofs.push(Proof { pointer, ..proof });
            }
        }
        Ok(())
    }

    fn proof(&self, plugin: &dyn PluginType, credential: Option<&str>, conf: &Value) -> Result<Option<Proof>, Fault> {
        let Some(key) = plugin.credential_key(conf) else { return Ok(None) };
        let entry = Arc::new(ConsumerEntry {
            consumer: self.info.clone(),
            credential_id: credential.map(Into::into),
            conf: conf.clone(),
            prepared: plugin.prepare_credential(conf)?,
        });
        let (key, pointer) = (key.into(), String::new());
        Ok(Some(Proof { plugin: plugin.name(), key, entry, pointer, is_resolved: false }))
    }
}
