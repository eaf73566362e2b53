//! Answers in SCIM's media type, and why a request is refused.

use axum::response::{IntoResponse, Response};
use control::ControlError;
use http::{HeaderName, HeaderValue, StatusCode, header};
use scim::{Error, ErrorType, MEDIA_TYPE, Object};
use serde_json::{Value, json};

use crate::attempt::Told;

/// Why a request is refused, ready to be sent.
#[derive(Debug)]
pub(crate) struct ScimError(Error);

/// What a handler gives back.
pub(crate) type ScimResult<T> = Result<T, ScimError>;

impl ScimError {
    /// A refusal with this status and text.
    pub(crate) fn new(status: u16, detail: impl Into<String>) -> Self {
        Self(Error::new(status, detail))
    }

    /// A refusal for which the RFC has a word.
    pub(crate) fn of(scim_type: ErrorType, detail: impl Into<String>) -> Self {
        Self(Error::of(scim_type, detail))
    }
}

impl From<Error> for ScimError {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<ControlError> for ScimError {
    fn from(error: ControlError) -> Self {
        let text = error.to_string();
        match error {
            ControlError::Invalid(_) | ControlError::InvalidItems(_) => Self::of(ErrorType::InvalidValue, text),
            ControlError::Unauthenticated(_) | ControlError::SessionEnded(_) | ControlError::SecondFactorNeeded => {
                Self::new(401, text)
            }
            ControlError::Forbidden(_) | ControlError::OwnAccount(_) | ControlError::Join(_) => Self::new(403, text),
            ControlError::NotFound { .. } => Self::new(404, text),
            ControlError::Conflict(_) => Self::of(ErrorType::Uniqueness, text),
            ControlError::Stale { .. } => Self::new(412, text),
            ControlError::TooManyAttempts { .. } | ControlError::Locked { .. } => Self::new(429, text),
            ControlError::Unavailable(cause) => {
                tracing::warn!(%cause, "a SCIM request could not be carried out");
                Self::new(503, "the control plane cannot do this now; try again")
            }
            ControlError::Internal(cause) => {
                tracing::error!(%cause, "a request failed by a fault of ours");
                Self::new(500, crate::error::ApiError::internal().into_message())
            }
        }
    }
}

impl IntoResponse for ScimError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = self.0.body();
        let mut response = json_answer(status, &body);
        response.extensions_mut().insert(Told::of(&body));
        let header = match status {
            StatusCode::UNAUTHORIZED => Some((header::WWW_AUTHENTICATE, "Bearer realm=\"scim\"")),
            StatusCode::SERVICE_UNAVAILABLE => Some((header::RETRY_AFTER, "1")),
            _ => None,
        };
        if let Some((name, value)) = header {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

/// Any answer with a body.
pub(crate) fn json_answer(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, MEDIA_TYPE)], body.to_string()).into_response()
}

/// One resource, with its version as `ETag` and, when it is new, where it is.
pub(crate) fn resource(status: StatusCode, version: &str, location: &str, body: Object) -> Response {
    let mut response = json_answer(status, &Value::Object(body));
    let mut insert = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    };
    insert(header::ETAG, version);
    if status == StatusCode::CREATED {
        insert(header::LOCATION, location);
    }
    response
}

/// A list (RFC 7644, section 3.4.2).
pub(crate) fn listing(total: u64, start_index: u64, resources: Vec<Value>) -> Response {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": total,
        "startIndex": start_index,
        "itemsPerPage": resources.len(),
        "Resources": resources,
    });
    json_answer(StatusCode::OK, &body)
}

/// What a removal answers.
pub(crate) fn removed() -> Response {
    StatusCode::NO_CONTENT.into_response()
}
