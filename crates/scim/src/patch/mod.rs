//! Changes of a resource: the body of a PATCH (RFC 7644, section 3.5.2), and what real clients make of it.
//!
//! Beyond the RFC, for Entra ID and Okta: names of operations in any case; members of a change without a path may be
//! paths themselves (`"name.givenName"`, `"emails[type eq \"work\"].value"`); a removal may name in `value` what of a
//! list is to go; what a value filter of plain equalities does not find is made (`emails[type eq "work"].value`).

mod apply;

use serde_json::Value;

use crate::error::{Error, ErrorType};
use crate::filter::Filter;
use crate::json::{Object, get};
use crate::path::AttributePath;
use crate::schema::Definition;

/// Most operations of one change.
const MAX_OPERATIONS: usize = 1000;

/// A change.
#[derive(Debug, Clone, PartialEq)]
pub struct Patch {
    operations: Vec<Operation>,
}

#[derive(Debug, Clone, PartialEq)]
struct Operation {
    verb: Verb,
    target: Target,
    value: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Add,
    Replace,
    Remove,
}

#[derive(Debug, Clone, PartialEq)]
enum Target {
    /// The resource; the value says which attributes.
    Whole,
    /// An attribute or a part of it.
    Attribute(AttributePath),
    /// The values of a list that meet a filter, or a part of each.
    Values(AttributePath, Filter, Option<String>),
}

impl Patch {
    /// Reads the body of a PATCH.
    ///
    /// # Errors
    /// [`ErrorType::InvalidSyntax`], [`ErrorType::InvalidPath`], [`ErrorType::InvalidFilter`].
    pub fn parse(body: &Value) -> Result<Self, Error> {
        let operations = body.as_object().and_then(|body| get(body, "Operations")?.as_array());
        let operations = operations.ok_or_else(|| syntax("a change must be an object with a list \"Operations\""))?;
        if operations.is_empty() || operations.len() > MAX_OPERATIONS {
            return Err(syntax(&format!("\"Operations\" must have 1 to {MAX_OPERATIONS} elements")));
        }
        Ok(Self { operations: operations.iter().map(Operation::parse).collect::<Result<_, _>>()? })
    }

    /// The resource as it becomes. It is to be read by [`Definition::read`] again, which finds what is missing.
    ///
    /// # Errors
    /// [`ErrorType::InvalidPath`], [`ErrorType::Mutability`], [`ErrorType::NoTarget`], [`ErrorType::InvalidValue`].
    pub fn apply(&self, definition: &Definition, resource: &Object) -> Result<Object, Error> {
        let mut resource = resource.clone();
        for operation in &self.operations {
            apply::operation(definition, &mut resource, operation)?;
        }
        Ok(resource)
    }
}

impl Operation {
    fn parse(sent: &Value) -> Result<Self, Error> {
        let sent = sent.as_object().ok_or_else(|| syntax("an operation must be an object"))?;
        let verb = match get(sent, "op").and_then(Value::as_str).map(str::to_ascii_lowercase).as_deref() {
            Some("add") => Verb::Add,
            Some("replace") => Verb::Replace,
            Some("remove") => Verb::Remove,
            _ => return Err(syntax("\"op\" must be add, replace or remove")),
        };
        let target = match get(sent, "path") {
            None | Some(Value::Null) => Target::Whole,
            Some(Value::String(path)) if path.is_empty() => Target::Whole,
            Some(Value::String(path)) => Target::parse(path)?,
            Some(_) => return Err(Error::of(ErrorType::InvalidPath, "\"path\" must be a text")),
        };
        let value = get(sent, "value").cloned().unwrap_or_default();
        match (verb, &target) {
            (Verb::Remove, Target::Whole) => Err(Error::of(ErrorType::NoTarget, "a removal must have a path")),
            (Verb::Add | Verb::Replace, Target::Whole) if !value.is_object() => {
                Err(syntax("without a path, \"value\" must be an object of attributes"))
            }
            _ => Ok(Self { verb, target, value }),
        }
    }
}

impl Target {
    fn parse(path: &str) -> Result<Self, Error> {
        if !path.contains('[') {
            return AttributePath::parse(path).map(Target::Attribute);
        }
        let (path, filter, sub) = crate::filter::value_path(path)?;
        Ok(Target::Values(path, filter, sub))
    }
}

fn syntax(detail: &str) -> Error {
    Error::of(ErrorType::InvalidSyntax, detail)
}

#[cfg(test)]
mod tests;
