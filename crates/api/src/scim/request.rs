//! What is asked: bodies, parameters, preconditions, and the address it was asked at.

use std::convert::Infallible;

use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, StatusCode, header};
use scim::ErrorType;
use scim::projection::Projection;
use serde_json::Value;

use super::answer::{ScimError, ScimResult};
use super::{DEFAULT_COUNT, MAX_COUNT, ROOT};
use crate::serve::Connection;

/// A JSON body, whatever its content type says.
pub(crate) struct ScimBody(pub(crate) Value);

impl<S: Send + Sync> FromRequest<S> for ScimBody {
    type Rejection = ScimError;

    async fn from_request(request: Request, state: &S) -> ScimResult<Self> {
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => ScimError::new(413, "the body is longer than the control plane takes"),
            _ => ScimError::of(ErrorType::InvalidSyntax, "the body ended early"),
        })?;
        let read = serde_json::from_slice(&bytes);
        read.map(Self).map_err(|error| ScimError::of(ErrorType::InvalidSyntax, format!("the body is no JSON: {error}")))
    }
}

/// The parameters of reads; writes take those that say what of the answer is wanted.
#[derive(Debug)]
pub(crate) struct ScimQuery {
    /// The filter as it was sent.
    pub(crate) filter: Option<String>,
    /// From 1.
    pub(crate) start_index: u32,
    /// At most [`MAX_COUNT`].
    pub(crate) count: u32,
    /// The attribute to sort by.
    pub(crate) sort_by: Option<String>,
    /// Whether the greatest comes first.
    pub(crate) descending: bool,
    /// What of each resource is wanted.
    pub(crate) projection: Projection,
}

impl<S: Send + Sync> FromRequestParts<S> for ScimQuery {
    type Rejection = ScimError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> ScimResult<Self> {
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map_err(|_| ScimError::of(ErrorType::InvalidValue, "the query is not in the form key=value&key=value"))?;
        Self::read(&pairs.0)
    }
}

impl ScimQuery {
    fn read(pairs: &[(String, String)]) -> ScimResult<Self> {
        let given = |name: &str| {
            let found = pairs.iter().find(|(key, value)| key.eq_ignore_ascii_case(name) && !value.is_empty());
            found.map(|(_, value)| value.as_str())
        };
        let number = |name: &str, least: i64, most: u32, default: u32| match given(name) {
            None => Ok(default),
            // What is too small counts as the least (RFC 7644, section 3.4.2.4).
            Some(text) => match text.parse::<i64>() {
                Ok(number) => Ok(u32::try_from(number.max(least)).unwrap_or(u32::MAX).min(most)),
                Err(_) => Err(ScimError::of(ErrorType::InvalidValue, format!("{name} must be a whole number"))),
            },
        };
        Ok(Self {
            filter: given("filter").map(str::to_owned),
            start_index: number("startIndex", 1, u32::MAX, 1)?,
            count: number("count", 0, MAX_COUNT, DEFAULT_COUNT)?,
            sort_by: given("sortBy").map(str::to_owned),
            descending: given("sortOrder").is_some_and(|order| order.eq_ignore_ascii_case("descending")),
            projection: Projection::parse(given("attributes"), given("excludedAttributes"))?,
        })
    }
}

/// `If-Match` and `If-None-Match`.
pub(crate) struct Preconditions {
    if_match: Option<String>,
    if_none_match: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Preconditions {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let text = |name: HeaderName| parts.headers.get(name)?.to_str().ok().map(str::to_owned);
        Ok(Self { if_match: text(header::IF_MATCH), if_none_match: text(header::IF_NONE_MATCH) })
    }
}

impl Preconditions {
    /// # Errors
    /// 412 when the resource has another version than the client knows.
    pub(crate) fn check(&self, version: &str) -> ScimResult<()> {
        match self.if_match.as_deref().is_none_or(|known| names(known, version)) {
            true => Ok(()),
            false => Err(ScimError::new(412, format!("the resource has changed: its version is {version}"))),
        }
    }

    /// Whether the client has this version already.
    pub(crate) fn is_known(&self, version: &str) -> bool {
        self.if_none_match.as_deref().is_some_and(|known| names(known, version))
    }
}

/// Versions are compared weakly: an intermediary may have made them weak.
fn names(known: &str, version: &str) -> bool {
    let bare = |text: &str| text.trim().trim_start_matches("W/").to_owned();
    known.split(',').any(|one| one.trim() == "*" || bare(one) == bare(version))
}

/// The address of the endpoints, as the client knows it.
pub(crate) struct Base(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Base {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let host = parts.uri.authority().map(|authority| authority.as_str().to_owned()).or(host(&parts.headers));
        let secure = parts.extensions.get::<Connection>().is_some_and(|connection| connection.secure);
        let scheme = if secure { "https" } else { "http" };
        Ok(Self(match host {
            Some(host) => format!("{scheme}://{host}{ROOT}"),
            None => ROOT.to_owned(),
        }))
    }
}

fn host(headers: &HeaderMap) -> Option<String> {
    headers.get(header::HOST)?.to_str().ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> ScimResult<ScimQuery> {
        ScimQuery::read(&pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<Vec<_>>())
    }

    #[test]
    fn pages_stay_within_bounds() {
        let window = |pairs: &[(&str, &str)]| read(pairs).map(|query| (query.start_index, query.count)).ok();
        assert_eq!(window(&[]), Some((1, DEFAULT_COUNT)));
        assert_eq!(window(&[("startIndex", "0"), ("count", "-5")]), Some((1, 0)));
        assert_eq!(window(&[("STARTINDEX", "7"), ("count", "99999")]), Some((7, MAX_COUNT)));
        assert_eq!(window(&[("count", "x")]), None);
    }

    #[test]
    fn versions_are_compared_weakly() {
        let with = |text: &str| Preconditions { if_match: Some(text.to_owned()), if_none_match: None };
        for known in ["W/\"1\"", "\"1\"", "*", "\"0\", W/\"1\""] {
            assert!(with(known).check("W/\"1\"").is_ok(), "{known}");
        }
        assert!(with("W/\"2\"").check("W/\"1\"").is_err());
    }
}
