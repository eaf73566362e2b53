//! Why a request is refused, in APISIX's words.

use axum::response::{IntoResponse, Response};
use control::ControlError;
use http::StatusCode;
use model::Fault;
use serde_json::{Value, json};

use super::answer_json;
use crate::attempt::Told;
use crate::error::ApiError;

/// A status and a body.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    body: Box<Value>,
    /// Where the adapter has no words of its own: as the rest of the API says it.
    other: Option<ApiError>,
}

impl Refusal {
    /// `{"error_msg": ...}`
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self::body(status, json!({ "error_msg": message.into() }))
    }

    pub(super) fn body(status: StatusCode, body: Value) -> Self {
        Self { status, body: Box::new(body), other: None }
    }

    /// 400 with this text.
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// etcd's word for what is not there.
    pub(super) fn key_not_found() -> Self {
        Self::body(StatusCode::NOT_FOUND, json!({ "message": "Key not found" }))
    }

    /// A fault of ours: the log has the cause.
    pub(super) fn internal(cause: &dyn std::error::Error) -> Self {
        tracing::error!(%cause, "a request failed by a fault of ours");
        ApiError::internal().into()
    }

    pub(super) fn into_response(self) -> Response {
        match self.other {
            Some(other) => other.into_response(),
            None => {
                let message = Told::of(&self.body);
                let mut response = answer_json(self.status, &self.body);
                response.extensions_mut().insert(message);
                response
            }
        }
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self { other: Some(error), ..Self::body(StatusCode::INTERNAL_SERVER_ERROR, Value::Null) }
    }
}

impl From<ControlError> for Refusal {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::Invalid(faults) => match faults.0.into_iter().next() {
                Some(fault) => Self::bad_request(sentence(&fault)),
                None => Self::bad_request("invalid configuration"),
            },
            ControlError::NotFound { .. } => Self::key_not_found(),
            ControlError::Conflict(message) => Self::bad_request(message),
            other => ApiError::from(other).into(),
        }
    }
}

/// A fault as APISIX says it, by where it stands.
fn sentence(fault: &Fault) -> String {
    let references = [
        ("/service_id", "service"),
        ("/upstream_id", "upstream"),
        ("/plugin_config_id", "plugin config"),
        ("/group_id", "consumer group"),
    ];
    let is_missing = fault.message.starts_with("must be the id of an existing");
    if let Some((_, what)) = references.iter().find(|(pointer, _)| is_missing && *pointer == fault.pointer)
        && let Some(id) = fault.message.split('"').nth(1)
    {
        return format!("failed to fetch {what} info by {what} id [{id}], response code: 404");
    }
    // Plugins say it all themselves.
    if fault.pointer.starts_with("/plugins/") {
        return fault.message.clone();
    }
    let what = if fault.pointer.starts_with("/vars") {
        "failed to validate the 'vars' expression"
    } else {
        "invalid configuration"
    };
    format!("{what}: {}", fault.message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_worded_by_their_place() {
        let cases = [
            (
                "/service_id",
                "must be the id of an existing service, \"7\" is none",
                "failed to fetch service info by service id [7], response code: 404",
            ),
            ("/plugins/nope", "unknown plugin [nope]", "unknown plugin [nope]"),
            ("/uris/0", "must begin with a slash", "invalid configuration: must begin with a slash"),
        ];
        for (pointer, message, expected) in cases {
            assert_eq!(sentence(&Fault::new(pointer, message)), expected);
        }
    }
}
