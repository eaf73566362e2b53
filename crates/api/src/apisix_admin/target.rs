//! Which resource a path names.

use http::StatusCode;
use model::{Kind, ResourceId, ResourceKey};
use percent_encoding::percent_decode_str;

use super::refusal::Refusal;
use super::routes::Parts;

/// What a request is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) kind: Kind,
    /// The consumer of credentials, the manager of secrets.
    pub(super) parent: Option<String>,
    pub(super) place: Place,
    /// What follows the id: the part of the resource to change.
    pub(super) sub_path: Vec<String>,
}

/// All of a kind, or one.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    All,
    One(String),
}

/// The parts of a path, decoded. Slashes that follow each other are one.
pub(super) fn segments(path: &str) -> Result<Vec<String>, Refusal> {
    let decode = |part: &str| percent_decode_str(part).decode_utf8().map(|text| text.into_owned());
    let parts: Result<Vec<_>, _> = path.split('/').filter(|part| !part.is_empty()).map(decode).collect();
    parts.map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "the path is not UTF-8"))
}

impl Target {
    /// What the parts of a path name.
    pub(super) fn of(kind: Kind, parts: &Parts<'_>) -> Self {
        let named = |name| parts.get(name).map(Vec::as_slice).unwrap_or_default();
        let first = |name| named(name).first().map(|part| (*part).to_owned());
        let sub_path = named("sub_path").iter().map(|part| (*part).to_owned()).collect();
        Self { kind, parent: first("parent"), place: first("id").map_or(Place::All, Place::One), sub_path }
    }

    /// The id in the path.
    pub(super) fn id(&self) -> Option<&str> {
        match &self.place {
            Place::All => None,
            Place::One(id) => Some(id),
        }
    }

    /// The key of what is there already: what cannot be an id is not there.
    pub(super) fn key_of_stored(&self, id: &str) -> Result<ResourceKey, Refusal> {
        self.key(id).map_err(|_| Refusal::key_not_found())
    }

    /// The key of the resource of this id.
    pub(super) fn key(&self, id: &str) -> Result<ResourceKey, Refusal> {
        let parse = |text: String| ResourceId::new(text).map_err(|_| self.bad_id());
        match (self.kind, &self.parent) {
            // A manager's name has no dot, so the first one parts it from the id.
            (Kind::Secret, Some(manager)) => Ok(ResourceKey::new(self.kind, parse(format!("{manager}.{id}"))?)),
            (_, Some(parent)) => Ok(ResourceKey::below(parse(parent.clone())?, self.kind, parse(id.to_owned())?)),
            (_, None) => Ok(ResourceKey::new(self.kind, parse(id.to_owned())?)),
        }
    }

    /// As APISIX's validator says it of a bad id.
    pub(super) fn bad_id(&self) -> Refusal {
        if self.kind == Kind::PluginMetadata {
            return Refusal::bad_request("invalid plugin name");
        }
        let field = if self.kind == Kind::Consumer { "username" } else { "id" };
        let reason = "object matches none of the required";
        Refusal::bad_request(format!("invalid configuration: property \"{field}\" validation failed: {reason}"))
    }

    /// The kind in APISIX's messages.
    pub(super) fn word(&self) -> &'static str {
        word(self.kind)
    }
}

/// A kind in APISIX's messages.
pub(super) fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::PluginConfig => "plugin config",
        Kind::ConsumerGroup => "consumer group",
        Kind::GlobalRule => "global rule",
        Kind::StreamRoute => "stream route",
        other => other.name(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_known_by_its_manager_too() {
        let target = Target::of(Kind::Secret, &Parts::from([("parent", vec!["aws"]), ("id", vec!["a.b"])]));
        assert_eq!(target.key("a.b").expect("a key").id.as_str(), "aws.a.b");
        assert!(target.key("a/b").is_err());
    }
}
