//! Schemas of resources and plugins, and checks against them.

use std::sync::LazyLock;

use api_types::ValidationBody;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use model::Kind;
use plugin_api::PluginType;
use plugin_api::schema::Schema;
use serde_json::{Map, Value, json};

use super::refusal::Refusal;
use super::{Answer, Asked, answer_json};
use crate::auth;
use crate::endpoints::resources::validate::validate_configuration;
use crate::input::{GroupOfRequest, JsonBody};
use crate::shape;

/// Checks a body against the schema of its kind; APISIX's words when it does not fit.
pub(super) fn check(kind: Kind, body: &Value) -> Result<(), String> {
    static COMPILED: LazyLock<Vec<(Kind, Schema)>> =
        LazyLock::new(|| Kind::ALL.map(|kind| (kind, Schema::compile(&schema_of(kind)))).into());
    let schema = COMPILED.iter().find(|(own, _)| *own == kind);
    schema.map_or(Ok(()), |(_, schema)| schema.check(body).map_err(|fault| fault.message))
}

/// The schema of a kind in APISIX's way: what may be left out may not be null.
fn schema_of(kind: Kind) -> Value {
    let mut schema = model::schema::of(kind);
    without_null(&mut schema);
    schema
}

fn without_null(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::Array(types)) = fields.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    fields.insert("type".into(), only);
                }
            }
            fields.values_mut().for_each(without_null);
        }
        Value::Array(items) => items.iter_mut().for_each(without_null),
        _ => {}
    }
}

/// `GET schema/route`
pub(super) fn kind(name: &str) -> Answer {
    let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name);
    let kind = kind.ok_or_else(|| Refusal::bad_request(format!("not found schema: {name}")))?;
    Ok(answer_json(StatusCode::OK, &schema_of(kind)))
}

/// `GET schema/plugins/{name}` and `GET plugins/{name}`
pub(super) fn plugin(asked: &Asked, name: &str) -> Answer {
    let plugin = asked.control.plugins().get(name);
    let missing = || Refusal::new(StatusCode::NOT_FOUND, "plugin not found in subsystem http");
    let plugin = plugin.ok_or_else(missing)?;
    let schema = match asked.query.get("schema_type") {
        Some("consumer") => plugin.consumer_schema(),
        Some("metadata") => plugin.metadata_schema(),
        _ => Some(plugin.schema()),
    };
    schema.map(|schema| answer_json(StatusCode::OK, schema)).ok_or_else(missing)
}

/// `GET plugins/list`
pub(super) fn plugin_names(asked: &Asked) -> Answer {
    let names: Vec<_> = of_subsystem(asked)?.iter().map(|plugin| plugin.name()).collect();
    Ok(answer_json(StatusCode::OK, &json!(names)))
}

/// `GET plugins?all=true`
pub(super) fn plugins(asked: &Asked) -> Answer {
    if !asked.query.is_true("all") {
        return plugin_names(asked);
    }
    let described = of_subsystem(asked)?.into_iter().map(|plugin| (plugin.name().to_owned(), described(plugin)));
    Ok(answer_json(StatusCode::OK, &Value::Object(described.collect())))
}

/// The plugins that HTTP traffic can use; streams have none yet.
fn of_subsystem(asked: &Asked) -> Result<Vec<&'static dyn PluginType>, Refusal> {
    match asked.query.get("subsystem") {
        None | Some("http") => Ok(asked.control.plugins().by_priority()),
        Some("stream") => Ok(Vec::new()),
        Some(other) => Err(Refusal::bad_request(format!("unsupported subsystem: {other}"))),
    }
}

fn described(plugin: &dyn PluginType) -> Value {
    let mut fields = Map::new();
    fields.insert("priority".into(), plugin.priority().into());
    fields.insert("schema".into(), plugin.schema().clone());
    fields.insert("version".into(), json!(0.1));
    if plugin.is_authentication() {
        fields.insert("type".into(), "auth".into());
    }
    for (name, schema) in [("consumer_schema", plugin.consumer_schema()), ("metadata_schema", plugin.metadata_schema())]
    {
        if let Some(schema) = schema {
            fields.insert(name.into(), schema.clone());
        }
    }
    Value::Object(fields)
}

/// `POST schema/validate/{kind}`: 200 when it fits; nothing is stored.
pub(super) fn validate_one(asked: &Asked, plural: &str) -> Answer {
    let kind = Kind::ALL.into_iter().find(|kind| kind.plural() == plural || kind.name() == plural);
    let kind =
        kind.ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, format!("Unsupported resource type: {plural}")))?;
    let body = asked.json()?.ok_or_else(|| Refusal::bad_request("missing configurations"))?;
    let id = shape::id_of_new(kind, &body)?;
    let body = shape::body_of(&model::ResourceKey::new(kind, id), body)?;
    check(kind, &body).map_err(Refusal::bad_request)?;
    model::validate::validate(kind, &body).map_err(|faults| Refusal::from(control::ControlError::Invalid(faults)))?;
    Ok(StatusCode::OK.into_response())
}

/// `POST configs/validate`
pub(super) async fn validate_all(asked: Asked) -> Answer {
    let body = asked.json()?.ok_or_else(|| Refusal::bad_request("missing configurations"))?;
    let body: ValidationBody = serde_json::from_value(body)
        .map_err(|error| Refusal::bad_request(format!("invalid configuration: {error}")))?;
    let caller = auth::Caller { actor: asked.caller.actor };
    let group = GroupOfRequest { caller, group: asked.caller.group };
    Ok(validate_configuration(group, State(asked.control), JsonBody(body)).await?)
}
