//! JSON in, typed resource or named faults out.

mod defaults;
mod rules;
mod words;

use std::fmt;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::id::Kind;
use crate::resource::{RemoteAddr, Resource};

pub(crate) use words::escaped;

/// The `format` of an address or network in our schemas.
const IP_NETWORK: &str = "ip-network";

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
        Self { pointer: pointer.into(), message: message.into() }
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

/// Checks a resource's body and reads it; defaults are filled in. The body has no `id` and no times
/// (`created_at`, `update_time` ...): the API takes those out before, and here they are unknown fields.
///
/// # Errors
/// Every fault of the document, each with its JSON pointer. Rules that need a typed resource are looked at when the
/// shape is right.
pub fn validate(kind: Kind, body: &Value) -> Result<Resource, Faults> {
    refuse_lua(kind, body)?;
    let body = defaults::completed(kind, body);
    let errors = shape(kind).into_iter().flat_map(|shape| shape.iter_errors(&body));
    let faults: Vec<_> = errors.flat_map(|error| words::faults(&error)).collect();
    if !faults.is_empty() {
        return Err(Faults(faults));
    }
    let resource = read(kind, &body)?;
    let faults = rules::check(&resource);
    if faults.is_empty() { Ok(resource) } else { Err(Faults(faults)) }
}

/// Fields that hold Lua: no gateway of ours runs it, and silence would change what a route matches.
fn refuse_lua(kind: Kind, body: &Value) -> Result<(), Faults> {
    // The fields of plugin metadata are the plugin's.
    if kind == Kind::PluginMetadata {
        return Ok(());
    }
    let advice = [("filter_func", "vars"), ("script", "plugins"), ("script_id", "plugins")];
    let found = advice.into_iter().filter(|(field, _)| body.get(field).is_some());
    let faults: Vec<_> = found
        .map(|(field, instead)| Fault::new(format!("/{field}"), format!("Lua is not run here; use {instead} instead")))
        .collect();
    if faults.is_empty() { Ok(()) } else { Err(Faults(faults)) }
}

/// The compiled schema of a kind.
fn shape(kind: Kind) -> Option<&'static Validator> {
    static VALIDATORS: LazyLock<Vec<(Kind, Validator)>> =
        LazyLock::new(|| Kind::ALL.into_iter().filter_map(|kind| Some((kind, compile(kind)?))).collect());
    VALIDATORS.iter().find(|(own, _)| *own == kind).map(|(_, validator)| validator)
}

/// A test compiles every schema; without one, reading the types still refuses what is wrong.
fn compile(kind: Kind) -> Option<Validator> {
    let is_network = |text: &str| RemoteAddr::try_from(text.to_owned()).is_ok();
    let options = jsonschema::options().should_validate_formats(true).with_format(IP_NETWORK, is_network);
    options.build(&crate::schema::of(kind)).ok()
}

/// Reads what has the right shape; types that parse once (hosts, addresses, ids) may still refuse.
fn read(kind: Kind, body: &Value) -> Result<Resource, Faults> {
    fn typed<T: DeserializeOwned>(body: &Value) -> Result<T, Faults> {
        serde_path_to_error::deserialize(body).map_err(|error| {
            let pointer = words::pointer(error.path());
            Fault::new(pointer, error.into_inner().to_string()).into()
        })
    }
    Ok(match kind {
        Kind::Service => Resource::Service(typed(body)?),
        Kind::Route => Resource::Route(typed(body)?),
        Kind::StreamRoute => Resource::StreamRoute(typed(body)?),
        Kind::Upstream => Resource::Upstream(typed(body)?),
        Kind::Consumer => Resource::Consumer(typed(body)?),
        Kind::Credential => Resource::Credential(typed(body)?),
        Kind::Ssl => Resource::Ssl(typed(body)?),
        Kind::GlobalRule => Resource::GlobalRule(typed(body)?),
        Kind::PluginMetadata => Resource::PluginMetadata(typed(body)?),
        Kind::PluginConfig => Resource::PluginConfig(typed(body)?),
        Kind::ConsumerGroup => Resource::ConsumerGroup(typed(body)?),
        Kind::Proto => Resource::Proto(typed(body)?),
        Kind::Secret => Resource::Secret(typed(body)?),
    })
}

#[cfg(test)]
mod tests;
