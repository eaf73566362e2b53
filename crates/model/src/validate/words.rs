//! Faults of shape in the words that API7's clients know.
//!
//! Source: the errors of kin-openapi, which API7's control plane validates with.

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use super::Fault;
use crate::resource::RemoteAddr;

/// A schema's error as faults. A missing or unknown field is named by its own pointer.
pub(super) fn faults(error: &ValidationError<'_>) -> Vec<Fault> {
    let pointer = error.instance_path().to_string();
    let below = |name: &str, what: &str| {
        Fault::new(format!("{pointer}/{}", escaped(name)), format!("property \"{name}\" is {what}"))
    };
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            vec![below(property.as_str().unwrap_or_default(), "missing")]
        }
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            unexpected.iter().map(|name| below(name, "unsupported")).collect()
        }
        _ => vec![Fault::new(pointer, message(error))],
    }
}

fn message(error: &ValidationError<'_>) -> String {
    match error.kind() {
        ValidationErrorKind::Type { kind } => format!("value must be {}", expected(kind)),
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
        ValidationErrorKind::Enum { options } => not_allowed(options.as_array().into_iter().flatten()),
        ValidationErrorKind::OneOfNotValid { context } => one_of(context).unwrap_or_else(|| error.to_string()),
        ValidationErrorKind::Format { format } if format == super::IP_NETWORK => not_a_network(error.instance()),
        _ => error.to_string(),
    }
}

/// `oneOf` stands in our schemas over the constants of an enumeration only.
fn one_of(context: &[Vec<ValidationError<'static>>]) -> Option<String> {
    let errors: Vec<_> = context.iter().flatten().map(ValidationError::kind).collect();
    if let Some(ValidationErrorKind::Type { kind }) = errors.first() {
        return Some(format!("value must be {}", expected(kind)));
    }
    let constants = errors.iter().filter_map(|kind| match kind {
        ValidationErrorKind::Constant { expected_value } => Some(expected_value.as_ref()),
        _ => None,
    });
    let constants: Vec<&Value> = constants.collect();
    (constants.len() == errors.len()).then(|| not_allowed(constants))
}

/// `null` stands in schemas for absence only and is no value to offer.
fn not_allowed<'a>(options: impl IntoIterator<Item = &'a Value>) -> String {
    let options = options.into_iter().filter(|option| !option.is_null());
    let texts: Vec<_> = options.map(ToString::to_string).collect();
    format!("value is not one of the allowed values [{}]", texts.join(","))
}

fn not_a_network(instance: &Value) -> String {
    let text = instance.as_str().unwrap_or_default().to_owned();
    RemoteAddr::try_from(text).err().unwrap_or_default()
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
        Segment::Map { key } => format!("{pointer}/{}", escaped(key)),
        Segment::Enum { .. } | Segment::Unknown => pointer,
    })
}

/// A field's name as a part of a JSON pointer (RFC 6901, section 3).
pub(crate) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
