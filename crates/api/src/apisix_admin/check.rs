//! Whether a configuration is right, said in APISIX's words and in its order, and what is stored when it is.
//!
//! What this says yes to goes on to the use cases, which look at what only they can see: references, and whether the
//! whole can be served. Source: APISIX's documentation of the Admin API, and what its admin modules check.

use model::{Kind, ResourceKey, vars};
use plugin_api::Registry;
use serde_json::{Map, Value};

use super::refusal::Refusal;
use super::{definitions, empty, unknown};
use crate::shape;

/// The fields that say when; clients may not choose them.
const TIMES: [&str; 2] = ["create_time", "update_time"];
/// What a service of API7 has beyond APISIX's.
const BEYOND_SERVICE: [&str; 4] = ["type", "path_prefix", "strip_path_prefix", "status"];
/// References, which APISIX also takes as numbers.
pub(super) const REFERENCES: [&str; 5] = ["service_id", "upstream_id", "plugin_config_id", "group_id", "script_id"];

/// Where a configuration comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// A client sent all of it.
    Client,
    /// What is stored, with a client's change to it: it has times, and may have what only API7 knows.
    Changed,
}

/// The body as it is stored.
pub(super) fn checked(plugins: &Registry, key: &ResourceKey, body: Value, source: Source) -> Result<Value, Refusal> {
    let Value::Object(mut fields) = body else {
        return Err(invalid("wrong type: expected object"));
    };
    if source == Source::Client {
        refuse_times(&fields)?;
    }
    let aside = set_aside(key.kind, &mut fields, source);
    if !matches!(key.kind, Kind::Consumer | Kind::PluginMetadata | Kind::Secret) {
        fields.insert("id".into(), key.id.as_str().into());
    }
    let mut body = Value::Object(fields);
    let told = check(plugins, key, &mut body);
    told.map_err(Refusal::bad_request)?;
    put_back(&mut body, aside);
    if key.kind == Kind::Service {
        let scheme = body.pointer("/upstream/scheme").and_then(Value::as_str).map(str::to_owned);
        tell_type(&mut body, scheme.as_deref());
    }
    let mut body = shape::body_of(key, body)?;
    unknown::leave_out(key.kind, &mut body);
    Ok(body)
}

/// APISIX's services have no type: what their upstream speaks tells it.
pub(super) fn tell_type(body: &mut Value, scheme: Option<&str>) {
    if matches!(scheme, Some("tcp" | "tls" | "udp")) {
        body["type"] = "stream".into();
    }
}

/// Whether a consumer's fields are right, its name among them.
pub(super) fn consumer(body: &Value) -> Result<(), Refusal> {
    body.as_object().map_or(Ok(()), refuse_times)?;
    let mut body = body.clone();
    empty::settle(definitions::of(Kind::Consumer), &mut body);
    definitions::check(Kind::Consumer, &body).map_err(|text| invalid(&text))
}

fn refuse_times(fields: &Map<String, Value>) -> Result<(), Refusal> {
    let places =
        [("", Some(fields)), ("upstream.", object(fields, "upstream")), ("plugins.", object(fields, "plugins"))];
    for (place, fields) in places {
        let sent = TIMES.into_iter().find(|name| fields.is_some_and(|fields| fields.contains_key(*name)));
        if let Some(name) = sent {
            return Err(Refusal::bad_request(format!("the property is forbidden:  {place}{name}")));
        }
    }
    Ok(())
}

fn object<'f>(fields: &'f Map<String, Value>, name: &str) -> Option<&'f Map<String, Value>> {
    fields.get(name)?.as_object()
}

/// Takes out of what is stored what APISIX has no field for, and writes numbers in references as the text they are.
fn set_aside(kind: Kind, fields: &mut Map<String, Value>, source: Source) -> Map<String, Value> {
    for name in REFERENCES {
        if let Some(number @ Value::Number(_)) = fields.get(name) {
            fields.insert(name.to_owned(), number.to_string().into());
        }
    }
    let mut aside = Map::new();
    if source == Source::Changed && kind == Kind::Service {
        aside = BEYOND_SERVICE.iter().filter_map(|name| fields.remove_entry(*name)).collect();
    }
    if source == Source::Changed && kind == Kind::Route {
        let paths = fields.remove("paths");
        let is_new = !fields.contains_key("uri") && !fields.contains_key("uris");
        if let Some(paths) = paths.filter(|_| is_new) {
            fields.insert("uris".into(), paths.clone());
            aside.insert("paths".into(), paths);
        }
    }
    aside
}

