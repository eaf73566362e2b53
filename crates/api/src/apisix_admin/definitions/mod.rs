//! What Apache APISIX's Admin API takes: a JSON Schema for each kind, in the form in which its clients read it.
//!
//! The words of refusals and the defaults that are stored follow from these. The types of `model` say less: they also
//! hold what API7 adds. Source: APISIX's documentation of the Admin API and its schema definitions.

mod kinds;
mod parts;
mod secrets;
mod upstream;

use std::sync::LazyLock;

use model::Kind;
use plugin_api::defaults;
use plugin_api::schema::Schema;
use serde_json::Value;

/// A kind with its schema, compiled once.
struct Definition {
    kind: Kind,
    schema: Value,
    compiled: Schema,
}

/// The schema of a kind.
pub(super) fn of(kind: Kind) -> &'static Value {
    static ANY: Value = Value::Bool(true);
    find(kind).map_or(&ANY, |definition| &definition.schema)
}

/// The id's schema, which `GET schema/id_schema` tells too.
pub(super) fn id() -> Value {
    parts::id()
}

/// Checks a body; APISIX's words when it does not fit.
pub(super) fn check(kind: Kind, body: &Value) -> Result<(), String> {
    let Some(definition) = find(kind) else { return Ok(()) };
    definition.compiled.check(body).map_err(|fault| fault.message)
}

/// Checks a secret by the schema of its manager and fills it in; none when there is no such manager.
pub(super) fn check_secret(manager: &str, body: &mut Value) -> Option<Result<(), String>> {
    let schema = secrets::schema(manager)?;
    let checked = Schema::compile(&schema).check(body).map_err(|fault| fault.message);
    defaults::fill(&schema, body);
    Some(checked)
}

/// Checks a value against a schema that is needed now and then only.
pub(super) fn check_key(hash_on: &str, key: &Value) -> Result<(), String> {
    let schema = match hash_on {
        "header" | "cookie" => parts::hash_header(),
        "vars" => parts::hash_vars(),
        _ => return Ok(()),
    };
    Schema::compile(&schema).check(key).map_err(|fault| fault.message)
}

/// Puts the defaults of the kind into a body that fits.
pub(super) fn fill(kind: Kind, body: &mut Value) {
    defaults::fill(of(kind), body);
}

fn find(kind: Kind) -> Option<&'static Definition> {
    static ALL: LazyLock<Vec<Definition>> = LazyLock::new(|| {
        let defined = Kind::ALL.into_iter().filter_map(|kind| Some((kind, kinds::schema(kind)?)));
        defined.map(|(kind, schema)| Definition { kind, compiled: Schema::compile(&schema), schema }).collect()
    });
    ALL.iter().find(|definition| definition.kind == kind)
}

#[cfg(test)]
mod tests;
