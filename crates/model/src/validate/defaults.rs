//! What is completed before a body is read: defaults that depend on where an upstream stands, and numbers.
//!
//! All other defaults are the types' own. [`crate::schema::core`] tells clients of both.

use serde_json::Value;

use crate::id::Kind;
use crate::resource::DEFAULT_UPSTREAM_NAME;

/// The body as it is checked and read.
pub(super) fn completed(kind: Kind, body: &Value) -> Value {
    let mut body = body.clone();
    make_whole(&mut body);
    let is_stream = match kind {
        Kind::Service => body.get("type").and_then(Value::as_str) == Some("stream"),
        Kind::StreamRoute => true,
        _ => return body,
    };
    let Some(upstream) = body.get_mut("upstream").and_then(Value::as_object_mut) else { return body };
    if is_stream {
        upstream.entry("scheme").or_insert_with(|| "tcp".into());
    }
    if kind == Kind::Service {
        upstream.entry("name").or_insert_with(|| DEFAULT_UPSTREAM_NAME.into());
    }
    body
}

/// `1.0` is an integer in JSON Schema, and Lua writes it for 1: one number has one form, so that equal configurations
/// are equal bytes.
fn make_whole(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            let whole = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < 9e15);
            if let Some(whole) = whole {
                *value = (whole as i64).into();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(make_whole),
        Value::Object(fields) => fields.values_mut().for_each(make_whole),
        _ => {}
    }
}
