//! The envelopes of good answers.

use api_types::{Listing, Valued};
use axum::Json;
use axum::response::{AppendHeaders, IntoResponse, Response};
use http::{HeaderName, header};
use model::Revision;
use serde_json::json;

/// The revision an answer is of; `ETag` says the same.
const REVISION: HeaderName = HeaderName::from_static("x-flotilla-revision");

/// `{value}`
pub(crate) fn value<T>(value: T) -> Json<Valued<T>> {
    Json(Valued { value })
}

/// `{list, total}` of everything there is.
pub(crate) fn listing<T>(list: Vec<T>) -> Json<Listing<T>> {
    let total = list.len() as u64;
    Json(Listing { list, total })
}

/// `{list, total}` of one page.
pub(crate) fn page<T>(list: Vec<T>, total: u64) -> Json<Listing<T>> {
    Json(Listing { list, total })
}

/// What writes answer that have nothing to show.
pub(crate) fn done() -> Response {
    value(json!({})).into_response()
}

/// An answer with the group's revision, to be sent back as `If-Match`.
pub(crate) fn at_revision(revision: Revision, answer: impl IntoResponse) -> Response {
    let headers = [(header::ETAG, format!("\"{revision}\"")), (REVISION, revision.to_string())];
    (AppendHeaders(headers), answer).into_response()
}
