//! `If-Match`: the revision a write was made against.

use axum::extract::FromRequestParts;
use http::header;
use http::request::Parts;
use model::Revision;

use crate::error::{ApiError, ApiResult};

/// The revision that must still be the head; none asks for no check.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IfMatch(pub(crate) Option<Revision>);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> ApiResult<Self> {
        let Some(value) = parts.headers.get(header::IF_MATCH) else {
            return Ok(IfMatch(None));
        };
        value.to_str().ok().and_then(parse).ok_or_else(|| {
            ApiError::bad_request("If-Match must be the revision an answer carried as ETag, such as \"17\"")
        })
    }
}

fn parse(text: &str) -> Option<IfMatch> {
    let text = text.trim();
    if text == "*" {
        return Some(IfMatch(None));
    }
    // An intermediary that compresses makes an ETag weak (RFC 9110, section 8.8.3.3); the revision stays the same.
    let text = text.strip_prefix("W/").unwrap_or(text).trim_matches('"');
    text.parse().ok().map(|revision| IfMatch(Some(revision)))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_revision_is_read_with_and_without_quotes() {
        let revision = |text| parse(text).map(|found| found.0);
        assert_eq!(revision("\"17\""), Some(Some(17)));
        assert_eq!(revision("W/\"17\""), Some(Some(17)));
        assert_eq!(revision("17"), Some(Some(17)));
        assert_eq!(revision("*"), Some(None));
        assert_eq!(revision("\"x\""), None);
    }
}
