//! Which resources a path of `/apisix/admin` names: a kind, perhaps a parent, perhaps an id.

use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;
use model::{Kind, ResourceId, ResourceKey};

use crate::error::{ApiError, ApiResult};

/// All resources of a kind, below a parent where the kind has one: `routes`, `consumers/jack/credentials`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Collection {
    /// The kind.
    pub(crate) kind: Kind,
    /// The consumer of credentials, the service of further upstreams.
    pub(crate) parent: Option<ResourceId>,
}

impl Collection {
    /// The key of the parent.
    pub(crate) fn parent_key(&self) -> Option<ResourceKey> {
        let kind = if self.kind == Kind::Credential { Kind::Consumer } else { Kind::Service };
        self.parent.clone().map(|parent| ResourceKey::new(kind, parent))
    }

    /// The key of one of them.
    pub(crate) fn key(&self, id: ResourceId) -> ResourceKey {
        ResourceKey { kind: self.kind, parent: self.parent.clone(), id }
    }
}

/// One resource: `routes/r1`, `consumers/jack/credentials/c1`.
pub(crate) struct Addressed(pub(crate) ResourceKey);

impl<S: Send + Sync> FromRequestParts<S> for Collection {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> ApiResult<Self> {
        let segments = segments(parts, state).await?;
        match segments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            [kind] => top_level(kind),
            [parent_kind, parent, kind] => nested(parent_kind, parent, kind),
            _ => Err(no_such_path()),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Addressed {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> ApiResult<Self> {
        let segments = segments(parts, state).await?;
        let (collection, id) = match segments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            [kind, id] => (top_level(kind)?, resource_id(id)?),
            [parent_kind, parent, kind, id] => (nested(parent_kind, parent, kind)?, resource_id(id)?),
            _ => return Err(no_such_path()),
        };
        Ok(Addressed(collection.key(id)))
    }
}

/// The path's parameters, percent-decoded, in order.
async fn segments<S: Send + Sync>(parts: &mut Parts, state: &S) -> ApiResult<Vec<String>> {
    let parameters = RawPathParams::from_request_parts(parts, state).await;
    let parameters = parameters.map_err(|error| ApiError::bad_request(error.body_text()))?;
    Ok(parameters.iter().map(|(_, value)| value.to_owned()).collect())
}

fn top_level(plural: &str) -> ApiResult<Collection> {
    let found = Kind::ALL.into_iter().find(|kind| kind.plural() == plural && *kind != Kind::Credential);
    found.map(|kind| Collection { kind, parent: None }).ok_or_else(no_such_path)
}

fn nested(parent_kind: &str, parent: &str, plural: &str) -> ApiResult<Collection> {
    let kind = match (parent_kind, plural) {
        ("services", "upstreams") => Kind::Upstream,
        ("consumers", "credentials") => Kind::Credential,
        _ => return Err(no_such_path()),
    };
    Ok(Collection { kind, parent: Some(resource_id(parent)?) })
}

fn resource_id(text: &str) -> ApiResult<ResourceId> {
    ResourceId::new(text).map_err(|error| ApiError::bad_request(format!("the id in the path {error}")))
}

fn no_such_path() -> ApiError {
    ApiError::not_found("there is nothing under this path; see /docs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_credentials_and_further_upstreams_have_a_parent() {
        assert_eq!(top_level("routes").expect("routes").kind, Kind::Route);
        assert!(top_level("credentials").is_err());
        assert!(top_level("route").is_err());
        assert_eq!(nested("consumers", "jack", "credentials").expect("credentials").kind, Kind::Credential);
        assert!(nested("routes", "r1", "upstreams").is_err());
        assert!(nested("consumers", "a b", "credentials").is_err());
    }
}
