//! The reader's page of the API: one page, one script, one style sheet, all of our own.

use axum::Router;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use http::header;

const PAGE: &str = include_str!("page.html");
const SCRIPT: &str = include_str!("reader.js");
const STYLE: &str = include_str!("reader.css");
/// The page loads from the control plane alone.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'";

/// `/docs` and what belongs to it; `/` leads there.
pub(crate) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/", get(|| async { Redirect::temporary("/docs") }))
        .route("/docs", get(|| async { file("text/html; charset=utf-8", PAGE) }))
        .route("/docs/reader.js", get(|| async { file("text/javascript; charset=utf-8", SCRIPT) }))
        .route("/docs/reader.css", get(|| async { file("text/css; charset=utf-8", STYLE) }))
}

fn file(content_type: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, content_type), (header::CONTENT_SECURITY_POLICY, POLICY)], text).into_response()
}
