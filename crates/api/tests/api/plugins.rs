//! Two plugins, so that these tests do not hang on what the built-in ones do.

use std::sync::{Arc, LazyLock};

use model::Fault;
use plugin_api::{CompileInput, Phases, Plugin, PluginType, Registry};
use serde_json::{Value, json};

/// A plugin of this name; an authentication plugin has a `key` in consumers.
struct Named {
    name: &'static str,
    authentication: bool,
}

struct Nothing;

impl Plugin for Nothing {
    fn phases(&self) -> Phases {
        Phases::default()
    }
}

static ANY: LazyLock<Value> = LazyLock::new(|| json!({"type": "object"}));
static KEY: LazyLock<Value> =
    LazyLock::new(|| json!({"type": "object", "properties": {"key": {"type": "string"}}, "required": ["key"]}));

impl PluginType for Named {
    fn name(&self) -> &'static str {
        self.name
    }

    fn priority(&self) -> i32 {
        if self.authentication { 2500 } else { 500 }
    }

    fn schema(&self) -> &'static Value {
        &ANY
    }

    fn consumer_schema(&self) -> Option<&'static Value> {
        self.authentication.then_some(&*KEY)
    }

    fn metadata_schema(&self) -> Option<&'static Value> {
        Some(&ANY)
    }

    fn is_authentication(&self) -> bool {
        self.authentication
    }

    fn credential_key<'v>(&self, credential: &'v Value) -> Option<&'v str> {
        credential.get("key")?.as_str()
    }

    fn compile(&self, _: &CompileInput<'_>) -> Result<Arc<dyn Plugin>, Fault> {
        Ok(Arc::new(Nothing))
    }
}

/// `grpc-transcode`, which names a definition by its id.
pub(crate) fn transcoding() -> &'static Registry {
    static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
        let plugin: &'static dyn PluginType = &Named { name: "grpc-transcode", authentication: false };
        Registry::new([plugin])
    });
    &REGISTRY
}

/// `key-auth` and `prometheus`.
pub(crate) fn registry() -> &'static Registry {
    static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
        let plugins: [&'static dyn PluginType; 2] =
            [&Named { name: "key-auth", authentication: true }, &Named { name: "prometheus", authentication: false }];
        Registry::new(plugins)
    });
    &REGISTRY
}