fn put_back(body: &mut Value, aside: Map<String, Value>) {
    let Some(fields) = body.as_object_mut() else { return };
    if aside.contains_key("paths") {
        fields.remove("uris");
    }
    fields.extend(aside);
}

/// Checks and fills in; what is wrong as APISIX says it.
pub(super) fn check(plugins: &Registry, key: &ResourceKey, body: &mut Value) -> Result<(), String> {
    match key.kind {
        Kind::Route => one_of_two(body)?,
        Kind::Secret => return secret(key, body),
        Kind::PluginMetadata => return metadata(plugins, key.id.as_str(), body),
        _ => {}
    }
    empty::settle(definitions::of(key.kind), body);
    definitions::check(key.kind, body).map_err(configuration)?;
    if let (Kind::StreamRoute, Some(upstream)) = (key.kind, body.get_mut("upstream").and_then(Value::as_object_mut)) {
        // Of a stream it is not the schema's `http`.
        upstream.entry("scheme").or_insert_with(|| "tcp".into());
    }
    definitions::fill(key.kind, body);
    match key.kind {
        Kind::Upstream => upstream(body)?,
        Kind::Ssl => certificates(body)?,
        _ => {}
    }
    if let Some(inline) = body.get("upstream") {
        upstream(inline)?;
    }
    plugins_of(plugins, key.kind, body)?;
    match body.get("vars") {
        Some(rules) => expression(rules),
        None => Ok(()),
    }
}

fn configuration(text: String) -> String {
    format!("invalid configuration: {text}")
}

fn invalid(text: &str) -> Refusal {
    Refusal::bad_request(configuration(text.to_owned()))
}

fn one_of_two(body: &Value) -> Result<(), String> {
    for (one, several) in [("host", "hosts"), ("remote_addr", "remote_addrs")] {
        if body.get(one).is_some() && body.get(several).is_some() {
            return Err(format!("only one of {one} or {several} is allowed"));
        }
    }
    Ok(())
}

fn secret(key: &ResourceKey, body: &mut Value) -> Result<(), String> {
    let manager = key.id.as_str().split('.').next().unwrap_or_default().to_owned();
    let checked = definitions::check_secret(&manager, body);
    checked.ok_or_else(|| format!("invalid secret manager: {manager}"))?.map_err(configuration)
}

fn metadata(plugins: &Registry, name: &str, body: &mut Value) -> Result<(), String> {
    if plugins.get(name).is_none() {
        return Err("invalid plugin name".to_owned());
    }
    if let Some(fields) = body.as_object_mut() {
        fields.remove("id");
    }
    plugins.check_metadata(name, body).map_err(|fault| {
        let text = fault.message.split_once(" err: ").map_or(fault.message.as_str(), |(_, reason)| reason);
        configuration(text.to_owned())
    })?;
    plugins.fill_metadata(name, body);
    Ok(())
}

/// What goes with what in an upstream.
fn upstream(body: &Value) -> Result<(), String> {
    let text = |name: &str| body[name].as_str().unwrap_or_default();
    for address in body["nodes"].as_object().into_iter().flat_map(|nodes| nodes.keys()) {
        check_port(address)?;
    }
    if text("pass_host") == "rewrite" && text("upstream_host").is_empty() {
        return Err("`upstream_host` can't be empty when `pass_host` is `rewrite`".to_owned());
    }
    if text("type") != "chash" {
        return Ok(());
    }
    let hash_on = text("hash_on");
    match body.get("key") {
        None if hash_on != "consumer" => Err("missing key".to_owned()),
        None => Ok(()),
        Some(key) => definitions::check_key(hash_on, key).map_err(configuration),
    }
}

/// Of `host:port` the port, as APISIX reads it: what is no number is no port.
fn check_port(address: &str) -> Result<(), String> {
    let port = match address.rsplit_once(':') {
        Some((_, port)) if !port.contains(']') => port.parse::<u64>().ok(),
        _ => None,
    };
    match port {
        Some(port) if !(1..=65535).contains(&port) => Err(format!("invalid port {port}")),
        _ => Ok(()),
    }
}

fn certificates(body: &Value) -> Result<(), String> {
    let count = |name: &str| body[name].as_array().map_or(0, Vec::len);
    if body["type"] != "client" && count("certs") != count("keys") {
        return Err("mismatched number of certs and keys".to_owned());
    }
    Ok(())
}

