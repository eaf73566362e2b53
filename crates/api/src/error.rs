//! The one error of the API and the one body it has: `{"error_msg": ...}`.

use std::time::Duration;

use api_types::{ErrorBody, ItemError};
use axum::Json;
use axum::response::{IntoResponse, Response};
use control::{ControlError, ItemFault};
use http::{HeaderValue, StatusCode, header};
use model::{Fault, Faults};

use crate::attempt::{Denied, Told};

/// Why a request is refused, ready to be sent.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    message: String,
    items: Vec<ItemError>,
    retry_after: Option<Duration>,
    /// Boxed: an error is handed up through many functions.
    denied: Option<Box<Denied>>,
}

/// What a handler gives back.
pub(crate) type ApiResult<T> = Result<T, ApiError>;

impl ApiError {
    /// An error with this status and text.
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), items: Vec::new(), retry_after: None, denied: None }
    }

    /// 400: the request says something that cannot be.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 401: no key, or one that is not good.
    pub(crate) fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, message)
    }

    /// 403: the caller may not do this.
    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    /// 404: what the path names is not there.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// 500: our fault; the log has the cause, the client the request id.
    pub(crate) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal error; the log of the control plane has the cause under this request's id",
        )
    }

    /// What the client is told.
    pub(crate) fn into_message(self) -> String {
        self.message
    }

    /// 429, and when to try again.
    pub(crate) fn too_many(message: impl Into<String>, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(StatusCode::TOO_MANY_REQUESTS, message) }
    }

    /// 400 with every fault of a request that carried many items.
    pub(crate) fn items(items: Vec<ItemError>) -> Self {
        let message = items.iter().map(text_of_item).collect::<Vec<_>>().join("; ");
        Self { items, ..Self::bad_request(message) }
    }
}

fn text_of_item(item: &ItemError) -> String {
    format!("{}[{}]: {}", item.resource_type, item.index, item.error)
}

impl From<Fault> for ApiError {
    fn from(fault: Fault) -> Self {
        Self::bad_request(fault.to_string())
    }
}

impl From<Faults> for ApiError {
    fn from(faults: Faults) -> Self {
        Self::bad_request(faults.to_string())
    }
}

impl From<ControlError> for ApiError {
    fn from(error: ControlError) -> Self {
        let text = error.to_string();
        match error {
            ControlError::Invalid(faults) => faults.into(),
            ControlError::InvalidItems(faults) => Self::items(faults.into_iter().map(item).collect()),
            ControlError::Unauthenticated(_) | ControlError::SessionEnded(_) | ControlError::SecondFactorNeeded => {
                Self::unauthenticated(text)
            }
            ControlError::TooManyAttempts { retry_after } | ControlError::Locked { retry_after } => {
                Self::too_many(text, retry_after)
            }
            ControlError::Forbidden(forbidden) => {
                let denied = Denied { action: forbidden.action.name(), resource: forbidden.resource };
                Self { denied: Some(Box::new(denied)), ..Self::forbidden(text) }
            }
            ControlError::OwnAccount(_) | ControlError::Join(_) => Self::forbidden(text),
            ControlError::NotFound { .. } => Self::not_found(text),
            ControlError::Conflict(_) => Self::new(StatusCode::CONFLICT, text),
            ControlError::Stale { .. } => Self::new(StatusCode::PRECONDITION_FAILED, text),
            ControlError::Unavailable(cause) => {
                tracing::warn!(%cause, "the store is not available");
                let message = "the control plane cannot reach its database now; try again";
                Self {
                    retry_after: Some(Duration::from_secs(1)),
                    ..Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
                }
            }
            ControlError::Internal(cause) => {
                tracing::error!(%cause, "a request failed by a fault of ours");
                Self::internal()
            }
        }
    }
}

/// A fault of one item in the API's words.
pub(crate) fn item(fault: ItemFault) -> ItemError {
    ItemError {
        resource_type: fault.key.kind.plural().to_owned(),
        resource_id: fault.key.id.to_string(),
        index: fault.index as u64,
        error: fault.fault.to_string(),
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let told = Told { message: self.message.clone(), denied: self.denied.map(|denied| *denied) };
        let body = ErrorBody { error_msg: self.message, errors: self.items };
        let mut response = (self.status, Json(body)).into_response();
        response.extensions_mut().insert(told);
        if let Some(wait) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        response
    }
}
