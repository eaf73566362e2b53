//! JSON in, typed resource or named faults out.

use std::fmt;

use serde_json::Value;

use crate::id::Kind;
use crate::resource::Resource;

/// One thing that is wrong: where, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// JSON pointer (RFC 6901) of the wrong field; empty for the whole document.
    pub pointer: String,
    /// What is wrong and what would be right, without the pointer: `value must be a string`.
    pub message: String,
}

impl Fault {
    /// A fault at `pointer`.
    pub fn new(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            message: message.into(),
        }
    }

    /// The same fault seen from above: `parent` goes before its pointer.
    pub fn under(mut self, parent: &str) -> Self {
        self.pointer.insert_str(0, parent);
        self
    }
}

impl fmt::Display for Fault {
    /// `Error at "/path_prefix": value must be a string`, the form in which API7's clients look for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error at \"{}\": {}", self.pointer, self.message)
    }
}

/// All that is wrong with one document; never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, fault) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str("; ")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}

/// Checks a resource's body (without `id`) and reads it; defaults are filled in.
///
/// # Errors
/// Every fault of the document, each with its JSON pointer.
pub fn validate(kind: Kind, body: &Value) -> Result<Resource, Faults> {
    Resource::from_canonical(kind, &crate::json::canonical(body))
        .map_err(|error| Fault::new("", error.to_string()).into())
}
