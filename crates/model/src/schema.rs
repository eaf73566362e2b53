//! JSON Schemas of the resources, made from the types.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use serde_json::{Map, Value, json};

use crate::id::Kind;
use crate::resource;

/// Schema of a resource's body (draft 2020-12) with its defaults; sub-schemas stand inline.
pub fn of(kind: Kind) -> Value {
    generate(kind).to_value()
}

/// What `GET /api/schema/core` tells under `value`: a schema for each kind, in a form that clients can take the
/// defaults from. They read `type`, `properties`, `items` and `default`, see through neither `$ref` nor `oneOf` nor a
/// list of types, fill the scalars they find into what they are about to send, and compare it with what is stored. So
/// each scalar told here is stored where a user leaves it out, and none is stored that is not told here.
pub fn core() -> Value {
    let named = Kind::ALL.into_iter().map(|kind| (core_name(kind).to_owned(), core_schema(kind)));
    let mut all: Map<String, Value> = named.collect();
    all.insert("stream_service".to_owned(), stream_service());
    Value::Object(all)
}

fn core_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Credential => "consumer_credential",
        kind => kind.name(),
    }
}

fn core_schema(kind: Kind) -> Value {
    let mut schema = generate(kind);
    RecursiveTransform(plain).transform(&mut schema);
    let mut schema = schema.to_value();
    match kind {
        Kind::Service => name_upstream(&mut schema, "/properties/upstream/properties/name"),
        Kind::StreamRoute => make_stream(&mut schema),
        Kind::Upstream => name_upstream(&mut schema, "/properties/name"),
        Kind::Ssl => leave_client_open(&mut schema),
        _ => {}
    }
    schema
}

fn stream_service() -> Value {
    let mut schema = core_schema(Kind::Service);
    make_stream(&mut schema);
    if let Some(service_type) = schema.pointer_mut("/properties/type") {
        *service_type = json!({ "type": "string", "enum": ["stream"], "default": "stream" });
    }
    schema
}

/// A service's inline upstream is its default one; see [`crate::validate`]. API7 tells this name of further upstreams too,
/// which `control` gives it, for it knows what stands below a service.
fn name_upstream(schema: &mut Value, pointer: &str) {
    if let Some(name) = schema.pointer_mut(pointer).and_then(Value::as_object_mut) {
        name.insert("default".to_owned(), resource::DEFAULT_UPSTREAM_NAME.into());
    }
}

/// It has no defaults, and typed clients take what its fields tell for a client that lacks its certificates.
fn leave_client_open(schema: &mut Value) {
    if let Some(client) = schema.pointer_mut("/properties/client").and_then(Value::as_object_mut) {
        client.retain(|keyword, _| matches!(keyword.as_str(), "type" | "description"));
    }
}

/// The upstream of a stream has no Host header and no pool, and speaks TCP unless it says otherwise.
fn make_stream(schema: &mut Value) {
    let Some(upstream) = schema.pointer_mut("/properties/upstream/properties").and_then(Value::as_object_mut) else {
        return;
    };
    upstream.remove("pass_host");
    upstream.remove("keepalive_pool");
    if let Some(scheme) = upstream.get_mut("scheme").and_then(Value::as_object_mut) {
        scheme.insert("default".to_owned(), "tcp".into());
    }
}

fn generate(kind: Kind) -> Schema {
    match kind {
        Kind::Service => schema_of::<resource::Service>(),
        Kind::Route => schema_of::<resource::Route>(),
        Kind::StreamRoute => schema_of::<resource::StreamRoute>(),
        Kind::Upstream => schema_of::<resource::Upstream>(),
        Kind::Consumer => schema_of::<resource::Consumer>(),
        Kind::Credential => schema_of::<resource::Credential>(),
        Kind::Ssl => schema_of::<resource::Ssl>(),
        Kind::GlobalRule => schema_of::<resource::GlobalRule>(),
        Kind::PluginMetadata => schema_of::<resource::PluginMetadata>(),
        Kind::PluginConfig => schema_of::<resource::PluginConfig>(),
        Kind::ConsumerGroup => schema_of::<resource::ConsumerGroup>(),
        Kind::Proto => schema_of::<resource::Proto>(),
        Kind::Secret => schema_of::<resource::Secret>(),
    }
}

fn schema_of<T: schemars::JsonSchema>() -> Schema {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    settings.transforms.push(Box::new(RecursiveTransform(bounds)));
    settings.into_generator().into_root_schema_for::<T>()
}

/// The ranges of integer types, which schemars gives for the small ones only.
fn bounds(schema: &mut Schema) {
    let (minimum, maximum) = match schema.get("format").and_then(Value::as_str) {
        Some("int32") => (json!(i32::MIN), json!(i32::MAX)),
        Some("int64") => (json!(i64::MIN), json!(i64::MAX)),
        Some("uint32") => (json!(0), json!(u32::MAX)),
        _ => return,
    };
    for (bound, value) in [("minimum", minimum), ("maximum", maximum)] {
        if schema.get(bound).is_none() {
            schema.insert(bound.to_owned(), value);
        }
    }
}

/// Leaves one type, and an `enum` in the place of a `oneOf` over constants.
fn plain(schema: &mut Schema) {
    if let Some(Value::Array(types)) = schema.get("type") {
        // Of a list of nodes and a map of nodes it is the list that has defaults.
        let first = types.first().cloned();
        let is_list = first.as_ref().and_then(Value::as_str) == Some("array");
        schema.insert("type".to_owned(), first.unwrap_or_default());
        if is_list {
            schema.remove("additionalProperties");
        }
    }
    if let Some(Value::Array(cases)) = schema.remove("oneOf") {
        let constants: Vec<_> = cases.iter().filter_map(|case| case.get("const").cloned()).collect();
        schema.insert("type".to_owned(), "string".into());
        schema.insert("enum".to_owned(), constants.into());
    }
    if let Some(Value::Array(options)) = schema.get_mut("enum") {
        options.retain(|option| !option.is_null());
    }
    if schema.get("items") == Some(&Value::Bool(true)) {
        schema.insert("items".to_owned(), json!({}));
    }
}

#[cfg(test)]
mod tests;
