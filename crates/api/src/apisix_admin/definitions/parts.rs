//! What several kinds have in common.

use serde_json::{Value, json};

/// Longest name and description.
const TEXT: u32 = 65_536;

pub(super) fn id() -> Value {
    json!({ "anyOf": [
        { "type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[a-zA-Z0-9-_.]+$" },
        { "type": "integer", "minimum": 1 },
    ] })
}

pub(super) fn host() -> Value {
    json!({ "type": "string", "pattern": r"^\*?[0-9a-zA-Z-._\[\]:]+$" })
}

pub(super) fn hosts() -> Value {
    json!({ "type": "array", "items": host(), "minItems": 1, "uniqueItems": true })
}

pub(super) fn name() -> Value {
    json!({ "type": "string", "maxLength": TEXT, "minLength": 1 })
}

pub(super) fn description() -> Value {
    json!({ "type": "string", "maxLength": TEXT })
}

pub(super) fn labels() -> Value {
    json!({
        "description": "key/value pairs to specify attributes",
        "type": "object",
        "patternProperties": { ".*": {
            "description": "value of label", "type": "string", "pattern": r"^\S+$", "maxLength": 256, "minLength": 1,
        } },
    })
}

pub(super) fn time() -> Value {
    json!({ "type": "integer" })
}

pub(super) fn plugins() -> Value {
    json!({ "type": "object" })
}

pub(super) fn timeout() -> Value {
    let seconds = json!({ "type": "number", "exclusiveMinimum": 0 });
    json!({
        "type": "object",
        "properties": { "connect": seconds, "send": seconds, "read": seconds },
        "required": ["connect", "send", "read"],
    })
}

/// An address or network of a client or server.
pub(super) fn address(description: &str) -> Value {
    const SEGMENT: &str = "([0-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5])";
    const IPV6: &str = "([a-fA-F0-9]{0,4}:){1,8}(:[a-fA-F0-9]{0,4}){0,8}([a-fA-F0-9]{0,4})?";
    let ipv4 = [SEGMENT; 4].join(r"\.");
    json!({
        "description": description,
        "type": "string",
        "anyOf": [
            { "title": "IPv4", "type": "string", "format": "ipv4" },
            { "title": "IPv4/CIDR", "type": "string", "pattern": format!("^{ipv4}/([12]?[0-9]|3[0-2])$") },
            { "title": "IPv6", "type": "string", "format": "ipv6" },
            { "title": "IPv6/CIDR", "type": "string", "pattern": format!("^{IPV6}/[0-9]{{1,3}}$") },
        ],
    })
}

/// A reference that the gateway resolves.
fn reference() -> Value {
    json!({ "type": "string", "pattern": r"^\$(secret|env|ENV)://" })
}

/// A certificate or key, PEM.
pub(super) fn pem() -> Value {
    json!({ "anyOf": [{ "type": "string", "minLength": 128, "maxLength": 65_536 }, reference()] })
}

/// What a chash key over headers or cookies may be.
pub(super) fn hash_header() -> Value {
    json!({ "type": "string", "pattern": "^[a-zA-Z0-9-_]+$" })
}

/// What a chash key over variables may be.
pub(super) fn hash_vars() -> Value {
    let names =
        "uri|server_name|server_addr|request_uri|remote_port|remote_addr|query_string|host|hostname|mqtt_client_id";
    json!({ "type": "string", "pattern": format!("^(({names})|arg_[0-9a-zA-z_-]+)$") })
}
