//! Why a request is refused, in APISIX's words.

use axum::response::{IntoResponse, Response};
use control::ControlError;
use http::StatusCode;
use model::{Fault, Faults};
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

    /// 400 with this text and nothing around it.
    pub(super) fn text(message: &'static str) -> Self {
        Self::body(StatusCode::BAD_REQUEST, Value::String(message.to_owned()))
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

    #[cfg(feature = "fuzzing")]
    pub(super) fn told(&self) -> String {
        self.body["error_msg"].as_str().unwrap_or_default().to_owned()
    }

    pub(super) fn into_response(self) -> Response {
        let told = Told::of(&self.body);
        let mut response = match (self.other, *self.body) {
            (Some(other), _) => return other.into_response(),
            (None, Value::String(text)) => (self.status, text).into_response(),
            (None, body) => answer_json(self.status, &body),
        };
        response.extensions_mut().insert(told);
        response
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
            ControlError::Invalid(faults) => {
                Self::bad_request(first(faults).unwrap_or_else(|| "invalid configuration".to_owned()))
            }
            ControlError::NotFound { .. } => Self::key_not_found(),
            ControlError::Conflict(message) => Self::bad_request(message),
            other => ApiError::from(other).into(),
        }
    }
}

/// The first fault as APISIX says it.
pub(super) fn first(faults: Faults) -> Option<String> {
    faults.0.first().map(sentence)
}

/// A fault as APISIX says it, by where it stands.
fn sentence(fault: &Fault) -> String {
    let references = [
        ("/service_id", "service"),
        ("/upstream_id", "upstream"),
        ("/plugin_config_id", "plugin config"),
        ("/group_id", "consumer group"),
        ("/tls/client_cert_id", "ssl"),
        ("/upstream/tls/client_cert_id", "ssl"),
    ];
    let is_missing = fault.message.starts_with("must be the id of an existing");
    if let Some((_, what)) = references.iter().find(|(pointer, _)| is_missing && *pointer == fault.pointer)
        && let Some(id) = fault.message.split('"').nth(1)
    {
        return format!("failed to fetch {what} info by {what} id [{id}], response code: 404");
    }
    if let Some(text) = unreadable(fault) {
        return text;
    }
    // What a consumer proves itself with; a credential's fault is told of its consumer, with more around it.
    if let Some((_, other)) = fault.message.rsplit_once("is already used by consumer ") {
        return format!("duplicate key found with consumer: {}", other.trim_matches('"'));
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

/// A certificate or key that cannot be read, as OpenSSL tells APISIX.
fn unreadable(fault: &Fault) -> Option<String> {
    const NO_PEM: &str = "must be in PEM form";
    const REASONS: [&str; 3] = [NO_PEM, "must be a certificate chain", "must be a private key"];
    const CERTIFICATE: &str = "failed to parse cert: PEM_read_bio_X509_AUX() failed";
    const KEY: &str = "failed to parse key: PEM_read_bio_PrivateKey() failed";
    // APISIX takes a key that is no PEM for one that it has encrypted itself.
    const ENCRYPTED: &str = "failed to decrypt previous encrypted key";
    REASONS.iter().find(|reason| fault.message.starts_with(**reason))?;
    let pair = |place: &str, what: &str| {
        let place: usize = place.parse().unwrap_or_default();
        format!("failed to handle cert-key pair[{}]: {what}", place + 1)
    };
    let key = if fault.message == NO_PEM { ENCRYPTED } else { KEY };
    let parts: Vec<&str> = fault.pointer.split('/').skip(1).collect();
    match parts.as_slice() {
        ["cert"] | [.., "client_cert"] => Some(CERTIFICATE.to_owned()),
        ["key"] | [.., "client_key"] => Some(key.to_owned()),
        ["certs", place] => Some(pair(place, CERTIFICATE)),
        ["keys", place] => Some(pair(place, key)),
        ["client", "ca"] => Some(format!("failed to validate client_cert: {CERTIFICATE}")),
        _ => None,
    }
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
            ("/cert", "must be in PEM form", "failed to parse cert: PEM_read_bio_X509_AUX() failed"),
            (
                "/keys/1",
                "must be a private key in PEM form",
                "failed to handle cert-key pair[2]: failed to parse key: PEM_read_bio_PrivateKey() failed",
            ),
            (
                "/client/ca",
                "must be in PEM form",
                "failed to validate client_cert: failed to parse cert: PEM_read_bio_X509_AUX() failed",
            ),
            ("/key", "must be in PEM form", "failed to decrypt previous encrypted key"),
            (
                "/keys/0",
                "must be in PEM form",
                "failed to handle cert-key pair[1]: failed to decrypt previous encrypted key",
            ),
            ("/plugins/key-auth", "is already used by consumer \"ann\"", "duplicate key found with consumer: ann"),
            ("/uris/0", "must begin with a slash", "invalid configuration: must begin with a slash"),
        ];
        for (pointer, message, expected) in cases {
            assert_eq!(sentence(&Fault::new(pointer, message)), expected);
        }
    }
}
