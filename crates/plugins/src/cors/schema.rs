//! What configurations and metadata may say. Source: the schemas of APISIX 3.18's cors.

use std::sync::LazyLock;

use plugin_api::schema::with_meta;
use serde_json::{Value, json};

const ORIGINS: &str = r"^(\*|\*\*|null|\w+://[^,]+(,\w+://[^,]+)*)$";

pub(super) static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let list = |description: &str| {
        json!({
            "type": "array",
            "description": description,
            "items": { "type": "string", "minLength": 1, "maxLength": 4096 },
            "minItems": 1,
            "uniqueItems": true,
        })
    };
    with_meta(json!({
        "type": "object",
        "properties": {
            "allow_origins": {
                "description": "origins, separated by commas; * for all without credentials, ** for all",
                "type": "string",
                "pattern": ORIGINS,
                "default": "*",
            },
            "allow_methods": {
                "description": "methods, separated by commas; * for all without credentials, ** for all",
                "type": "string",
                "default": "*",
            },
            "allow_headers": {
                "description": "request headers, separated by commas; * for all without credentials, ** for all",
                "type": "string",
                "default": "*",
            },
            "expose_headers": {
                "description": "response headers, separated by commas; none when left out",
                "type": "string",
            },
            "max_age": { "description": "seconds; -1 for no caching", "type": "integer", "default": 5 },
            "allow_credential": { "type": "boolean", "default": false },
            "allow_origins_by_regex": list("expressions for origins, instead of allow_origins"),
            "allow_origins_by_metadata": list("keys of allow_origins in the plugin's metadata"),
            "timing_allow_origins": {
                "description": "origins that may see timings; as allow_origins",
                "type": "string",
                "pattern": ORIGINS,
            },
            "timing_allow_origins_by_regex": list("expressions for origins that may see timings"),
        },
    }))
});

pub(super) static METADATA: LazyLock<Value> = LazyLock::new(|| {
    json!({
        "type": "object",
        "properties": {
            "allow_origins": {
                "type": "object",
                "additionalProperties": { "type": "string", "pattern": ORIGINS },
            },
        },
    })
});
