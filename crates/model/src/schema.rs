//! JSON Schemas of the resources, made from the types.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::id::Kind;
use crate::resource;

/// Schema of a resource's body (draft 2020-12) with every default; sub-schemas stand inline, because
/// clients read `type`, `properties` and `default` only and see through neither `$ref` nor `oneOf`.
pub fn of(kind: Kind) -> Value {
    let schema = match kind {
        Kind::Service => generate::<resource::Service>(),
        Kind::Route => generate::<resource::Route>(),
        Kind::StreamRoute => generate::<resource::StreamRoute>(),
        Kind::Upstream => generate::<resource::Upstream>(),
        Kind::Consumer => generate::<resource::Consumer>(),
        Kind::Credential => generate::<resource::Credential>(),
        Kind::Ssl => generate::<resource::Ssl>(),
        Kind::GlobalRule => generate::<resource::GlobalRule>(),
        Kind::PluginMetadata => generate::<resource::PluginMetadata>(),
        Kind::PluginConfig => generate::<resource::PluginConfig>(),
    };
    schema.to_value()
}

fn generate<T: schemars::JsonSchema>() -> schemars::Schema {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    settings.into_generator().into_root_schema_for::<T>()
}
