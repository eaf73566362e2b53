//! The kinds themselves.

use model::Kind;
use serde_json::{Map, Value, json};

use super::{parts, upstream};

/// The schema of a kind; none where each object has its own.
pub(super) fn schema(kind: Kind) -> Option<Value> {
    Some(match kind {
        Kind::Route => route(),
        Kind::Service => service(),
        Kind::Upstream => upstream::schema(),
        Kind::Consumer => consumer(),
        Kind::Credential => credential(),
        Kind::Ssl => ssl(),
        Kind::StreamRoute => stream_route(),
        Kind::PluginConfig | Kind::ConsumerGroup => plugin_set(&["id", "plugins"]),
        Kind::GlobalRule => global_rule(),
        Kind::Proto => proto(),
        Kind::PluginMetadata => json!({ "type": "object" }),
        Kind::Secret => return None,
    })
}

/// An object of these fields and those that all kinds have.
fn object(fields: Value) -> Value {
    let mut properties = Map::from_iter([
        ("id".to_owned(), parts::id()),
        ("create_time".to_owned(), parts::time()),
        ("update_time".to_owned(), parts::time()),
    ]);
    if let Value::Object(fields) = fields {
        properties.extend(fields);
    }
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

/// The schema with more keywords.
fn and(mut schema: Value, keywords: Value) -> Value {
    if let (Value::Object(schema), Value::Object(keywords)) = (&mut schema, keywords) {
        schema.extend(keywords);
    }
    schema
}

fn script() -> Value {
    json!({ "type": "string", "minLength": 10, "maxLength": 102_400 })
}

fn enabled(what: &str) -> Value {
    let description = format!("{what} status, 1 to enable, 0 to disable");
    json!({ "description": description, "type": "integer", "enum": [1, 0], "default": 1 })
}

fn websocket() -> Value {
    json!({ "description": "enable websocket for request", "type": "boolean" })
}

fn route() -> Value {
    let methods = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "CONNECT", "TRACE", "PURGE"];
    let address = parts::address("client IP");
    let fields = json!({
        "uri": { "type": "string", "minLength": 1, "maxLength": 4096 },
        "uris": {
            "type": "array", "minItems": 1, "uniqueItems": true,
            "items": { "description": "HTTP uri", "type": "string" },
        },
        "name": parts::name(),
        "desc": parts::description(),
        "priority": { "type": "integer", "default": 0 },
        "methods": {
            "type": "array", "uniqueItems": true,
            "items": { "description": "HTTP method", "type": "string", "enum": methods },
        },
        "host": parts::host(),
        "hosts": parts::hosts(),
        "remote_addr": address,
        "remote_addrs": { "type": "array", "items": address, "minItems": 1, "uniqueItems": true },
        "timeout": parts::timeout(),
        "vars": { "type": "array" },
        "filter_func": { "type": "string", "minLength": 10, "pattern": "^function" },
        "script": script(),
        "script_id": parts::id(),
        "plugins": parts::plugins(),
        "plugin_config_id": parts::id(),
        "upstream": upstream::schema(),
        "labels": parts::labels(),
        "service_id": parts::id(),
        "upstream_id": parts::id(),
        "enable_websocket": websocket(),
        "status": enabled("route"),
    });
    and(object(fields), route_rules())
}

/// What of a route's fields goes with what.
fn route_rules() -> Value {
    let none_or_one = |one: &str, several: &str| {
        let (one, several) = (json!({ "required": [one] }), json!({ "required": [several] }));
        json!({ "oneOf": [{ "not": { "anyOf": [one, several] } }, one, several] })
    };
    let leads_to = ["plugins", "upstream", "upstream_id", "service_id"];
    let of_uri = leads_to.iter().map(|field| json!({ "required": [field, "uri"] }));
    let of_uris = leads_to.iter().map(|field| json!({ "required": [field, "uris"] }));
    let by_script = ["uri", "uris"].into_iter().map(|field| json!({ "required": ["script", field] }));
    let any: Vec<Value> = of_uri.chain(of_uris).chain(by_script).collect();
    json!({
        "allOf": [
            { "oneOf": [{ "required": ["uri"] }, { "required": ["uris"] }] },
            none_or_one("host", "hosts"),
            none_or_one("remote_addr", "remote_addrs"),
        ],
        "anyOf": any,
        "not": { "anyOf": [{ "required": ["script", "plugins"] }, { "required": ["script", "plugin_config_id"] }] },
    })
}

