//! The plugins of this build by name.

use std::collections::HashMap;

use crate::PluginType;

/// All plugins by name. Built once; `plugins::registry()` gives the built-in one.
pub struct Registry {
    by_name: HashMap<&'static str, &'static dyn PluginType>,
}

impl Registry {
    /// A registry of these plugins; of two with one name the later wins.
    pub fn new(types: impl IntoIterator<Item = &'static dyn PluginType>) -> Self {
        Self { by_name: types.into_iter().map(|plugin| (plugin.name(), plugin)).collect() }
    }

    /// The plugin of this name.
    pub fn get(&self, name: &str) -> Option<&'static dyn PluginType> {
        self.by_name.get(name).copied()
    }

    /// All plugins, the earliest in a phase first.
    pub fn by_priority(&self) -> Vec<&'static dyn PluginType> {
        let mut all: Vec<_> = self.by_name.values().copied().collect();
        all.sort_by_key(|plugin| (std::cmp::Reverse(plugin.priority()), plugin.name()));
        all
    }
}
