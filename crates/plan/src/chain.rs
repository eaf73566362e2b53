//! The plugins of a request in the order in which they run.

use std::sync::{Arc, LazyLock};

use model::Fault;
use model::resource::Plugins;
use plugin_api::registry::in_plugin;
use plugin_api::{BodyNeed, CompileInput, Condition, Phases, Plugin, PluginType, Registry, Reply};
use serde_json::Value;

use crate::references::References;
use crate::upstream::{FindSsl, InlineUpstreams};

/// Compiled plugins, the earliest in a phase first.
#[derive(Default)]
pub struct Chain {
    entries: Box<[Entry]>,
    phases: Phases,
    request_body: BodyNeed,
    response_body: BodyNeed,
    reads_fields: bool,
}

/// One plugin of a chain.
#[derive(Clone)]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// Higher first.
    pub priority: i32,
    /// The phases it takes part in.
    pub phases: Phases,
    /// The compiled configuration.
    pub plugin: Arc<dyn Plugin>,
    /// `_meta.filter`: when it does not hold, the plugin is left out.
    pub filter: Option<Condition>,
    /// `_meta.error_response`: the body of its refusals.
    pub error_response: Option<Value>,
    /// Whether it finds consumers: those run before a consumer's own plugins are known.
    pub is_authentication: bool,
    /// Whether it needs the request's body whole.
    pub request_body: BodyNeed,
    /// Whether its configuration names variables of the request's body (`post_arg_*`, `graphql_*`).
    pub reads_fields: bool,
}

/// What takes the place of a plugin that is disabled: it does nothing, and keeps the one of a weaker source from running.
struct Disabled;

impl Plugin for Disabled {
    fn phases(&self) -> Phases {
        Phases::default()
    }
}

impl Entry {
    fn disabled(plugin: &dyn PluginType) -> Self {
        Self {
            name: plugin.name(),
            priority: plugin.priority(),
            phases: Phases::default(),
            plugin: Arc::new(Disabled),
            filter: None,
            error_response: None,
            is_authentication: plugin.is_authentication(),
            request_body: BodyNeed::Stream,
            reads_fields: false,
        }
    }

    /// A refusal of this plugin as the client gets it: `_meta.error_response` takes the place of the body.
    pub fn shape(&self, reply: Reply) -> Reply {
        let Some(body) = &self.error_response else {
            return reply;
        };
        let shaped = match body {
            Value::String(text) => Reply::text(reply.status, text.clone()),
            other => Reply::json(reply.status, other),
        };
        let mut headers = reply.headers;
        headers.extend(shaped.headers);
        Reply { headers, ..shaped }
    }
}

/// Several sources of plugins in one chain; of two with one name the later source wins.
pub(crate) struct ChainBuilder<'a> {
    registry: &'a Registry,
    references: References,
    metadata: &'a dyn Fn(&str) -> Option<Arc<Value>>,
    /// For upstreams that stand in plugins.
    find_ssl: FindSsl<'a>,
    entries: Vec<Entry>,
}

impl<'a> ChainBuilder<'a> {
    pub(crate) fn new(
        registry: &'a Registry,
        references: References,
        metadata: &'a dyn Fn(&str) -> Option<Arc<Value>>,
        find_ssl: FindSsl<'a>,
    ) -> Self {
        Self { registry, references, metadata, find_ssl, entries: Vec::new() }
    }

    /// What it compiles with.
    pub(crate) fn sources(&self) -> (&'a Registry, References) {
        (self.registry, self.references)
    }

    /// Adds plugins of one owner. Pointers of faults are relative to the owner (`/plugins/key-auth/header`).
    pub(crate) fn add(&mut self, owner: &str, plugins: &Plugins) -> Result<&mut Self, Fault> {
        for (name, conf) in plugins {
            self.add_one(owner, name, conf).map_err(|fault| fault.under(&format!("/plugins/{}", escape(name))))?;
        }
        Ok(self)
    }

    /// Adds entries that were compiled before.
    pub(crate) fn add_entries(&mut self, entries: &[Entry]) -> &mut Self {
        for entry in entries {
            self.entries.retain(|other| other.name != entry.name);
            self.entries.push(entry.clone());
        }
        self
    }

