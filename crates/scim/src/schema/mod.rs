//! The attributes that are kept: one table, by which bodies are read, filters and changes are checked, and of which
//! `/Schemas` tells (RFC 7643, sections 2.2, 4 and 7).

mod discovery;
mod read;
mod tables;

use crate::path::AttributePath;

pub use discovery::{resource_types, schemas, service_provider_config};
pub use tables::{GROUP, USER};

/// What the values of an attribute are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// `true` or `false`.
    Bool,
    /// An address.
    Reference,
    /// A moment (RFC 3339).
    Moment,
    /// An object with these parts.
    Complex(&'static [Attribute]),
}

/// Who may change an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutability {
    /// The server alone; what clients send is ignored.
    ReadOnly,
    /// Clients.
    ReadWrite,
    /// Clients, who are never shown it.
    WriteOnly,
}

/// An attribute, or a part of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute {
    /// As it is spelled.
    pub name: &'static str,
    /// What its values are.
    pub kind: Kind,
    /// Whether it is a list.
    pub multi: bool,
    /// Whether a resource must have it.
    pub required: bool,
    /// Whether texts that differ in case differ.
    pub case_exact: bool,
    /// Who may change it.
    pub mutability: Mutability,
    /// Whether no two resources may share a value.
    pub unique: bool,
    /// Whether every answer holds it.
    pub always: bool,
}

/// Attributes that belong to a schema of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extension {
    /// Its URN, under which its attributes stand.
    pub urn: &'static str,
    /// For people.
    pub name: &'static str,
    /// What stands there.
    pub attributes: &'static [Attribute],
}

/// A sort of resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Definition {
    /// `User`.
    pub name: &'static str,
    /// `/Users`.
    pub endpoint: &'static str,
    /// Its URN.
    pub urn: &'static str,
    /// Its attributes, those common to all resources too.
    pub attributes: &'static [Attribute],
    /// Further schemas.
    pub extensions: &'static [Extension],
}

/// What a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The extension below whose URN it stands.
    pub extension: Option<&'static Extension>,
    /// The attribute.
    pub attribute: &'static Attribute,
    /// Its part.
    pub sub: Option<&'static Attribute>,
}

impl Definition {
    /// What a path names; `None` when there is no such attribute.
    pub fn find(&self, path: &AttributePath) -> Option<Place> {
        let is_own = |urn: &str| urn.eq_ignore_ascii_case(self.urn);
        let (extension, attributes) = match path.schema.as_deref() {
            Some(urn) if !is_own(urn) => {
                let extension = self.extension(urn)?;
                (Some(extension), extension.attributes)
            }
            _ => (None, self.attributes),
        };
        let attribute = named(attributes, &path.attribute)?;
        let sub = match &path.sub {
            Some(sub) => Some(named(attribute.parts(), sub)?),
            None => None,
        };
        Some(Place { extension, attribute, sub })
    }

    /// The extension of this URN.
    pub fn extension(&self, urn: &str) -> Option<&'static Extension> {
        self.extensions.iter().find(|extension| extension.urn.eq_ignore_ascii_case(urn))
    }
}

impl Attribute {
    /// The parts of a complex attribute.
    pub fn parts(&self) -> &'static [Attribute] {
        match self.kind {
            Kind::Complex(parts) => parts,
            _ => &[],
        }
    }

    /// The part that stands for the whole in comparisons (RFC 7643, section 2.4).
    pub(crate) fn value_part(&self) -> Option<&'static Attribute> {
        named(self.parts(), "value")
    }
}

pub(crate) fn named(attributes: &'static [Attribute], name: &str) -> Option<&'static Attribute> {
    attributes.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name))
}

/// The URNs of all schemas that are kept.
pub(crate) fn known_urns() -> [&'static str; 3] {
    [USER.urn, GROUP.urn, tables::ENTERPRISE_URN]
}
