//! Which resource a path names.

use http::StatusCode;
use model::{Kind, ResourceId, ResourceKey};
use percent_encoding::percent_decode_str;

use super::refusal::Refusal;

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

/// The parts of a path, decoded.
pub(super) fn segments(path: &str) -> Result<Vec<String>, Refusal> {
    let decode = |part: &str| percent_decode_str(part).decode_utf8().map(|text| text.into_owned());
    let parts: Result<Vec<_>, _> = path.trim_end_matches('/').split('/').map(decode).collect();
    parts.map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "the path is not UTF-8"))
}

impl Target {
    /// # Errors
    /// When nothing of APISIX lies under the path.
    pub(super) fn parse(segments: &[&str]) -> Result<Self, Refusal> {
        match segments {
            ["consumers", username, "credentials", rest @ ..] => Ok(Self::below(Kind::Credential, username, rest)),
            ["secrets", manager, rest @ ..] => Ok(Self::below(Kind::Secret, manager, rest)),
            [plural, rest @ ..] => {
                let known = |kind: &Kind| kind.plural() == *plural && *kind != Kind::Credential;
                let kind = Kind::ALL.into_iter().find(known).ok_or_else(|| {
                    let message = format!("Unsupported resource type: {plural}");
                    Refusal::new(StatusCode::NOT_FOUND, message)
                })?;
                Ok(Self::of(kind, None, rest))
            }
            [] => Err(Refusal::new(StatusCode::NOT_FOUND, "not found")),
        }
    }

    fn below(kind: Kind, parent: &str, rest: &[&str]) -> Self {
        Self::of(kind, Some(parent.to_owned()), rest)
    }

    fn of(kind: Kind, parent: Option<String>, rest: &[&str]) -> Self {
        let place = rest.first().map_or(Place::All, |id| Place::One((*id).to_owned()));
        let sub_path = rest.iter().skip(1).map(|part| (*part).to_owned()).collect();
        Self { kind, parent, place, sub_path }
    }

    /// The id in the path.
    pub(super) fn id(&self) -> Option<&str> {
        match &self.place {
            Place::All => None,
            Place::One(id) => Some(id),
        }
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
    fn bad_id(&self) -> Refusal {
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

    fn parsed(path: &str) -> Option<(Kind, Option<String>, Place, usize)> {
        let segments: Vec<_> = path.split('/').collect();
        let target = Target::parse(&segments).ok()?;
        Some((target.kind, target.parent, target.place, target.sub_path.len()))
    }

    #[test]
    fn paths_name_resources() {
        let one = |id: &str| Place::One(id.to_owned());
        assert_eq!(parsed("routes"), Some((Kind::Route, None, Place::All, 0)));
        assert_eq!(parsed("routes/1/upstream/nodes"), Some((Kind::Route, None, one("1"), 2)));
        let jack = Some("jack".to_owned());
        assert_eq!(parsed("consumers/jack/credentials/c"), Some((Kind::Credential, jack, one("c"), 0)));
        assert_eq!(parsed("secrets/vault/1"), Some((Kind::Secret, Some("vault".into()), one("1"), 0)));
        assert_eq!(parsed("credentials"), None);
        assert_eq!(parsed("nothing"), None);
    }

    #[test]
    fn a_secret_is_known_by_its_manager_too() {
        let target = Target::parse(&["secrets", "aws", "a.b"]).expect("a target");
        assert_eq!(target.key("a.b").expect("a key").id.as_str(), "aws.a.b");
        assert!(target.key("a/b").is_err());
    }
}
