//! What configurations may say. Source: the `schema` of APISIX 3.18's limit-count.

use std::sync::LazyLock;

use plugin_api::schema::with_meta;
use serde_json::{Value, json};

/// What APISIX stores for "at once".
pub(super) const NO_SYNC_INTERVAL: i32 = -1;

pub(super) static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    with_meta(json!({
        "type": "object",
        "properties": {
            "count": amount("most requests of a window; text may be a number or a variable"),
            "time_window": amount("length of a window in seconds; text may be a number or a variable"),
            "window_type": { "type": "string", "enum": ["fixed", "sliding"], "default": "fixed" },
            "rules": {
                "type": "array",
                "description": "several limits, instead of count, time_window and key",
                "items": {
                    "type": "object",
                    "properties": {
                        "count": amount("as above"),
                        "time_window": amount("as above"),
                        "key": { "type": "string", "description": "a combination of variables" },
                        "header_prefix": { "type": "string", "description": "default: the rule's number" },
                    },
                    "required": ["count", "time_window", "key"],
                },
            },
            "group": { "type": "string", "description": "those of one group count together" },
            "key": { "type": "string", "default": "remote_addr" },
            "key_type": { "type": "string", "enum": ["var", "var_combination", "constant"], "default": "var" },
            "rejected_code": { "type": "integer", "minimum": 200, "maximum": 599, "default": 503 },
            "rejected_msg": { "type": "string", "minLength": 1 },
            "policy": {
                "type": "string",
                "enum": ["local", "redis", "redis-cluster", "redis-sentinel"],
                "default": "local",
            },
            "allow_degradation": { "type": "boolean", "default": false },
            "show_limit_quota_header": { "type": "boolean", "default": true },
            "sync_interval": {
                "type": "number",
                "default": NO_SYNC_INTERVAL,
                "description": "taken and not needed: each request is counted at once",
            },
        },
        "oneOf": [{ "required": ["count", "time_window"] }, { "required": ["rules"] }],
        "if": { "properties": { "policy": { "enum": ["redis"] } }, "required": ["policy"] },
        "then": { "properties": redis(), "required": ["redis_host"] },
    }))
});

/// What is said of a Redis, and filled in, only where one is asked for.
fn redis() -> Value {
    json!({
        "redis_host": { "type": "string", "minLength": 2 },
        "redis_port": { "type": "integer", "minimum": 1, "maximum": 65535, "default": 6379 },
        "redis_username": { "type": "string", "minLength": 1 },
        "redis_password": { "type": "string", "minLength": 0 },
        "redis_database": { "type": "integer", "minimum": 0, "default": 0 },
        "redis_timeout": {
            "type": "integer",
            "minimum": 1,
            "default": 1000,
            "description": "milliseconds, for connecting and for an answer",
        },
        "redis_ssl": { "type": "boolean", "default": false },
        "redis_ssl_verify": { "type": "boolean", "default": false },
        "redis_keepalive_timeout": { "type": "integer", "minimum": 1000, "default": 10000 },
        "redis_keepalive_pool": { "type": "integer", "minimum": 1, "default": 100 },
    })
}

pub(super) static METADATA: LazyLock<Value> = LazyLock::new(|| {
    json!({
        "type": "object",
        "properties": {
            "limit_header": { "type": "string", "default": "X-RateLimit-Limit" },
            "remaining_header": { "type": "string", "default": "X-RateLimit-Remaining" },
            "reset_header": { "type": "string", "default": "X-RateLimit-Reset" },
        },
    })
});

fn amount(description: &str) -> Value {
    json!({
        "description": description,
        "oneOf": [{ "type": "integer", "exclusiveMinimum": 0 }, { "type": "string" }],
    })
}
