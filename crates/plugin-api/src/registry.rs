//! The plugins of this build by name.

use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};

use model::Fault;
use serde_json::{Value, json};

use crate::PluginType;
use crate::defaults;
use crate::schema::Schema;

/// All plugins by name. Built once; `plugins::registry()` gives the built-in one.
pub struct Registry {
    by_name: HashMap<&'static str, Listed>,
}

/// A plugin with its schemas, which are compiled when they are first needed: an instance never checks any.
struct Listed {
    plugin: &'static dyn PluginType,
    schema: OnceLock<Schema>,
    consumer_schema: OnceLock<Schema>,
    metadata_schema: OnceLock<Schema>,
}

impl Registry {
    /// A registry of these plugins; of two with one name the later wins.
    pub fn new(types: impl IntoIterator<Item = &'static dyn PluginType>) -> Self {
        Self { by_name: types.into_iter().map(|plugin| (plugin.name(), Listed::new(plugin))).collect() }
    }

    /// The plugin of this name.
    pub fn get(&self, name: &str) -> Option<&'static dyn PluginType> {
        self.by_name.get(name).map(|listed| listed.plugin)
    }

    /// All plugins, the earliest in a phase first.
    pub fn by_priority(&self) -> Vec<&'static dyn PluginType> {
        let mut all: Vec<_> = self.by_name.values().map(|listed| listed.plugin).collect();
        all.sort_by_key(|plugin| (std::cmp::Reverse(plugin.priority()), plugin.name()));
        all
    }

    /// Checks a plugin's configuration against its schema, `_meta` included. What a schema cannot say,
    /// [`PluginType::compile`] checks.
    ///
    /// # Errors
    /// APISIX's text, with the pointer of the wrong field within `conf`.
    pub fn check(&self, name: &str, conf: &Value) -> Result<(), Fault> {
        let listed = self.listed(name)?;
        let schema = listed.schema.get_or_init(|| Schema::compile(listed.plugin.schema()));
        let checked = schema.check(conf).map_err(|fault| listed.plugin.reword(conf, fault));
        checked.and_then(|()| check_meta(conf)).map_err(|fault| in_plugin(name, fault))
    }

    /// Checks a plugin's part of a consumer or credential. A plugin without such a part is configured there
    /// as on a route.
    ///
    /// # Errors
    /// As [`Registry::check`].
    pub fn check_consumer(&self, name: &str, conf: &Value) -> Result<(), Fault> {
        let listed = self.listed(name)?;
        let Some(schema) = listed.plugin.consumer_schema() else {
            return self.check(name, conf);
        };
        let schema = listed.consumer_schema.get_or_init(|| Schema::compile(schema));
        schema.check(conf).map_err(|fault| in_plugin(name, fault))
    }

    /// Checks a plugin's metadata. That of a plugin which reads none is stored as it is, if it is an object.
    ///
    /// # Errors
    /// As [`Registry::check`].
    pub fn check_metadata(&self, name: &str, metadata: &Value) -> Result<(), Fault> {
        let listed = self.listed(name)?;
        static ANY: LazyLock<Value> = LazyLock::new(|| json!({ "type": "object" }));
        let schema = listed.plugin.metadata_schema().unwrap_or(&ANY);
        let schema = listed.metadata_schema.get_or_init(|| Schema::compile(schema));
        schema.check(metadata).map_err(|fault| in_plugin(name, fault))
    }

    /// Puts the defaults of its schema into a configuration that was checked.
    pub fn fill(&self, name: &str, conf: &mut Value) {
        if let Some(plugin) = self.get(name) {
            defaults::fill(plugin.schema(), conf);
        }
    }

    /// As [`Registry::fill`], of a plugin's part of a consumer or credential.
    pub fn fill_consumer(&self, name: &str, conf: &mut Value) {
        if let Some(plugin) = self.get(name) {
            defaults::fill(plugin.consumer_schema().unwrap_or_else(|| plugin.schema()), conf);
        }
    }

    /// As [`Registry::fill`], of a plugin's metadata.
    pub fn fill_metadata(&self, name: &str, metadata: &mut Value) {
        if let Some(schema) = self.get(name).and_then(|plugin| plugin.metadata_schema()) {
            defaults::fill(schema, metadata);
        }
    }

    fn listed(&self, name: &str) -> Result<&Listed, Fault> {
        self.by_name.get(name).ok_or_else(|| Fault::new("", format!("unknown plugin [{name}]")))
    }
}

impl Listed {
    fn new(plugin: &'static dyn PluginType) -> Self {
        let not_yet = OnceLock::new;
        Self { plugin, schema: not_yet(), consumer_schema: not_yet(), metadata_schema: not_yet() }
    }
}

/// Whoever relies on a `pre_function` must not believe that it runs.
fn check_meta(conf: &Value) -> Result<(), Fault> {
    match conf.pointer("/_meta/pre_function") {
        Some(_) => {
            Err(Fault::new("/_meta/pre_function", "pre_function is Lua code, which is not supported: remove it"))
        }
        None => Ok(()),
    }
}

/// A fault in a plugin's configuration with the words that APISIX puts before it, whether the schema or
/// [`PluginType::compile`] found it.
pub fn in_plugin(name: &str, fault: Fault) -> Fault {
    let message = format!("failed to check the configuration of plugin {name} err: {}", fault.message);
    Fault { message, ..fault }
}
