//! The read shape: a resource with its id and times, without private keys.

use model::Kind;
use model::resource::{Node, Nodes, Scheme};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use store::config::StoredResource;

use super::certificate;
use crate::error::{ApiError, ApiResult};

/// What lets a secret manager in; never in answers.
const SECRETS_OF_MANAGERS: [&str; 4] = ["token", "secret_access_key", "session_token", "auth_config"];

/// The resource as API7's clients read it.
pub(crate) fn read(stored: &StoredResource) -> ApiResult<Value> {
    let mut value = plain(stored)?;
    let Some(fields) = value.as_object_mut() else { return Ok(value) };
    match stored.key.kind {
        Kind::Upstream => with_list_of_nodes(fields),
        Kind::Route => with_paths(fields),
        _ => {}
    }
    let carries_upstream = matches!(stored.key.kind, Kind::Route | Kind::Service | Kind::StreamRoute);
    if let Some(upstream) = fields.get_mut("upstream").and_then(Value::as_object_mut).filter(|_| carries_upstream) {
        with_list_of_nodes(upstream);
    }
    Ok(value)
}

/// The resource as it was written, with its id and times.
pub(crate) fn plain(stored: &StoredResource) -> ApiResult<Value> {
    let mut fields: Map<String, Value> = serde_json::from_slice(&stored.body).map_err(|error| {
        tracing::error!(%error, resource = %stored.key, "what is stored is not a JSON object");
        ApiError::internal()
    })?;
    // The fields of plugin metadata are the plugin's: nothing of ours may stand between them.
    if stored.key.kind == Kind::PluginMetadata {
        return Ok(Value::Object(fields));
    }
    match stored.key.kind {
        Kind::Ssl => without_keys(&mut fields),
        Kind::Secret => SECRETS_OF_MANAGERS.iter().for_each(|name| drop(fields.remove(*name))),
        _ => {}
    }
    fields.insert("id".to_owned(), stored.key.id.as_str().into());
    // The names of API7, then those of APISIX.
    for name in ["created_at", "create_time"] {
        fields.insert(name.to_owned(), stored.created_at.into());
    }
    for name in ["updated_at", "update_time"] {
        fields.insert(name.to_owned(), stored.updated_at.into());
    }
    Ok(Value::Object(fields))
}

/// API7's clients read a route's paths by this name, however it was written.
fn with_paths(fields: &mut Map<String, Value>) {
    if fields.contains_key("paths") {
        return;
    }
    let one = fields.get("uri").cloned().map(|uri| Value::Array(vec![uri]));
    if let Some(paths) = one.or_else(|| fields.get("uris").cloned()) {
        fields.insert("paths".to_owned(), paths);
    }
}

/// And an upstream's nodes as a list, each with its port.
fn with_list_of_nodes(upstream: &mut Map<String, Value>) {
    let Some(nodes @ Value::Object(_)) = upstream.get("nodes") else { return };
    let nodes = Nodes::deserialize(nodes).ok().and_then(|nodes| nodes.to_list().ok()).unwrap_or_default();
    let scheme = upstream.get("scheme").and_then(|scheme| Scheme::deserialize(scheme).ok()).unwrap_or_default();
    let with_port = |node: Node| json!(Node { port: node.port.or(Some(scheme.default_port())), ..node });
    upstream.insert("nodes".to_owned(), nodes.into_iter().map(with_port).collect());
}

fn without_keys(fields: &mut Map<String, Value>) {
    fields.remove("key");
    fields.remove("keys");
    let validity = fields.get("cert").and_then(Value::as_str).and_then(certificate::validity);
    if let Some(validity) = validity {
        fields.insert("validity_start".to_owned(), validity.start.into());
        fields.insert("validity_end".to_owned(), validity.end.into());
    }
}

#[cfg(test)]
mod tests {
    use model::{Labels, ResourceId, ResourceKey};

    use super::*;

    fn shown(kind: Kind, body: &Value) -> Value {
        let key = ResourceKey::new(kind, ResourceId::new("x").expect("id"));
        let body = model::json::canonical(body).into();
        let (labels, name) = (Labels::new(), String::new());
        read(&StoredResource {
            key,
            body,
            labels,
            name,
            created_at: 1,
            updated_at: 2,
            revision: 3,
            created_revision: 3,
        })
        .expect("read")
    }

    #[test]
    fn answers_carry_id_and_times_in_both_spellings() {
        let wanted =
            json!({"id": "x", "name": "n", "created_at": 1, "create_time": 1, "updated_at": 2, "update_time": 2});
        assert_eq!(shown(Kind::Route, &json!({"name": "n"})), wanted);
        assert_eq!(shown(Kind::PluginMetadata, &json!({"a": 1})), json!({"a": 1}));
    }

    #[test]
    fn nodes_and_paths_are_lists_however_they_were_written() {
        let body = json!({ "uri": "/a", "upstream": { "scheme": "https", "nodes": { "a": 0, "[::1]:81": 2 } } });
        let route = shown(Kind::Route, &body);
        let node =
            |host: &str, port: u16, weight: u32| json!({ "host": host, "port": port, "weight": weight, "priority": 0 });
        assert_eq!(route["paths"], json!(["/a"]));
        assert_eq!(route["upstream"]["nodes"], json!([node("[::1]", 81, 2), node("a", 443, 0)]));
        let own = json!([{ "host": "a", "weight": 1 }]);
        assert_eq!(shown(Kind::Upstream, &json!({ "nodes": own }))["nodes"], own);
    }

    #[test]
    fn a_certificate_is_shown_without_its_keys() {
        let shown = shown(Kind::Ssl, &json!({"cert": "no pem", "key": "secret", "keys": ["secret"], "certs": ["c"]}));
        assert_eq!(shown.get("cert"), Some(&json!("no pem")));
        assert!(!shown.to_string().contains("secret"), "{shown}");
    }
}
