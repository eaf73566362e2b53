//! Why a request is refused (RFC 7644, section 3.12).

use serde_json::{Value, json};

const SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// RFC 7644, table 9.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorType {
    /// The filter does not follow the grammar, or compares what cannot be compared.
    InvalidFilter,
    /// The answer would be larger than the server is willing to make it.
    TooMany,
    /// Another resource has the value.
    Uniqueness,
    /// The attribute cannot be changed by clients.
    Mutability,
    /// The body is no message of the kind expected.
    InvalidSyntax,
    /// The path of a PATCH names no attribute.
    InvalidPath,
    /// The path of a PATCH selects nothing.
    NoTarget,
    /// A value is missing or of the wrong kind.
    InvalidValue,
}

impl ErrorType {
    /// As it stands in `scimType`.
    pub fn name(self) -> &'static str {
        match self {
            ErrorType::InvalidFilter => "invalidFilter",
            ErrorType::TooMany => "tooMany",
            ErrorType::Uniqueness => "uniqueness",
            ErrorType::Mutability => "mutability",
            ErrorType::InvalidSyntax => "invalidSyntax",
            ErrorType::InvalidPath => "invalidPath",
            ErrorType::NoTarget => "noTarget",
            ErrorType::InvalidValue => "invalidValue",
        }
    }
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Error {
    /// Status of the answer.
    pub status: u16,
    /// What sort of refusal, where the RFC has a word for it.
    pub scim_type: Option<ErrorType>,
    /// For people: what is wrong and what would be right.
    pub detail: String,
}

impl Error {
    /// A refusal without a `scimType`.
    pub fn new(status: u16, detail: impl Into<String>) -> Self {
        Self { status, scim_type: None, detail: detail.into() }
    }

    /// 400 of this type, or 409 for [`ErrorType::Uniqueness`].
    pub fn of(scim_type: ErrorType, detail: impl Into<String>) -> Self {
        let status = if scim_type == ErrorType::Uniqueness { 409 } else { 400 };
        Self { scim_type: Some(scim_type), ..Self::new(status, detail) }
    }

    pub(crate) fn value(attribute: &str, wanted: &str) -> Self {
        Self::of(ErrorType::InvalidValue, format!("{attribute} {wanted}"))
    }

    /// The body of the answer.
    pub fn body(&self) -> Value {
        let mut body = json!({ "schemas": [SCHEMA], "status": self.status.to_string(), "detail": self.detail });
        if let Some(scim_type) = self.scim_type {
            body["scimType"] = scim_type.name().into();
        }
        body
    }
}
