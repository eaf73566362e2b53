//! The client's form of each resource against the server's, and how it fills in defaults before it compares.

use serde_json::{Map, Value, json};

/// A kind of resource as the client knows it.
pub(super) struct Kind {
    pub(super) name: &'static str,
    /// Its field in a configuration, or in its owner.
    pub(super) list: &'static str,
    /// The kind that it belongs to.
    pub(super) owner: Option<&'static str>,
    /// Its path below `/apisix/admin`.
    pub(super) path: &'static str,
    /// The fields that the client takes over from the server.
    fields: &'static [&'static str],
}

const fn kind(
    name: &'static str,
    list: &'static str,
    owner: Option<&'static str>,
    path: &'static str,
    fields: &'static [&'static str],
) -> Kind {
    Kind { name, list, owner, path, fields }
}

const UPSTREAM: &[&str] = &[
    "id",
    "name",
    "desc",
    "labels",
    "type",
    "hash_on",
    "key",
    "checks",
    "nodes",
    "scheme",
    "retries",
    "retry_timeout",
    "timeout",
    "tls",
    "keepalive_pool",
    "pass_host",
    "upstream_host",
    "service_name",
    "discovery_type",
    "discovery_args",
];

/// In the order in which they are written.
#[rustfmt::skip]
pub(super) const KINDS: &[Kind] = &[
    kind("ssl", "ssls", None, "ssls", &["id", "labels", "type", "snis", "cert", "certs", "client"]),
    kind("service", "services", None, "services", &["id", "name", "desc", "labels", "upstream", "plugins", "path_prefix", "strip_path_prefix", "hosts"]),
    kind("upstream", "upstreams", Some("service"), "upstreams", UPSTREAM),
    kind("route", "routes", Some("service"), "routes", &["id", "paths", "name", "desc", "labels", "methods", "enable_websocket", "plugins", "priority", "timeout", "vars"]),
    kind("stream_route", "stream_routes", Some("service"), "stream_routes", &["id", "name", "desc", "labels", "plugins", "server_addr", "server_port", "remote_addr"]),
    kind("consumer", "consumers", None, "consumers", &["username", "desc", "labels", "plugins"]),
    kind("consumer_credential", "credentials", Some("consumer"), "credentials", &["id", "name", "desc", "labels", "plugins"]),
    kind("global_rule", "global_rules", None, "global_rules", &[]),
    kind("plugin_metadata", "plugin_metadata", None, "plugin_metadata", &[]),
];

impl Kind {
    #[allow(clippy::expect_used)]
    pub(super) fn of(name: &str) -> &'static Kind {
        KINDS.iter().find(|kind| kind.name == name).expect("a kind of the client")
    }
}

/// Names that differ between the two.
const RENAMED: [(&str, &str); 2] = [("desc", "description"), ("paths", "uris")];

/// The id that the client gives a resource without one: made from its name and its owner.
pub(super) fn id(kind: &str, owner: &str, item: &Value) -> String {
    let name = match kind {
        "consumer" => return item["username"].as_str().unwrap_or_default().to_owned(),
        "ssl" => item["snis"].to_string(),
        _ => item["name"].as_str().unwrap_or_default().to_owned(),
    };
    let given = item["id"].as_str().map(str::to_owned);
    given.unwrap_or_else(|| blake3::hash(format!("{owner}.{name}").as_bytes()).to_hex()[..40].to_owned())
}

pub(super) fn path(kind: &str, owner: &str, id: &str) -> String {
    match kind {
        "upstream" => format!("services/{owner}/upstreams/{id}"),
        "consumer_credential" => format!("consumers/{owner}/credentials/{id}"),
        _ => format!("{}/{id}", Kind::of(kind).path),
    }
}

/// Only what the client looks at, under its names.
pub(super) fn from_server(kind: &Kind, stored: &Value) -> Value {
    let mut shape = Map::new();
    for field in kind.fields.iter().filter(|field| !stored[**field].is_null()) {
        let name = RENAMED.iter().find(|(theirs, _)| theirs == field).map_or(*field, |(_, ours)| ours);
        shape.insert(name.to_owned(), stored[*field].clone());
    }
    if let Some(labels) = shape.get_mut("labels").and_then(Value::as_object_mut) {
        labels.values_mut().for_each(read_label);
    }
    match kind.name {
        "ssl" => {
            let first = shape.remove("cert").unwrap_or_default();
            let further = shape.remove("certs").unwrap_or_default();
            let all = std::iter::once(&first).chain(further.as_array().into_iter().flatten());
            let all = all.map(|certificate| json!({ "certificate": certificate, "key": "" }));
            shape.insert("certificates".to_owned(), all.collect());
        }
        "consumer_credential" => {
            let plugins = shape.remove("plugins");
            let plugin = plugins.as_ref().and_then(|plugins| plugins.as_object()?.iter().next());
            if let Some((name, conf)) = plugin {
                shape.insert("type".to_owned(), json!(name));
                shape.insert("config".to_owned(), conf.clone());
            }
        }
        _ => {}
    }
    shape.into()
}

