//! What configurations and credentials may say. Source: the schemas of APISIX 3.18's jwt-auth.

use std::sync::LazyLock;

use plugin_api::schema::with_meta;
use serde_json::{Value, json};

use crate::consumer::doorkeeper;

pub(super) static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    with_meta(json!({
        "type": "object",
        "properties": {
            "header": { "type": "string", "default": "authorization" },
            "query": { "type": "string", "default": "jwt" },
            "cookie": { "type": "string", "default": "jwt" },
            "hide_credentials": { "type": "boolean", "default": false },
            "key_claim_name": { "type": "string", "default": "key", "minLength": 1 },
            "store_in_ctx": { "type": "boolean", "default": false },
            "realm": doorkeeper::realm("jwt"),
            "anonymous_consumer": doorkeeper::anonymous_consumer(),
            "claims_to_verify": {
                "type": "array",
                "items": { "type": "string", "enum": ["exp", "nbf"] },
                "uniqueItems": true,
            },
        },
    }))
});

pub(super) static CONSUMER: LazyLock<Value> = LazyLock::new(|| {
    let secret = ["HS256", "HS384", "HS512"];
    let public = ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "EdDSA"];
    let all: Vec<_> = secret.iter().chain(&public).collect();
    json!({
        "type": "object",
        "properties": {
            "key": { "type": "string", "minLength": 1 },
            "secret": { "type": "string", "minLength": 1 },
            "algorithm": { "type": "string", "enum": all, "default": "HS256" },
            "exp": { "type": "integer", "minimum": 1, "default": 86400 },
            "base64_secret": { "type": "boolean", "default": false },
            "lifetime_grace_period": { "type": "integer", "minimum": 0, "default": 0 },
        },
        "dependencies": {
            "algorithm": {
                "oneOf": [
                    { "properties": { "algorithm": { "enum": secret, "default": "HS256" } } },
                    {
                        "properties": { "public_key": { "type": "string" }, "algorithm": { "enum": public } },
                        "required": ["public_key"],
                    },
                ],
            },
        },
        "required": ["key"],
    })
});
