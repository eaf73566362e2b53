//! Lua has one empty table: APISIX takes `[]` for an empty object and `{}` for an empty list, and clients whose language
//! is like that send them.

use serde_json::{Value, json};

/// Makes what is empty into what the schema wants there.
pub(super) fn settle(schema: &Value, value: &mut Value) {
    match (schema["type"].as_str(), &*value) {
        (Some("object"), Value::Array(items)) if items.is_empty() => *value = json!({}),
        (Some("array"), Value::Object(fields)) if fields.is_empty() => *value = json!([]),
        _ => {}
    }
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                settle(&schema["properties"][name.as_str()], field);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| settle(&schema["items"], item)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_empty_becomes_what_is_wanted() {
        let object = json!({ "type": "object" });
        let schema = json!({ "type": "object", "properties": {
            "labels": object, "vars": { "type": "array" }, "all": { "type": "array", "items": object },
            "any": { "anyOf": [object] },
        } });
        let mut value = json!({ "labels": [], "vars": {}, "all": [[], { "a": [] }], "any": [], "other": [] });
        settle(&schema, &mut value);
        assert_eq!(value, json!({ "labels": {}, "vars": [], "all": [{}, { "a": [] }], "any": [], "other": [] }));
        let mut full = json!({ "labels": [1], "vars": { "a": 1 } });
        settle(&schema, &mut full);
        assert_eq!(full, json!({ "labels": [1], "vars": { "a": 1 } }));
    }
}
