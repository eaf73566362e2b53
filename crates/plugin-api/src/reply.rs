//! An answer that the gateway gives by itself.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::page;

/// Status, headers and a short body.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Status code.
    pub status: StatusCode,
    /// Headers besides Content-Length, Date and Server, which the gateway adds.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Reply {
    /// An answer without a body.
    pub fn empty(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: Bytes::new() }
    }

    /// A status without words of its own: with nginx's page where nginx has one, as clients of APISIX see it.
    pub fn page(status: StatusCode) -> Self {
        static HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
        let Some(page) = page::of(status) else { return Self::empty(status) };
        Self { status, headers: HeaderMap::from_iter([(CONTENT_TYPE, HTML.clone())]), body: page.into() }
    }

    /// APISIX's form of a table body: JSON, a line feed, `text/plain`.
    pub fn json(status: StatusCode, body: &Value) -> Self {
        Self::text(status, format!("{body}\n"))
    }

    /// `{"message": ...}`
    pub fn message(status: StatusCode, message: &str) -> Self {
        Self::json(status, &json!({ "message": message }))
    }

    /// `{"error_msg": ...}`
    pub fn error_msg(status: StatusCode, message: &str) -> Self {
        Self::json(status, &json!({ "error_msg": message }))
    }

    /// A text body as it is.
    pub fn text(status: StatusCode, body: impl Into<Bytes>) -> Self {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"))]);
        Self { status, headers, body: body.into() }
    }

    /// Adds a header.
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }
}
