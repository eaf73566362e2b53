//! Filling in what a configuration leaves out, as APISIX stores it.
//!
//! APISIX's validator puts the defaults of a schema into the configuration while it checks it, and what it checked is
//! what it stores and shows. Only what stands in the schema is filled in: a default that is an object is taken as it
//! is. Source: <https://github.com/api7/jsonschema>

use jsonschema::Draft;
use serde_json::Value;

/// Puts the schema's defaults into a value that is valid by it.
pub fn fill(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(_) => fill_object(schema, value),
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                items.iter_mut().for_each(|item| fill(schema, item));
            }
        }
        _ => {}
    }
    fill_combined(schema, value);
}

fn fill_object(schema: &Value, value: &mut Value) {
    let (Some(properties), Some(fields)) = (properties(schema), value.as_object_mut()) else { return };
    for (name, schema) in properties {
        match (fields.get_mut(name), schema.get("default")) {
            (Some(field), _) => fill(schema, field),
            (None, Some(default)) => drop(fields.insert(name.clone(), default.clone())),
            (None, None) => {}
        }
    }
}

fn properties(schema: &Value) -> Option<&serde_json::Map<String, Value>> {
    schema.get("properties")?.as_object()
}

/// Of schemas that are combined, those that hold.
fn fill_combined(schema: &Value, value: &mut Value) {
    let list = |keyword: &str| schema.get(keyword).and_then(Value::as_array).into_iter().flatten();
    for part in list("allOf") {
        fill(part, value);
    }
    for part in list("anyOf").chain(list("oneOf")) {
        if has_defaults(part) && holds(part, value) {
            fill(part, value);
        }
    }
    if let Some(condition) = schema.get("if") {
        let clause = if holds(condition, value) { "then" } else { "else" };
        if let Some(clause) = schema.get(clause) {
            fill(clause, value);
        }
    }
}

fn has_defaults(schema: &Value) -> bool {
    match schema {
        Value::Object(fields) => fields.contains_key("default") || fields.values().any(has_defaults),
        Value::Array(items) => items.iter().any(has_defaults),
        _ => false,
    }
}

fn holds(schema: &Value, value: &Value) -> bool {
    let compiled = jsonschema::options().with_draft(Draft::Draft7).build(schema);
    compiled.is_ok_and(|validator| validator.is_valid(value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn filled(schema: Value, mut value: Value) -> Value {
        fill(&schema, &mut value);
        value
    }

    #[test]
    fn what_is_left_out_is_filled_in_at_every_depth() {
        let schema = json!({ "properties": {
            "code": { "default": 503 },
            "nested": { "properties": { "on": { "default": true } } },
            "absent": { "properties": { "on": { "default": true } } },
            "rules": { "items": { "properties": { "weight": { "default": 1 } } } },
        }});
        let value = json!({ "nested": {}, "rules": [{}, { "weight": 2 }] });
        let expected = json!({ "code": 503, "nested": { "on": true }, "rules": [{ "weight": 1 }, { "weight": 2 }] });
        assert_eq!(filled(schema, value), expected);
    }

    #[test]
    fn of_combined_schemas_those_that_hold_count() {
        let schema = json!({
            "properties": { "policy": { "default": "local" } },
            "if": { "properties": { "policy": { "enum": ["redis"] } } },
            "then": { "properties": { "redis_port": { "default": 6379 } } },
            "oneOf": [
                { "required": ["a"], "properties": { "of_a": { "default": 1 } } },
                { "required": ["b"], "properties": { "of_b": { "default": 1 } } },
            ],
        });
        assert_eq!(filled(schema.clone(), json!({ "a": 1 })), json!({ "a": 1, "of_a": 1, "policy": "local" }));
        let redis = json!({ "b": 1, "policy": "redis" });
        assert_eq!(filled(schema, redis), json!({ "b": 1, "of_b": 1, "policy": "redis", "redis_port": 6379 }));
    }
}
