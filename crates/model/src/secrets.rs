//! Which parts of a resource are secret: masked in audit, left out of reads, sealed at rest.

use serde_json::Value;

use crate::id::{Kind, ResourceKey};
use crate::validate::escaped;

/// JSON pointers (RFC 6901) of the secrets that stand in `body`; what is absent is not named.
///
/// `fields_of` gives the secret fields of a plugin by its name, `a.b` for a field within one. A field that stands in the
/// objects of a list is named once for each.
pub fn pointers<'f>(key: &ResourceKey, body: &Value, fields_of: &dyn Fn(&str) -> &'f [&'f str]) -> Vec<String> {
    let mut found = Vec::new();
    let mut look = |paths: &[&str]| paths.iter().for_each(|path| find(body, path, String::new(), &mut found));
    match key.kind {
        Kind::Ssl => look(&["key", "keys"]),
        Kind::Upstream => look(&["tls.client_key"]),
        Kind::PluginMetadata => look(fields_of(key.id.as_str())),
        Kind::Secret => look(&["token", "secret_access_key", "session_token", "auth_config"]),
        _ => look(&["upstream.tls.client_key"]),
    }
    if key.kind != Kind::PluginMetadata {
        for (name, conf) in body.get("plugins").and_then(Value::as_object).into_iter().flatten() {
            let at = format!("/plugins/{}", escaped(name));
            fields_of(name).iter().for_each(|path| find(conf, path, at.clone(), &mut found));
        }
    }
    found
}

/// `at` is the pointer of `value`.
fn find(value: &Value, path: &str, at: String, found: &mut Vec<String>) {
    if let Value::Array(items) = value {
        for (n, item) in items.iter().enumerate() {
            find(item, path, format!("{at}/{n}"), found);
        }
        return;
    }
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let Some(inner) = value.get(name) else { return };
    let at = format!("{at}/{}", escaped(name));
    match rest {
        Some(rest) => find(inner, rest, at, found),
        None => found.push(at),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::id::ResourceId;

    fn fields_of(plugin: &str) -> &'static [&'static str] {
        match plugin {
            "key-auth" => &["key"],
            "odd/name" => &["rules.redis.password", "token"],
            _ => &[],
        }
    }

    fn found(kind: Kind, id: &str, body: &Value) -> Vec<String> {
        pointers(&ResourceKey::new(kind, ResourceId::new(id).expect("id")), body, &fields_of)
    }

    #[test]
    fn secrets_are_named_where_they_stand() {
        let tls = json!({ "client_cert": "c", "client_key": "k" });
        let cases = [
            (
                Kind::Ssl,
                json!({ "cert": "c", "key": "k", "keys": ["k"], "client": { "ca": "c" } }),
                vec!["/key", "/keys"],
            ),
            (Kind::Upstream, json!({ "tls": tls, "key": "arg_id" }), vec!["/tls/client_key"]),
            (Kind::Route, json!({ "upstream": { "tls": tls, "key": "uri" } }), vec!["/upstream/tls/client_key"]),
            (Kind::Consumer, json!({ "plugins": { "key-auth": { "key": "k" } } }), vec!["/plugins/key-auth/key"]),
            (
                Kind::Credential,
                json!({ "plugins": { "key-auth": { "key": "k" }, "cors": {} } }),
                vec!["/plugins/key-auth/key"],
            ),
            (
                Kind::GlobalRule,
                json!({ "plugins": { "odd/name": { "rules": [{ "redis": { "password": "p" } }, {}], "token": 1 } } }),
                vec!["/plugins/odd~1name/rules/0/redis/password", "/plugins/odd~1name/token"],
            ),
            (Kind::Service, json!({ "name": "s", "plugins": 5 }), vec![]),
        ];
        for (kind, body, expected) in cases {
            let found = found(kind, "x", &body);
            assert_eq!(found, expected, "{body}");
            assert!(found.iter().all(|pointer| body.pointer(pointer).is_some()), "{found:?}");
        }
    }

    #[test]
    fn metadata_holds_the_fields_of_the_plugin_it_is_named_after() {
        let body = json!({ "key": "k", "plugins": { "key-auth": { "key": "no plugin's configuration" } } });
        assert_eq!(found(Kind::PluginMetadata, "key-auth", &body), ["/key"]);
        assert!(found(Kind::PluginMetadata, "cors", &body).is_empty());
    }
}
