//! JSON Schemas of plugins, and faults worded as Apache APISIX words them.
//!
//! Users' tools compare these texts byte for byte: `property "count" is required`. The wording is that of
//! the validator APISIX uses, <https://github.com/api7/jsonschema>; the checking is the `jsonschema` crate's.

use std::collections::HashMap;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{Draft, JsonType, ValidationError, Validator};
use model::Fault;
use serde_json::{Value, json};

use crate::defaults;

/// A plugin's schema with `_meta`, which every plugin takes.
pub fn with_meta(mut schema: Value) -> Value {
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert("_meta".to_owned(), meta());
    }
    schema
}

/// Source: APISIX, "Common configuration of plugins".
fn meta() -> Value {
    json!({
        "type": "object",
        "properties": {
            "disable": {"type": "boolean", "description": "whether to leave the plugin out"},
            "error_response": {
                "oneOf": [{"type": "string"}, {"type": "object"}],
                "description": "body of the plugin's refusals"
            },
            "priority": {"type": "integer", "description": "the higher, the earlier within a phase"},
            "filter": {
                "type": "array",
                "description": "the plugin takes part only in requests for which this expression holds"
            },
            "pre_function": {"type": "string", "description": "a Lua function; not supported"}
        }
    })
}

/// A compiled schema.
#[derive(Debug)]
pub struct Schema {
    validator: Result<Validator, String>,
    /// As it was given, for what faults quote of it, and for its defaults.
    source: Value,
}

impl Schema {
    /// A schema that a user gave.
    ///
    /// # Errors
    /// Why it is no JSON Schema.
    pub fn checked(schema: &Value) -> Result<Self, String> {
        let compiled = Self::compile(schema);
        match compiled.validator {
            Err(reason) => Err(reason),
            Ok(_) => Ok(compiled),
        }
    }

    /// A schema that is itself wrong refuses everything and says so.
    pub fn compile(schema: &Value) -> Self {
        let compiled = jsonschema::options().with_draft(Draft::Draft7).build(schema);
        Self { validator: compiled.map_err(|error| error.to_string()), source: schema.clone() }
    }

    /// Fills in its defaults where `value` has nothing; see [`defaults::fill`].
    pub fn fill(&self, value: &mut Value) {
        defaults::fill(&self.source, value);
    }

    /// # Errors
    /// The first fault, with its pointer within `value` and APISIX's text.
    pub fn check(&self, value: &Value) -> Result<(), Fault> {
        let validator =
            self.validator.as_ref().map_err(|error| Fault::new("", format!("the schema is wrong: {error}")))?;
        match validator.iter_errors(value).min_by_key(|error| turn(error.schema_path().as_str())) {
            Some(error) => Err(fault(&error, &self.source)),
            None => Ok(()),
        }
    }
}

/// When APISIX's validator would come to it: fields one by one, then what is forbidden, then what combines schemas.
fn turn(schema_path: &str) -> usize {
    const TURNS: [&[&str]; 8] = [
        &["type", "properties", "required"],
        &["dependencies"],
        &["additionalProperties", "patternProperties"],
        &["allOf"],
        &["anyOf"],
        &["oneOf"],
        &["not"],
        &["then", "else"],
    ];
    let keyword = schema_path.split('/').nth(1).unwrap_or_default();
    TURNS.iter().position(|keywords| keywords.contains(&keyword)).unwrap_or_default()
}

fn fault(error: &ValidationError<'_>, schema: &Value) -> Fault {
    let (mut path, keyword) = split_schema_path(error.schema_path().as_str());
    let (pointer, mut text) = reason(error, &keyword);
    if let ValidationErrorKind::AnyOf { .. } = error.kind() {
        text += &required_by_any(schema, error.schema_path().as_str());
    }
    // Of a clause APISIX says no more than that it does not hold.
    let clause = path.iter().enumerate().find(|(_, part)| *part == "then" || *part == "else");
    if let Some((at, clause)) = clause {
        text = format!("{clause} clause did not match");
        path.truncate(at);
    }
    Fault::new(pointer, format!("{}{text}", place(&path, error.instance_path().as_str())))
}

/// What each of several schemas requires: `: ["uri"] or ["uris"]`.
fn required_by_any(schema: &Value, path: &str) -> String {
    let choices = schema.pointer(path).and_then(Value::as_array).into_iter().flatten();
    let lists: Vec<_> = choices.filter_map(|choice| choice.get("required")).map(Value::to_string).collect();
    if lists.is_empty() { String::new() } else { format!(": {}", lists.join(" or ")) }
}

/// `/properties/count/type` as its parts, unescaped, and the last of them.
fn split_schema_path(path: &str) -> (Vec<String>, String) {
    let mut parts: Vec<String> = path.split('/').skip(1).map(unescape).collect();
    let keyword = parts.pop().unwrap_or_default();
    (parts, keyword)
}

fn unescape(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}

fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// What goes before the reason: `property "headers" validation failed: failed to validate item 2: `.
fn place(schema_path: &[String], instance_path: &str) -> String {
    let mut instance = instance_path.split('/').skip(1).map(unescape);
    let mut schema = schema_path.iter().map(String::as_str);
    let mut text = String::new();
    while let Some(keyword) = schema.next() {
        text += &match keyword {
            "properties" => {
                schema.next();
                format!("property \"{}\" validation failed: ", instance.next().unwrap_or_default())
            }
            "patternProperties" => {
                let pattern = schema.next().unwrap_or_default();
                format!("failed to validate {} (matching {pattern:?}): ", instance.next().unwrap_or_default())
            }
            "additionalProperties" => {
                format!("failed to validate additional property {}: ", instance.next().unwrap_or_default())
            }
            "items" => {
                let at: usize = instance.next().and_then(|at| at.parse().ok()).unwrap_or_default();
                format!("failed to validate item {}: ", at + 1)
            }
            "dependencies" => {
                format!("failed to validate dependent schema for \"{}\": ", schema.next().unwrap_or_default())
            }
            "allOf" => {
                let at: usize = schema.next().and_then(|at| at.parse().ok()).unwrap_or_default();
                format!("allOf {} failed: ", at + 1)
            }
            _ => String::new(),
        };
    }
    text
}

/// Pointer and text of what is wrong, without the place.
fn reason(error: &ValidationError<'_>, keyword: &str) -> (String, String) {
    use ValidationErrorKind as Kind;
    let at = error.instance_path().as_str();
    let instance = error.instance();
    let below = |name: &str| format!("{at}/{}", escape(name));
    let text = match error.kind() {
        Kind::Type { kind } => format!("wrong type: expected {}, got {}", expected(kind), lua_type(instance)),
        Kind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            return (below(name), format!("property \"{name}\" is required"));
        }
        Kind::AdditionalProperties { unexpected } => {
            let name = unexpected.first().map(String::as_str).unwrap_or_default();
            return (below(name), format!("additional properties forbidden, found {name}"));
        }
        Kind::Enum { .. } => "matches none of the enum values".to_owned(),
        Kind::Constant { .. } => "failed to check const value".to_owned(),
        Kind::Minimum { limit } => format!("expected {instance} to be at least {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("expected {instance} to be greater than {limit}"),
        Kind::Maximum { limit } => format!("expected {instance} to be at most {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("expected {instance} to be smaller than {limit}"),
        Kind::MultipleOf { multiple_of } => format!("expected {instance} to be a multiple of {multiple_of}"),
        Kind::MinLength { limit } => {
            format!("string too short, expected at least {limit}, got {}", characters(instance))
        }
        Kind::MaxLength { limit } => format!("string too long, expected at most {limit}, got {}", characters(instance)),
        Kind::Pattern { pattern } => format!("failed to match pattern {pattern:?} with {instance}"),
        Kind::MinItems { limit } => format!("expect array to have at least {limit} items"),
        Kind::MaxItems { limit } => format!("expect array to have at most {limit} items"),
        Kind::MinProperties { limit } => format!("expect object to have at least {limit} properties"),
        Kind::MaxProperties { limit } => format!("expect object to have at most {limit} properties"),
        Kind::UniqueItems => {
            let (first, second) = equal_items(instance);
            format!("expected unique items but items {first} and {second} are equal")
        }
        Kind::AnyOf { .. } => "object matches none of the required".to_owned(),
        Kind::OneOfNotValid { context } => return none_of(context, at),
        Kind::OneOfMultipleValid { context } => both_of(context),
        Kind::Not { .. } => "value wasn't supposed to match schema".to_owned(),
        Kind::FalseSchema => "expect false always".to_owned(),
        _ => format!("{keyword}: {error}"),
    };
    (at.to_owned(), text)
}

/// APISIX says "matches none"; where a field is missing, the pointer names it.
fn none_of(context: &[Vec<ValidationError<'_>>], at: &str) -> (String, String) {
    let missing = context
        .first()
        .and_then(|errors| errors.first())
        .filter(|error| matches!(error.kind(), ValidationErrorKind::Required { .. }));
    let pointer = missing.map_or_else(|| at.to_owned(), |error| reason(error, "required").0);
    (pointer, "value should match only one schema, but matches none".to_owned())
}

fn both_of(context: &[Vec<ValidationError<'_>>]) -> String {
    let mut valid = context.iter().enumerate().filter(|(_, errors)| errors.is_empty()).map(|(at, _)| at + 1);
    let (first, second) = (valid.next().unwrap_or(1), valid.next().unwrap_or(2));
    format!("value should match only one schema, but matches both schemas {first} and {second}")
}

/// The places, from 1, of the first item that comes again and of where it does. Requests are checked too: one walk.
fn equal_items(list: &Value) -> (usize, usize) {
    let mut seen = HashMap::new();
    for (at, item) in list.as_array().into_iter().flatten().enumerate() {
        let spelt = item.as_f64().map_or_else(|| item.to_string(), |number| number.to_string());
        if let Some(first) = seen.insert(spelt, at) {
            return (first + 1, at + 1);
        }
    }
    (1, 2)
}

fn expected(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(kind) => name(*kind).to_owned(),
        TypeKind::Multiple(kinds) => {
            let names: Vec<_> = kinds.iter().map(name).collect();
            format!("one of {}", names.join(", "))
        }
    }
}

fn name(kind: JsonType) -> &'static str {
    match kind {
        JsonType::Array => "array",
        JsonType::Boolean => "boolean",
        JsonType::Integer => "integer",
        JsonType::Null => "null",
        JsonType::Number => "number",
        JsonType::Object => "object",
        JsonType::String => "string",
    }
}

/// The type as Lua has it.
fn lua_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "userdata",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) | Value::Object(_) => "table",
    }
}

fn characters(value: &Value) -> usize {
    value.as_str().map_or(0, |text| text.chars().count())
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
