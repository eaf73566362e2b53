//! Schemas of resources and plugins.

use http::StatusCode;
use model::Kind;
use plugin_api::PluginType;
use serde_json::{Map, Value, json};

use super::refusal::Refusal;
use super::{Answer, Asked, answer_json, definitions};

/// `GET schema/route`
pub(super) fn kind(name: &str) -> Answer {
    if name == "id_schema" {
        return Ok(answer_json(StatusCode::OK, &definitions::id()));
    }
    let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name);
    let kind = kind.ok_or_else(|| Refusal::bad_request(format!("not found schema: {name}")))?;
    Ok(answer_json(StatusCode::OK, definitions::of(kind)))
}

/// `GET schema/plugins/{name}` and `GET plugins/{name}`
pub(super) fn plugin(asked: &Asked, name: &str) -> Answer {
    let subsystem = asked.query.get("subsystem").unwrap_or("http");
    let plugin = of_subsystem(asked, subsystem)?.into_iter().find(|plugin| plugin.name() == name);
    let missing = || Refusal::new(StatusCode::NOT_FOUND, format!("plugin not found in subsystem {subsystem}"));
    let plugin = plugin.ok_or_else(missing)?;
    let schema = match asked.query.get("schema_type") {
        Some("consumer") => plugin.consumer_schema(),
        Some("metadata") => plugin.metadata_schema(),
        _ => Some(plugin.schema()),
    };
    let schema = schema.ok_or_else(|| Refusal::bad_request("not found schema"))?;
    Ok(answer_json(StatusCode::OK, schema))
}

/// `GET plugins/list`
pub(super) fn plugin_names(asked: &Asked) -> Answer {
    let subsystem = asked.query.get("subsystem").unwrap_or("http");
    let plugins = of_subsystem(asked, subsystem).map_err(|_| Refusal::text("invalid subsystem passed"))?;
    let names: Vec<_> = plugins.iter().map(|plugin| plugin.name()).collect();
    Ok(answer_json(StatusCode::OK, &json!(names)))
}

/// `GET plugins?all=true`
pub(super) fn plugins(asked: &Asked) -> Answer {
    let plugins = of_subsystem(asked, asked.query.get("subsystem").unwrap_or("http"))?;
    if !asked.query.is_true("all") {
        return Err(Refusal::bad_request("not found plugin name"));
    }
    let described = plugins.into_iter().map(|plugin| (plugin.name().to_owned(), described(plugin)));
    Ok(answer_json(StatusCode::OK, &Value::Object(described.collect())))
}

/// The plugins that HTTP traffic can use; streams have none yet.
fn of_subsystem(asked: &Asked, subsystem: &str) -> Result<Vec<&'static dyn PluginType>, Refusal> {
    match subsystem {
        "http" => Ok(asked.control.plugins().by_priority()),
        "stream" => Ok(Vec::new()),
        other => Err(Refusal::bad_request(format!("unsupported subsystem: {other}"))),
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
