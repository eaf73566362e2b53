//! Names of things: ids as types, so that one cannot be taken for another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest id a client may choose, in bytes (ADC: `^[a-zA-Z0-9-_.]+$` up to 256).
pub const MAX_ID_LEN: usize = 256;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text is empty.
    #[error("must not be empty")]
    Empty,
    /// The text has more than [`MAX_ID_LEN`] bytes.
    #[error("must be at most {MAX_ID_LEN} characters long, this one has {0}")]
    TooLong(usize),
    /// The text has a character outside `[a-zA-Z0-9-_.]`.
    #[error("must consist of letters, digits, '-', '_' and '.', found {0:?}")]
    BadCharacter(char),
    /// The kind is none of those this version knows.
    #[error("unknown resource kind {0:?}")]
    UnknownKind(String),
}

fn check(text: &str) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    if text.len() > MAX_ID_LEN {
        return Err(IdError::TooLong(text.len()));
    }
    let bad = |c: &char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    match text.chars().find(bad) {
        Some(c) => Err(IdError::BadCharacter(c)),
        None => Ok(()),
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            /// Checks `text` and takes it as an id.
            ///
            /// # Errors
            /// [`IdError`] when the text is empty, too long or has a character outside `[a-zA-Z0-9-_.]`.
            pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
                let text = text.into();
                check(&text)?;
                Ok(Self(text.into_boxed_str()))
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.into_string()
            }
        }

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string", "minLength": 1, "maxLength": MAX_ID_LEN, "pattern": r"^[a-zA-Z0-9\-_.]+$",
                })
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

text_id! {
    /// Id of a gateway group: `default`, or a UUID given by the control plane.
    GroupId
}
text_id! {
    /// Id of a gateway instance, kept by the instance across restarts.
    InstanceId
}
text_id! {
    /// Id of a resource, unique within its group, kind and parent. Chosen by the client or generated.
    ResourceId
}

/// A group's configuration counter: 0 for an empty group, then 1, 2, 3 without gaps, never down.
pub type Revision = u64;

/// The kinds of resource that make up a group's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Hosts, path prefix and upstreams that routes share.
    Service,
    /// Which requests go where.
    Route,
    /// Which TCP, TLS or UDP connections go where.
    StreamRoute,
    /// Nodes and how to balance over them. Below a service, or on its own (APISIX).
    Upstream,
    /// Who calls.
    Consumer,
    /// How a consumer proves itself; below a consumer.
    Credential,
    /// A server or client certificate with its SNIs.
    Ssl,
    /// Plugins for all requests of the group; the id is the plugin's name.
    GlobalRule,
    /// Settings of a plugin for the whole group; the id is the plugin's name.
    PluginMetadata,
    /// Plugins that routes share by reference.
    PluginConfig,
    /// Plugins that consumers share by reference.
    ConsumerGroup,
    /// A protocol buffer definition, for plugins that speak gRPC.
    Proto,
    /// Where secrets that are referred to are kept; the id is the manager's name and the own one: `vault.1`.
    Secret,
}

impl Kind {
    /// Every kind, in the order in which references point backwards (referenced before referring).
    pub const ALL: [Kind; 13] = [
        Kind::PluginMetadata,
        Kind::Secret,
        Kind::Proto,
        Kind::Ssl,
        Kind::Upstream,
        Kind::PluginConfig,
        Kind::ConsumerGroup,
        Kind::Service,
        Kind::Route,
        Kind::StreamRoute,
        Kind::Consumer,
        Kind::Credential,
        Kind::GlobalRule,
    ];

    /// Singular name as in messages, schemas and the database: `route`, `plugin_config`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Service => "service",
            Kind::Route => "route",
            Kind::StreamRoute => "stream_route",
            Kind::Upstream => "upstream",
            Kind::Consumer => "consumer",
            Kind::Credential => "credential",
            Kind::Ssl => "ssl",
            Kind::GlobalRule => "global_rule",
            Kind::PluginMetadata => "plugin_metadata",
            Kind::PluginConfig => "plugin_config",
            Kind::ConsumerGroup => "consumer_group",
            Kind::Proto => "proto",
            Kind::Secret => "secret",
        }
    }

    /// Name as in API paths: `routes`, `plugin_metadata`.
    pub fn plural(self) -> &'static str {
        match self {
            Kind::Service => "services",
            Kind::Route => "routes",
            Kind::StreamRoute => "stream_routes",
            Kind::Upstream => "upstreams",
            Kind::Consumer => "consumers",
            Kind::Credential => "credentials",
            Kind::Ssl => "ssls",
            Kind::GlobalRule => "global_rules",
            Kind::PluginMetadata => "plugin_metadata",
            Kind::PluginConfig => "plugin_configs",
            Kind::ConsumerGroup => "consumer_groups",
            Kind::Proto => "protos",
            Kind::Secret => "secrets",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = IdError;
    /// Reads the singular name.
    fn from_str(text: &str) -> Result<Self, IdError> {
        Kind::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| IdError::UnknownKind(text.to_owned()))
    }
}

/// Where a resource stands within its group. The parent is the consumer of a credential or the
/// service of a further upstream; every other kind has none.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ResourceKey {
    /// What it is.
    pub kind: Kind,
    /// The consumer of a credential, the service of a further upstream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ResourceId>,
    /// Its id below the parent.
    pub id: ResourceId,
}

impl ResourceKey {
    /// Key of a resource without a parent.
    pub fn new(kind: Kind, id: ResourceId) -> Self {
        Self { kind, parent: None, id }
    }

    /// Key of a credential below a consumer, or of an upstream below a service.
    pub fn below(parent: ResourceId, kind: Kind, id: ResourceId) -> Self {
        Self { kind, parent: Some(parent), id }
    }
}

impl fmt::Display for ResourceKey {
    /// `route/r1`, `credential/jack/c1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.parent {
            Some(parent) => write!(f, "{}/{}/{}", self.kind, parent, self.id),
            None => write!(f, "{}/{}", self.kind, self.id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_accept_what_clients_choose_and_refuse_the_rest() {
        assert!(ResourceId::new("a.B-9_z").is_ok());
        assert_eq!(ResourceId::new(""), Err(IdError::Empty));
        assert_eq!(ResourceId::new("a/b"), Err(IdError::BadCharacter('/')));
        assert_eq!(ResourceId::new("a".repeat(257)), Err(IdError::TooLong(257)));
    }

    #[test]
    fn kinds_read_what_they_write() {
        for kind in Kind::ALL {
            assert_eq!(kind.name().parse::<Kind>(), Ok(kind));
        }
        assert!("nothing".parse::<Kind>().is_err());
    }
}
