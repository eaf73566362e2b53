//! Objects whose names are the same in any case (RFC 7643, section 2.1).

use serde_json::{Map, Value};

/// A JSON object.
pub type Object = Map<String, Value>;

/// The member of this name, whatever its case.
pub(crate) fn get<'a>(object: &'a Object, name: &str) -> Option<&'a Value> {
    object.get(name).or_else(|| object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

/// Whether an attribute counts as having no value (RFC 7643, section 2.5).
pub(crate) fn is_unassigned(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(elements) => elements.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}
