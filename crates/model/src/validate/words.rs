//! Faults of shape in the words that API7's clients know.
//!
//! Source: the errors of kin-openapi, which API7's control plane validates with.

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use serde_path_to_error::{Path, Segment};

use super::Fault;

/// A schema's error as a fault. A missing or unknown field is named by its own pointer.
pub(super) fn fault(error: &ValidationError<'_>) -> Fault {
    let mut pointer = error.instance_path().to_string();
    let message = match error.kind() {
        ValidationErrorKind::Type { kind } => format!("value must be {}", expected(kind)),
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            pointer.push_str(&format!("/{name}"));
            format!("property \"{name}\" is missing")
        }
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let name = unexpected.first().map_or("", String::as_str);
            pointer.push_str(&format!("/{name}"));
            format!("property \"{name}\" is unsupported")
        }
        ValidationErrorKind::MinLength { limit } => format!("minimum string length is {limit}"),
        ValidationErrorKind::MaxLength { limit } => format!("maximum string length is {limit}"),
        ValidationErrorKind::Pattern { pattern } => {
            format!("string doesn't match the regular expression \"{pattern}\"")
        }
        ValidationErrorKind::Minimum { limit } => format!("number must be at least {limit}"),
        ValidationErrorKind::Maximum { limit } => format!("number must be at most {limit}"),
        ValidationErrorKind::ExclusiveMinimum { limit } => format!("number must be more than {limit}"),
        ValidationErrorKind::ExclusiveMaximum { limit } => format!("number must be less than {limit}"),
        ValidationErrorKind::MinItems { limit } => format!("minimum number of items is {limit}"),
        ValidationErrorKind::MaxItems { limit } => format!("maximum number of items is {limit}"),
        ValidationErrorKind::Enum { options } => format!("value is not one of the allowed values {}", allowed(options)),
        _ => error.to_string(),
    };
    Fault::new(pointer, message)
}

/// `null` stands in schemas for absence only and is no type to offer.
fn allowed(options: &serde_json::Value) -> String {
    let options = options.as_array().into_iter().flatten().filter(|option| !option.is_null());
    let texts: Vec<_> = options.map(ToString::to_string).collect();
    format!("[{}]", texts.join(","))
}

fn expected(kind: &TypeKind) -> String {
    let names: Vec<String> = match kind {
        TypeKind::Single(kind) => vec![kind.to_string()],
        TypeKind::Multiple(kinds) => kinds.iter().map(|kind| kind.to_string()).collect(),
    };
    let names: Vec<_> = names.iter().filter(|name| *name != "null").map(String::as_str).collect();
    match names.as_slice() {
        [name] if name.starts_with(['a', 'e', 'i', 'o', 'u']) => format!("an {name}"),
        [name] => format!("a {name}"),
        several => format!("one of {}", several.join(", ")),
    }
}

/// A path of serde as a JSON pointer.
pub(super) fn pointer(path: &Path) -> String {
    path.iter().fold(String::new(), |pointer, segment| match segment {
        Segment::Seq { index } => format!("{pointer}/{index}"),
        Segment::Map { key } => format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1")),
        Segment::Enum { .. } | Segment::Unknown => pointer,
    })
}
