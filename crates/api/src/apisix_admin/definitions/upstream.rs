//! Upstreams: nodes, balancing, checks.

use serde_json::{Value, json};

use super::parts;

pub(super) fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "id": parts::id(),
            "nodes": nodes(),
            "retries": { "type": "integer", "minimum": 0 },
            "retry_timeout": { "type": "number", "minimum": 0 },
            "timeout": parts::timeout(),
            "tls": tls(),
            "keepalive_pool": {
                "type": "object",
                "properties": {
                    "size": { "type": "integer", "default": 320, "minimum": 1 },
                    "idle_timeout": { "type": "number", "default": 60, "minimum": 0 },
                    "requests": { "type": "integer", "default": 1000, "minimum": 1 },
                },
            },
            "type": {
                "description": "algorithms of load balancing", "type": "string", "default": "roundrobin",
                "enum": ["chash", "roundrobin", "ewma", "least_conn"],
            },
            "checks": checks(),
            "hash_on": {
                "type": "string", "default": "vars",
                "enum": ["vars", "header", "cookie", "consumer", "vars_combinations"],
            },
            "key": { "description": "the key of chash for dynamic load balancing", "type": "string" },
            "scheme": { "default": "http", "enum": ["grpc", "grpcs", "http", "https", "tcp", "tls", "udp", "kafka"] },
            "discovery_type": { "description": "discovery type", "type": "string" },
            "discovery_args": { "type": "object" },
            "pass_host": {
                "description": "mod of host passing", "type": "string",
                "enum": ["pass", "node", "rewrite"], "default": "pass",
            },
            "upstream_host": parts::host(),
            "service_name": { "type": "string", "maxLength": 256, "minLength": 1 },
            "name": parts::name(),
            "desc": parts::description(),
            "labels": parts::labels(),
            "create_time": parts::time(),
            "update_time": parts::time(),
        },
        "oneOf": [{ "required": ["nodes"] }, { "required": ["service_name", "discovery_type"] }],
        "additionalProperties": false,
    })
}

fn nodes() -> Value {
    let weight = json!({ "description": "weight of node", "type": "integer", "minimum": 0 });
    json!({ "anyOf": [
        { "type": "object", "patternProperties": { ".*": weight } },
        { "type": "array", "items": {
            "type": "object",
            "properties": {
                "host": parts::host(),
                "port": { "description": "port of node", "type": "integer", "minimum": 1, "maximum": 65535 },
                "weight": weight,
                "priority": { "description": "priority of node", "type": "integer", "default": 0 },
                "metadata": { "description": "metadata of node", "type": "object" },
            },
            "required": ["host", "weight"],
        } },
    ] })
}

fn tls() -> Value {
    let excludes_id = |other: &str| json!({ "required": [other], "not": { "required": ["client_cert_id"] } });
    json!({
        "type": "object",
        "properties": {
            "client_cert_id": parts::id(),
            "client_cert": parts::pem(),
            "client_key": parts::pem(),
            "verify": {
                "type": "boolean", "default": false,
                "description": "Turn on server certificate verification, currently only kafka upstream is supported",
            },
        },
        "dependencies": {
            "client_cert": excludes_id("client_key"),
            "client_key": excludes_id("client_cert"),
            "client_cert_id": {
                "not": { "anyOf": [{ "required": ["client_cert"] }, { "required": ["client_key"] }] },
            },
        },
    })
}

fn count(default: u8) -> Value {
    json!({ "type": "integer", "minimum": 1, "maximum": 254, "default": default })
}

fn statuses(default: &[u16]) -> Value {
    json!({
        "type": "array", "minItems": 1, "uniqueItems": true, "default": default,
        "items": { "type": "integer", "minimum": 200, "maximum": 599 },
    })
}

fn speaks() -> Value {
    json!({ "type": "string", "enum": ["http", "https", "tcp"], "default": "http" })
}

fn checks() -> Value {
    json!({
        "type": "object",
        "properties": { "active": active(), "passive": passive() },
        "anyOf": [{ "required": ["active"] }, { "required": ["active", "passive"] }],
        "additionalProperties": false,
    })
}

fn active() -> Value {
    let interval = json!({ "type": "integer", "minimum": 1, "default": 1 });
    json!({
        "type": "object",
        "properties": {
            "type": speaks(),
            "timeout": { "type": "number", "default": 1 },
            "concurrency": { "type": "integer", "default": 10 },
            "host": parts::host(),
            "port": { "type": "integer", "minimum": 1, "maximum": 65535 },
            "http_method": { "type": "string" },
            "http_path": { "type": "string", "default": "/" },
            "http_req_body": { "type": "string" },
            "https_verify_certificate": { "type": "boolean", "default": true },
            "healthy": { "type": "object", "properties": {
                "interval": interval, "http_statuses": statuses(&[200, 302]), "successes": count(2),
            } },
            "unhealthy": { "type": "object", "properties": {
                "interval": interval,
                "http_statuses": statuses(&[429, 404, 500, 501, 502, 503, 504, 505]),
                "http_failures": count(5), "tcp_failures": count(2), "timeouts": count(3),
            } },
            "req_headers": { "type": "array", "minItems": 1, "items": { "type": "string", "uniqueItems": true } },
        },
    })
}

fn passive() -> Value {
    let healthy = [200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 306, 307, 308];
    json!({
        "type": "object",
        "properties": {
            "type": speaks(),
            "healthy": { "type": "object", "properties": {
                "http_statuses": statuses(&healthy), "successes": count(5),
            } },
            "unhealthy": { "type": "object", "properties": {
                "http_statuses": statuses(&[429, 500, 503]),
                "tcp_failures": count(2), "timeouts": count(7), "http_failures": count(5),
            } },
        },
    })
}