    pub(crate) fn finish(mut self) -> Chain {
        self.entries.sort_by_key(|entry| std::cmp::Reverse(entry.priority));
        Chain::new(self.entries)
    }

    fn add_one(&mut self, owner: &str, name: &str, conf: &Value) -> Result<(), Fault> {
        let Some(plugin_type) = self.registry.get(name) else {
            return Err(Fault::new("", format!("unknown plugin [{name}]")));
        };
        self.entries.retain(|entry| entry.name != name);
        let meta = conf.get("_meta");
        let meta_field = |field: &str| meta.and_then(|meta| meta.get(field));
        if meta_field("disable") == Some(&Value::Bool(true)) {
            self.entries.push(Entry::disabled(plugin_type));
            return Ok(());
        }
        let filter = meta_field("filter").map(Condition::compile).transpose();
        let metadata = (self.metadata)(name);
        let upstreams = InlineUpstreams { owner, find_ssl: self.find_ssl };
        let compile = |conf: &Value| {
            plugin_type.compile(&CompileInput { conf, metadata: metadata.as_deref(), owner, upstreams: &upstreams })
        };
        let plugin = self.references.compile(conf, owner, compile).map_err(|fault| in_plugin(name, fault))?;
        let priority = meta_field("priority").and_then(Value::as_i64).and_then(|priority| priority.try_into().ok());
        self.entries.push(Entry {
            name: plugin_type.name(),
            priority: priority.unwrap_or_else(|| plugin_type.priority()),
            phases: plugin.phases(),
            request_body: plugin.request_body(),
            reads_fields: names_fields(conf),
            plugin,
            filter: filter.map_err(|fault| fault.under("/_meta/filter"))?,
            error_response: meta_field("error_response").cloned(),
            is_authentication: plugin_type.is_authentication(),
        });
        Ok(())
    }
}

/// Whether a configuration names a variable of the request's body, in a filter, a condition, a key or a text. One that only
/// looks like it costs no more than that the body is read.
fn names_fields(conf: &Value) -> bool {
    match conf {
        Value::String(text) => text.contains("post_arg") || text.contains("graphql_"),
        Value::Array(items) => items.iter().any(names_fields),
        Value::Object(fields) => fields.values().any(names_fields),
        _ => false,
    }
}

/// A key as a part of a JSON pointer (RFC 6901).
fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

impl Chain {
    /// The chain, and of empty ones always the same: most routes of a large group have none of their own.
    pub(crate) fn shared(self) -> Arc<Self> {
        static EMPTY: LazyLock<Arc<Chain>> = LazyLock::new(Arc::default);
        if self.entries.is_empty() { EMPTY.clone() } else { Arc::new(self) }
    }

    fn new(entries: Vec<Entry>) -> Self {
        let phases = entries.iter().fold(Phases::default(), |all, entry| all.and(entry.phases));
        let widest = |need: fn(&dyn Plugin) -> BodyNeed| {
            entries.iter().map(|entry| need(&*entry.plugin)).fold(BodyNeed::Stream, BodyNeed::and)
        };
        let request_body = widest(|plugin| plugin.request_body());
        let response_body = widest(|plugin| plugin.response_body());
        let reads_fields = entries.iter().any(|entry| entry.reads_fields);
        Self { entries: entries.into(), phases, request_body, response_body, reads_fields }
    }

    /// All plugins, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Whether any plugin takes part in this phase.
    pub fn has(&self, phase: Phases) -> bool {
        self.phases.has(phase)
    }

    /// Whether any plugin wants the request's body whole.
    pub fn request_body(&self) -> BodyNeed {
        self.request_body
    }

    /// Whether any plugin's configuration names variables of the request's body.
    pub fn reads_fields(&self) -> bool {
        self.reads_fields
    }

    /// Whether any plugin wants the response's body whole.
    pub fn response_body(&self) -> BodyNeed {
        self.response_body
    }

    /// This chain with a consumer's plugins laid over it.
    pub fn with_consumer(&self, consumer: &Chain) -> Chain {
        let mut entries: Vec<_> = self.entries.to_vec();
        entries.retain(|entry| !consumer.entries.iter().any(|other| other.name == entry.name));
        entries.extend(consumer.entries.iter().cloned());
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.priority));
        Chain::new(entries)
    }
}
