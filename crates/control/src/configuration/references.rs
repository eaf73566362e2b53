//! Who refers to whom within a group, kept in step with its state.

use std::collections::{BTreeSet, HashMap};

use model::change::Body;
use model::{Kind, ResourceId, ResourceKey};
use serde::Deserialize;

/// What a reference names: a kind and an id. Upstreams are named by id alone, wherever they stand.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Target {
    pub(super) kind: Kind,
    pub(super) id: ResourceId,
}

/// A reference and where in the referring resource it stands.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub(super) target: Target,
    pub(super) pointer: &'static str,
}

/// Index of references and of what they can name.
#[derive(Debug, Default)]
pub(super) struct References {
    referrers: HashMap<Target, BTreeSet<ResourceKey>>,
    /// Upstreams by id: they may stand below any service or on their own.
    upstreams: HashMap<ResourceId, BTreeSet<ResourceKey>>,
}

impl References {
    /// Takes up a resource.
    pub(super) fn add(&mut self, key: &ResourceKey, body: &Body) {
        for link in links(key, body) {
            self.referrers.entry(link.target).or_default().insert(key.clone());
        }
        if key.kind == Kind::Upstream {
            self.upstreams.entry(key.id.clone()).or_default().insert(key.clone());
        }
    }

    /// Takes a resource out again that was added with this body.
    pub(super) fn remove(&mut self, key: &ResourceKey, body: &Body) {
        for link in links(key, body) {
            take(&mut self.referrers, &link.target, key);
        }
        if key.kind == Kind::Upstream {
            take(&mut self.upstreams, &key.id, key);
        }
    }

    /// Those that refer to the target.
    pub(super) fn referrers(&self, target: &Target) -> impl Iterator<Item = &ResourceKey> {
        self.referrers.get(target).into_iter().flatten()
    }

    /// The upstreams with this id.
    pub(super) fn upstreams(&self, id: &ResourceId) -> impl Iterator<Item = &ResourceKey> {
        self.upstreams.get(id).into_iter().flatten()
    }
}

fn take<K: std::hash::Hash + Eq>(index: &mut HashMap<K, BTreeSet<ResourceKey>>, at: &K, key: &ResourceKey) {
    if let Some(keys) = index.get_mut(at) {
        keys.remove(key);
        if keys.is_empty() {
            index.remove(at);
        }
    }
}

/// The fields of resources that refer to others.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Fields {
    service_id: Option<ResourceId>,
    upstream_id: Option<ResourceId>,
    plugin_config_id: Option<ResourceId>,
    group_id: Option<ResourceId>,
    tls: Option<Tls>,
    upstream: Option<Inline>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Inline {
    tls: Option<Tls>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Tls {
    client_cert_id: Option<ResourceId>,
}

/// What a resource refers to. References within plugins (traffic-split's upstreams) are not among them: clients
/// create such upstreams after the routes that name them.
pub(super) fn links(key: &ResourceKey, body: &[u8]) -> Vec<Link> {
    if !matches!(key.kind, Kind::Service | Kind::Route | Kind::StreamRoute | Kind::Upstream | Kind::Consumer) {
        return Vec::new();
    }
    let fields: Fields = serde_json::from_slice(body).unwrap_or_default();
    let client_cert = |tls: Option<Tls>| tls.and_then(|tls| tls.client_cert_id);
    let all = [
        (Kind::Service, fields.service_id, "/service_id"),
        (Kind::Upstream, fields.upstream_id, "/upstream_id"),
        (Kind::PluginConfig, fields.plugin_config_id, "/plugin_config_id"),
        (Kind::ConsumerGroup, fields.group_id, "/group_id"),
        (Kind::Ssl, client_cert(fields.tls), "/tls/client_cert_id"),
        (Kind::Ssl, client_cert(fields.upstream.and_then(|inline| inline.tls)), "/upstream/tls/client_cert_id"),
    ];
    let named = all.into_iter().filter_map(|(kind, id, pointer)| Some((kind, id?, pointer)));
    named.map(|(kind, id, pointer)| Link { target: Target { kind, id }, pointer }).collect()
}