fn service() -> Value {
    object(json!({
        "plugins": parts::plugins(),
        "upstream": upstream::schema(),
        "upstream_id": parts::id(),
        "name": parts::name(),
        "desc": parts::description(),
        "labels": parts::labels(),
        "script": script(),
        "enable_websocket": websocket(),
        "hosts": parts::hosts(),
    }))
}

fn consumer() -> Value {
    let mut schema = object(json!({
        "username": { "type": "string", "minLength": 1, "maxLength": 100, "pattern": r"^[a-zA-Z0-9_\-]+$" },
        "group_id": parts::id(),
        "plugins": parts::plugins(),
        "labels": parts::labels(),
        "desc": parts::description(),
    }));
    if let Some(properties) = schema["properties"].as_object_mut() {
        properties.remove("id");
    }
    and(schema, json!({ "required": ["username"] }))
}

fn credential() -> Value {
    object(json!({
        "name": parts::name(),
        "desc": parts::description(),
        "labels": parts::labels(),
        "plugins": { "type": "object", "maxProperties": 1 },
    }))
}

fn plugin_set(required: &[&str]) -> Value {
    let schema = object(json!({
        "name": parts::name(),
        "desc": parts::description(),
        "plugins": parts::plugins(),
        "labels": parts::labels(),
    }));
    and(schema, json!({ "required": required }))
}

fn global_rule() -> Value {
    and(object(json!({ "plugins": parts::plugins() })), json!({ "required": ["plugins"] }))
}

fn proto() -> Value {
    let schema = object(json!({
        "name": parts::name(),
        "desc": parts::description(),
        "labels": parts::labels(),
        "content": { "type": "string", "minLength": 1, "maxLength": 1_048_576 },
    }));
    and(schema, json!({ "required": ["content"] }))
}

fn ssl() -> Value {
    let name = json!({ "type": "string", "pattern": r"^\*?[0-9a-zA-Z-.]+$" });
    let fields = json!({
        "type": {
            "description": "ssl certificate type, server to server certificate, client to client certificate for upstream",
            "type": "string", "default": "server", "enum": ["server", "client"],
        },
        "cert": parts::pem(),
        "key": parts::pem(),
        "sni": name,
        "snis": { "type": "array", "items": name, "minItems": 1 },
        "certs": { "type": "array", "items": parts::pem() },
        "keys": { "type": "array", "items": parts::pem() },
        "client": {
            "type": "object",
            "properties": {
                "ca": parts::pem(),
                "depth": { "type": "integer", "minimum": 0, "default": 1 },
                "skip_mtls_uri_regex": {
                    "type": "array", "minItems": 1, "uniqueItems": true,
                    "items": { "description": "uri regular expression to skip mtls", "type": "string" },
                },
            },
            "required": ["ca"],
        },
        "labels": parts::labels(),
        "status": enabled("ssl"),
        "validity_end": parts::time(),
        "validity_start": parts::time(),
        "ssl_protocols": {
            "description": "set ssl protocols", "type": "array", "maxItems": 3, "uniqueItems": true,
            "items": { "enum": ["TLSv1.1", "TLSv1.2", "TLSv1.3"] },
        },
    });
    let named = json!({ "oneOf": [{ "required": ["sni", "key", "cert"] }, { "required": ["snis", "key", "cert"] }] });
    let clause = json!({
        "if": { "properties": { "type": { "enum": ["server"] } } },
        "then": named,
        "else": { "required": ["key", "cert"] },
    });
    and(object(fields), clause)
}

fn stream_route() -> Value {
    object(json!({
        "name": parts::name(),
        "desc": parts::description(),
        "labels": parts::labels(),
        "remote_addr": parts::address("client IP"),
        "server_addr": parts::address("server IP"),
        "server_port": { "description": "server port", "type": "integer" },
        "sni": {
            "description": "server name indication", "type": "string", "pattern": r"^\*?[0-9a-zA-Z-._\[\]:]+$",
        },
        "upstream": upstream::schema(),
        "upstream_id": parts::id(),
        "service_id": parts::id(),
        "plugins": parts::plugins(),
        "protocol": {
            "type": "object",
            "properties": {
                "name": { "type": "string" },
                "superior_id": parts::id(),
                "conf": { "type": "object" },
                "logger": { "type": "array" },
            },
            "required": ["name"],
        },
    }))
}
