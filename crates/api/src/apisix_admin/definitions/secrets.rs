//! Secrets: each manager has its own schema.

use serde_json::{Value, json};

/// The schema of a manager's secrets; none for a manager that is not known.
pub(super) fn schema(manager: &str) -> Option<Value> {
    match manager {
        "vault" => Some(vault()),
        "aws" => Some(aws()),
        "gcp" => Some(gcp()),
        _ => None,
    }
}

fn uri() -> Value {
    json!({ "type": "string", "pattern": r"^[^\/]+:\/\/([\da-zA-Z.-]+|\[[\da-fA-F:]+\])(:\d+)?" })
}

fn vault() -> Value {
    json!({
        "type": "object",
        "properties": {
            "uri": uri(),
            "prefix": { "type": "string" },
            "token": { "type": "string" },
            "namespace": { "type": "string" },
        },
        "required": ["uri", "prefix", "token"],
    })
}

fn aws() -> Value {
    json!({
        "type": "object",
        "properties": {
            "access_key_id": { "type": "string" },
            "secret_access_key": { "type": "string" },
            "session_token": { "type": "string" },
            "region": { "type": "string", "default": "us-east-1" },
            "endpoint_url": uri(),
        },
        "required": ["access_key_id", "secret_access_key"],
    })
}

fn gcp() -> Value {
    json!({
        "type": "object",
        "properties": {
            "auth_config": {
                "type": "object",
                "properties": {
                    "client_email": { "type": "string" },
                    "private_key": { "type": "string" },
                    "project_id": { "type": "string" },
                    "token_uri": { "type": "string", "default": "https://oauth2.googleapis.com/token" },
                    "scope": {
                        "type": "array", "items": { "type": "string" },
                        "default": ["https://www.googleapis.com/auth/cloud-platform"],
                    },
                    "entries_uri": { "type": "string", "default": "https://secretmanager.googleapis.com/v1" },
                },
                "required": ["client_email", "private_key", "project_id"],
            },
            "ssl_verify": { "type": "boolean", "default": true },
            "auth_file": { "type": "string" },
        },
        "oneOf": [{ "required": ["auth_config"] }, { "required": ["auth_file"] }],
    })
}
