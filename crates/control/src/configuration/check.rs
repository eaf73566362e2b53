//! Is one resource right in itself? From what a user wrote to canonical bytes.

use model::change::Body;
use model::resource::DEFAULT_UPSTREAM_NAME;
use model::{Fault, Faults, Kind, Resource, ResourceKey, json, validate};
use plugin_api::Registry;
use serde_json::Value;

/// Checks a body and gives its canonical bytes, with defaults filled in.
pub(super) fn body(registry: &Registry, key: &ResourceKey, value: &Value) -> Result<Body, Faults> {
    let value = named(key, without_id(key, value)?);
    let resource = validate::validate(key.kind, &value)?;
    let faults = faults(registry, key, &resource);
    if !faults.is_empty() {
        return Err(Faults(faults));
    }
    let value = resource.to_value().map_err(|error| Fault::new("", error.to_string()))?;
    Ok(json::canonical(&value).into())
}

/// An `id` in the body is the path's or a mistake; it is no part of what is stored.
fn without_id(key: &ResourceKey, value: &Value) -> Result<Value, Fault> {
    let mut value = value.clone();
    if key.kind == Kind::PluginMetadata {
        return Ok(value);
    }
    let id = value.as_object_mut().and_then(|fields| fields.remove("id"));
    match id {
        Some(Value::String(id)) if id == key.id.as_str() => Ok(value),
        Some(_) => Err(must_be_own_id("/id", key)),
        None => Ok(value),
    }
}

/// A service's further upstream has a name, as clients are told (see [`model::schema::core`]).
fn named(key: &ResourceKey, mut value: Value) -> Value {
    let is_further = key.kind == Kind::Upstream && key.parent.is_some();
    if let Some(fields) = value.as_object_mut().filter(|_| is_further) {
        fields.entry("name").or_insert_with(|| DEFAULT_UPSTREAM_NAME.into());
    }
    value
}

fn must_be_own_id(pointer: &str, key: &ResourceKey) -> Fault {
    Fault::new(pointer, format!("must be {:?}, the id of the {}", key.id.as_str(), key.kind))
}

fn faults(registry: &Registry, key: &ResourceKey, resource: &Resource) -> Vec<Fault> {
    let plugins = resource.plugins().into_iter().flatten();
    let mut faults: Vec<Fault> =
        plugins.filter_map(|(name, conf)| plugin(registry, key.kind, name, conf).err()).collect();
    match resource {
        Resource::Consumer(consumer) if consumer.username != key.id.as_str() => {
            faults.push(must_be_own_id("/username", key));
        }
        Resource::PluginMetadata(metadata) => {
            let fields = Value::Object(metadata.fields.clone());
            faults.extend(registry.check_metadata(key.id.as_str(), &fields).err());
        }
        _ => {}
    }
    faults.extend(wrong_place(key));
    faults
}

fn plugin(registry: &Registry, kind: Kind, name: &str, conf: &Value) -> Result<(), Fault> {
    let checked = match kind {
        Kind::Consumer | Kind::Credential => registry.check_consumer(name, conf),
        _ => registry.check(name, conf),
    };
    checked.map_err(|fault| fault.under(&plugin_pointer(name)))
}

fn wrong_place(key: &ResourceKey) -> Option<Fault> {
    match (key.kind, &key.parent) {
        (Kind::Credential, None) => Some(Fault::new("", "a credential must stand below a consumer")),
        (Kind::Credential | Kind::Upstream, _) | (_, None) => None,
        (kind, Some(_)) => Some(Fault::new("", format!("a {kind} cannot stand below another resource"))),
    }
}

fn plugin_pointer(name: &str) -> String {
    format!("/plugins/{}", name.replace('~', "~0").replace('/', "~1"))
}