/// A list in a label travels as its JSON.
fn read_label(label: &mut Value) {
    let read: Option<Value> = label.as_str().and_then(|text| serde_json::from_str(text).ok());
    if let Some(list) = read.filter(Value::is_array) {
        *label = list;
    }
}

/// The body of a write.
pub(super) fn to_server(kind: &str, owner: &str, id: &str, item: &Value) -> Value {
    if kind == "global_rule" {
        return json!({ "plugins": { id: item } });
    }
    if kind == "plugin_metadata" {
        return item.clone();
    }
    let mut body = item.as_object().cloned().unwrap_or_default();
    for (theirs, ours) in RENAMED {
        if let Some(value) = body.remove(ours) {
            body.insert(theirs.to_owned(), value);
        }
    }
    for label in body.get_mut("labels").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut) {
        if label.is_array() {
            *label = json!(label.to_string());
        }
    }
    match kind {
        "service" => {
            let scheme = body.get("upstream").and_then(|upstream| upstream["scheme"].as_str()).unwrap_or_default();
            let carried = if ["tcp", "udp", "tls"].contains(&scheme) { "stream" } else { "http" };
            body.insert("type".to_owned(), json!(carried));
            named(&mut body, "service_id", id);
        }
        "route" | "stream_route" => {
            named(&mut body, &format!("{kind}_id"), id);
            body.insert("service_id".to_owned(), json!(owner));
        }
        "consumer_credential" => {
            let (plugin, conf) = (body.remove("type"), body.remove("config"));
            let plugin = plugin.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
            body.insert("plugins".to_owned(), json!({ plugin: conf }));
            body.insert("id".to_owned(), json!(id));
        }
        "ssl" => {
            let certificates = body.remove("certificates").unwrap_or_default();
            let all = |part: &str| -> Vec<Value> {
                certificates.as_array().into_iter().flatten().map(|certificate| certificate[part].clone()).collect()
            };
            for (part, first, further) in [("certificate", "cert", "certs"), ("key", "key", "keys")] {
                let mut all = all(part).into_iter();
                body.insert(first.to_owned(), all.next().unwrap_or_default());
                if all.len() > 0 {
                    body.insert(further.to_owned(), all.collect());
                }
            }
            body.insert("status".to_owned(), json!(1));
            body.insert("id".to_owned(), json!(id));
        }
        _ => {}
    }
    body.into()
}

/// Writes carry an id under a name of its own.
fn named(body: &mut Map<String, Value>, field: &str, id: &str) {
    body.remove("id");
    body.insert(field.to_owned(), json!(id));
}

/// Services of streams have defaults of their own.
pub(super) fn defaults_of(kind: &'static str, item: &Value) -> &'static str {
    match kind {
        "service" if item["upstream"]["scheme"] == "tcp" => "stream_service",
        _ => kind,
    }
}

/// Fills the defaults of the fields that the client looks at into a resource.
pub(super) fn with_defaults_of(kind: &Kind, item: &Value, schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Some(properties) = schema["properties"].as_object_mut() {
        properties.retain(|name, _| kind.fields.contains(&name.as_str()));
    }
    with_defaults(item, &schema)
}

/// Fills what a schema gives a default for into what is there; adds no object that is not.
fn with_defaults(value: &Value, schema: &Value) -> Value {
    let Value::Object(fields) = value else {
        return value.clone();
    };
    let mut full = fields.clone();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let ours = RENAMED.iter().find(|(theirs, _)| theirs == name).map_or(name.as_str(), |(_, ours)| ours);
        match (full.get(ours), field["type"].as_str()) {
            (Some(present), Some("object")) => drop(full.insert(ours.to_owned(), with_defaults(present, field))),
            (Some(Value::Array(items)), Some("array")) => {
                let items = items.iter().map(|item| with_defaults(item, &field["items"])).collect();
                full.insert(ours.to_owned(), items);
            }
            (None, _)
                if !field["default"].is_null() && !field["default"].is_object() && !field["default"].is_array() =>
            {
                full.insert(ours.to_owned(), field["default"].clone());
            }
            _ => {}
        }
    }
    full.into()
}

/// Without what the client never compares: ids, and the keys of certificates.
pub(super) fn comparable(item: &Value) -> Value {
    let mut item = item.clone();
    if let Some(fields) = item.as_object_mut() {
        fields.remove("id");
        fields.retain(|name, value| name != "plugins" || value.as_object().is_none_or(|plugins| !plugins.is_empty()));
    }
    for certificate in item["certificates"].as_array_mut().into_iter().flatten() {
        certificate["key"] = json!("");
    }
    if item["certificates"].is_null()
        && let Some(fields) = item.as_object_mut()
    {
        fields.remove("certificates");
    }
    item
}

/// Whether a dump holds nothing.
pub(super) fn is_empty(dump: &Value) -> bool {
    let is_nothing = |value: &Value| match value {
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => true,
    };
    dump.as_object().is_some_and(|lists| lists.values().all(is_nothing))
}