fn plugins_of(plugins: &Registry, kind: Kind, body: &mut Value) -> Result<(), String> {
    let Some(configurations) = body.get_mut("plugins").and_then(Value::as_object_mut) else { return Ok(()) };
    let of_consumer = matches!(kind, Kind::Consumer | Kind::Credential);
    for (name, conf) in configurations {
        let checked = if of_consumer { consumer_plugin(plugins, name, conf) } else { plugin(plugins, name, conf) };
        checked.map_err(|text| if of_consumer { format!("invalid plugins configuration: {text}") } else { text })?;
        if kind == Kind::Credential && !plugins.get(name).is_some_and(|plugin| plugin.is_authentication()) {
            return Err("only supports auth type plugins in consumer credential".to_owned());
        }
    }
    Ok(())
}

fn plugin(plugins: &Registry, name: &str, conf: &mut Value) -> Result<(), String> {
    settle(plugins.get(name).map(|plugin| plugin.schema()), conf);
    must_be_object(name, conf)?;
    plugins.check(name, conf).map_err(|fault| fault.message)?;
    plugins.fill(name, conf);
    conf.pointer("/_meta/filter").map_or(Ok(()), expression)
}

fn consumer_plugin(plugins: &Registry, name: &str, conf: &mut Value) -> Result<(), String> {
    settle(plugins.get(name).map(|plugin| plugin.consumer_schema().unwrap_or(plugin.schema())), conf);
    must_be_object(name, conf)?;
    plugins.check_consumer(name, conf).map_err(|fault| fault.message)?;
    plugins.fill_consumer(name, conf);
    Ok(())
}

fn settle(schema: Option<&Value>, conf: &mut Value) {
    if let Some(schema) = schema {
        empty::settle(schema, conf);
    }
}

fn must_be_object(name: &str, conf: &Value) -> Result<(), String> {
    match conf {
        Value::Object(_) => Ok(()),
        other => Err(format!("invalid plugin conf {other} for plugin [{name}]")),
    }
}

fn expression(rules: &Value) -> Result<(), String> {
    let told = vars::parse(rules);
    told.map(drop).map_err(|fault| format!("failed to validate the 'vars' expression: {}", fault.message))
}

#[cfg(test)]
mod tests {
    use model::ResourceId;
    use serde_json::json;

    use super::*;

    fn key(kind: Kind) -> ResourceKey {
        ResourceKey::new(kind, ResourceId::new("x").expect("an id"))
    }

    fn stored(kind: Kind, body: Value, source: Source) -> Value {
        checked(&Registry::new([]), &key(kind), body, source).expect("a good body")
    }

    fn told(kind: Kind, mut body: Value) -> String {
        check(&Registry::new([]), &key(kind), &mut body).expect_err("a fault")
    }

    #[test]
    fn what_goes_with_what_is_checked() {
        let nodes = json!({ "127.0.0.1:80": 1 });
        let cases = [
            (Kind::Route, json!({ "uri": "/", "host": "a", "hosts": ["b"] }), "only one of host or hosts is allowed"),
            (Kind::Upstream, json!({ "nodes": { "127.0.0.1:0": 1 } }), "invalid port 0"),
            (Kind::Upstream, json!({ "nodes": nodes, "type": "chash" }), "missing key"),
            (
                Kind::Upstream,
                json!({ "nodes": nodes, "pass_host": "rewrite" }),
                "`upstream_host` can't be empty when `pass_host` is `rewrite`",
            ),
            (
                Kind::Upstream,
                json!({ "nodes": nodes, "type": "chash", "hash_on": "header", "key": "a b" }),
                "invalid configuration: failed to match pattern \"^[a-zA-Z0-9-_]+$\" with \"a b\"",
            ),
            (Kind::Route, json!({ "uri": "/", "plugins": { "x": 1 } }), "invalid plugin conf 1 for plugin [x]"),
            (
                Kind::Route,
                json!({ "uri": "/", "plugins": {}, "vars": ["a", "==", "b"] }),
                "failed to validate the 'vars' expression: rule should be wrapped inside brackets",
            ),
        ];
        for (kind, body, expected) in cases {
            assert_eq!(told(kind, body), expected);
        }
    }

    #[test]
    fn a_change_keeps_what_only_api7_knows() {
        let service = json!({ "type": "http", "path_prefix": "/a", "strip_path_prefix": true, "desc": "d" });
        assert_eq!(stored(Kind::Service, service.clone(), Source::Changed), service);
        let route = json!({ "paths": ["/a"], "service_id": 7 });
        let kept = stored(Kind::Route, route, Source::Changed);
        assert_eq!((&kept["paths"], &kept["uris"], &kept["service_id"]), (&json!(["/a"]), &Value::Null, &json!("7")));
        let changed = json!({ "paths": ["/a"], "uri": "/b", "service_id": "7" });
        assert_eq!(stored(Kind::Route, changed, Source::Changed)["paths"], Value::Null);
    }
}
