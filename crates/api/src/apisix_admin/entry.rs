//! How a resource looks in this API: `{"key": ..., "value": ..., "createdIndex": ..., "modifiedIndex": ...}`.

use model::resource::DEFAULT_UPSTREAM_NAME;
use model::{Kind, ResourceKey};
use serde_json::{Map, Value, json};
use store::config::StoredResource;

use super::refusal::Refusal;
use crate::shape;

/// etcd's path of a resource.
pub(super) fn path(key: &ResourceKey) -> String {
    let plural = key.kind.plural();
    match (key.kind, &key.parent) {
        (Kind::Credential, Some(consumer)) => format!("/apisix/consumers/{consumer}/credentials/{}", key.id),
        (Kind::Secret, _) => format!("/apisix/secrets/{}", key.id.as_str().replacen('.', "/", 1)),
        _ => format!("/apisix/{plural}/{}", key.id),
    }
}

/// Key and value, as a write is answered.
pub(super) fn written(stored: &StoredResource) -> Result<Value, Refusal> {
    Ok(json!({ "key": path(&stored.key), "value": value(stored)? }))
}

/// With the revisions that made it what it is, as a read is answered.
pub(super) fn read(stored: &StoredResource) -> Result<Value, Refusal> {
    let mut entry = written(stored)?;
    entry["createdIndex"] = stored.created_revision.into();
    entry["modifiedIndex"] = stored.revision.into();
    Ok(entry)
}

/// The resource in APISIX's names, without what only API7 knows.
pub(super) fn value(stored: &StoredResource) -> Result<Value, Refusal> {
    let mut value = shape::plain(stored)?;
    let Some(fields) = value.as_object_mut() else { return Ok(value) };
    if stored.key.kind == Kind::PluginMetadata {
        fields.insert("id".into(), stored.key.id.as_str().into());
        return Ok(value);
    }
    for name in ["created_at", "updated_at"] {
        fields.remove(name);
    }
    match stored.key.kind {
        Kind::Consumer => drop(fields.remove("id")),
        Kind::Secret => drop(fields.insert("id".into(), stored.key.id.as_str().replacen('.', "/", 1).into())),
        Kind::Route => rename(fields, "paths", "uris"),
        Kind::Service => without_api7(fields),
        _ => {}
    }
    without_our_defaults(fields);
    if let Some(upstream) = fields.get_mut("upstream").and_then(Value::as_object_mut) {
        without_our_defaults(upstream);
    }
    Ok(value)
}

fn rename(fields: &mut Map<String, Value>, from: &str, to: &str) {
    if let Some(value) = fields.remove(from) {
        fields.insert(to.to_owned(), value);
    }
}

/// APISIX has no defaults for these fields of an upstream: ours say what their absence says.
fn without_our_defaults(upstream: &mut Map<String, Value>) {
    drop_where(upstream, "retry_timeout", &json!(0));
    if let Some(probe) = upstream.get_mut("checks").and_then(|checks| checks.get_mut("active")?.as_object_mut()) {
        drop_where(probe, "http_method", &json!("GET"));
        drop_where(probe, "http_req_body", &json!(""));
    }
}

fn drop_where(fields: &mut Map<String, Value>, name: &str, value: &Value) {
    if fields.get(name) == Some(value) {
        fields.remove(name);
    }
}

/// Fields of a service that say nothing beyond APISIX's service.
fn without_api7(fields: &mut Map<String, Value>) {
    fields.remove("type");
    drop_where(fields, "status", &json!(1));
    if !fields.contains_key("path_prefix") {
        fields.remove("strip_path_prefix");
    }
    if let Some(upstream) = fields.get_mut("upstream").and_then(Value::as_object_mut) {
        drop_where(upstream, "name", &json!(DEFAULT_UPSTREAM_NAME));
    }
}
