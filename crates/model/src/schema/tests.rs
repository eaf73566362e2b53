//! What clients are told is what is stored.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::json::canonical;
use crate::validate::validate;

#[test]
fn core_is_what_clients_were_told_before() {
    insta::assert_json_snapshot!(core());
}

#[test]
fn clients_can_read_every_part() {
    fn check(schema: &Value, at: &str) {
        for word in ["$ref", "oneOf", "anyOf", "allOf"] {
            assert!(schema.get(word).is_none(), "{word} at {at}");
        }
        let kind = schema.get("type").unwrap_or(&Value::Null);
        assert!(kind.is_string() || kind.is_null(), "type at {at}: {kind}");
        // A client looks into the items of every list.
        let items = schema.get("items");
        assert!(kind != "array" || items.is_some_and(Value::is_object), "items at {at}");
        items.into_iter().for_each(|items| check(items, &format!("{at}/items")));
        for (name, inner) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            check(inner, &format!("{at}/{name}"));
        }
    }
    let core = core();
    for (name, schema) in core.as_object().expect("schemas") {
        assert_eq!(schema["type"], "object", "{name}");
        check(schema, name);
    }
}

/// The body as a client completes it: scalars that its objects lack, never whole objects or lists.
fn completed(schema: &Value, body: &Value) -> Value {
    match body {
        Value::Object(fields) => {
            let mut fields = fields.clone();
            for (name, schema) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
                if let Some(value) = fields.get_mut(name) {
                    *value = completed(schema, value);
                } else if let Some(default) = schema.get("default").filter(|default| is_scalar(default)) {
                    fields.insert(name.clone(), default.clone());
                }
            }
            Value::Object(fields)
        }
        Value::Array(items) => items.iter().map(|item| completed(&schema["items"], item)).collect(),
        scalar => scalar.clone(),
    }
}

fn is_scalar(value: &Value) -> bool {
    !value.is_array() && !value.is_object()
}

fn stored(kind: Kind, body: &Value) -> Value {
    validate(kind, body).unwrap_or_else(|faults| panic!("{faults}: {body}")).to_value().expect("json")
}

#[track_caller]
fn assert_stored_as_told(name: &str, kind: Kind, body: &Value) {
    let (told, stored) = (completed(&core()[name], body), stored(kind, body));
    let text = |value: &Value| String::from_utf8(canonical(value)).expect("utf8");
    assert_eq!(text(&told), text(&stored), "{name}");
}

#[test]
fn defaults_that_clients_fill_in_are_stored_and_no_others() {
    let nodes = json!([{ "host": "a", "port": 80, "weight": 1 }]);
    let checks = json!({
        "active": { "healthy": {}, "unhealthy": { "interval": 5 } },
        "passive": { "healthy": {}, "unhealthy": {} },
    });
    let full = json!({
        "name": "own", "nodes": nodes, "timeout": {}, "keepalive_pool": {}, "tls": {}, "checks": checks, "labels": { "a": "b" },
    });
    let pem = "-----BEGIN CERTIFICATE-----";
    let plugin = json!({ "key-auth": { "key": "k" } });
    let cases = [
        ("service", Kind::Service, json!({ "name": "s" })),
        ("service", Kind::Service, json!({ "name": "s", "upstream": { "nodes": nodes } })),
        ("service", Kind::Service, json!({ "type": "http", "upstream": full })),
        ("service", Kind::Service, json!({ "upstream": { "name": "own", "nodes": [] } })),
        ("stream_service", Kind::Service, json!({ "type": "stream", "upstream": { "nodes": nodes, "timeout": {} } })),
        ("stream_service", Kind::Service, json!({ "type": "stream", "upstream": { "nodes": nodes, "scheme": "udp" } })),
        ("route", Kind::Route, json!({ "paths": ["/"], "timeout": {}, "vars": [] })),
        ("route", Kind::Route, json!({ "uri": "/", "upstream": full })),
        ("stream_route", Kind::StreamRoute, json!({ "server_port": 5432, "upstream": { "nodes": nodes } })),
        ("upstream", Kind::Upstream, full.clone()),
        (
            "upstream",
            Kind::Upstream,
            json!({ "name": "u", "nodes": nodes, "checks": { "active": {} }, "scheme": "tcp" }),
        ),
        (
            "upstream",
            Kind::Upstream,
            json!({ "name": "u", "service_name": "a", "discovery_type": "dns", "discovery_args": {} }),
        ),
        ("ssl", Kind::Ssl, json!({ "snis": ["a.test"], "cert": pem, "key": pem, "client": { "ca": pem } })),
        ("consumer", Kind::Consumer, json!({ "username": "jack", "plugins": plugin })),
        ("consumer_credential", Kind::Credential, json!({ "plugins": plugin })),
        ("global_rule", Kind::GlobalRule, json!({ "plugins": { "prometheus": {} } })),
        ("plugin_metadata", Kind::PluginMetadata, json!({ "any": { "thing": 1 } })),
        ("plugin_config", Kind::PluginConfig, json!({ "plugins": {} })),
        ("consumer_group", Kind::ConsumerGroup, json!({ "plugins": {} })),
        ("proto", Kind::Proto, json!({ "content": "x" })),
        ("secret", Kind::Secret, json!({ "uri": "https://vault.test", "prefix": "kv", "token": "t" })),
    ];
    let told: Vec<_> = core().as_object().expect("schemas").keys().cloned().collect();
    assert!(told.iter().all(|name| cases.iter().any(|case| case.0 == name)), "{told:?}");
    for (name, kind, body) in &cases {
        assert_stored_as_told(name, *kind, body);
    }
}

/// The values that the reference client's own tests expect.
#[test]
fn the_defaults_are_those_of_the_platform_that_users_come_from() {
    let core = core();
    let default = |name: &str, path: &str| {
        let pointer = path.split('.').map(|part| format!("/properties/{part}")).collect::<String>();
        core[name].pointer(&format!("{pointer}/default")).cloned().unwrap_or_default()
    };
    for name in ["service", "stream_service"] {
        assert_eq!(default(name, "strip_path_prefix"), true);
        assert_eq!(default(name, "upstream.name"), "default");
        assert_eq!(default(name, "upstream.type"), "roundrobin");
        assert_eq!(default(name, "upstream.hash_on"), "vars");
        assert_eq!(default(name, "upstream.retry_timeout"), 0);
        assert_eq!(default(name, "upstream.timeout.connect"), 60);
        let node = &core[name]["properties"]["upstream"]["properties"]["nodes"]["items"]["properties"];
        assert_eq!(node["priority"]["default"], 0);
    }
    assert_eq!(default("service", "upstream.scheme"), "http");
    assert_eq!(default("service", "upstream.pass_host"), "pass");
    assert_eq!(default("service", "upstream.keepalive_pool.size"), 320);
    assert_eq!(default("service", "upstream.keepalive_pool.idle_timeout"), 60);
    assert_eq!(default("service", "upstream.keepalive_pool.requests"), 1000);
    assert_eq!(default("stream_service", "upstream.scheme"), "tcp");
    assert_eq!(default("stream_service", "upstream.pass_host"), Value::Null);
    assert_eq!(default("stream_service", "upstream.keepalive_pool.size"), Value::Null);
    assert_eq!(default("upstream", "name"), "default");
    assert_eq!(default("route", "priority"), 0);
    // A typed client could not read a client without its certificates.
    assert_eq!(core["ssl"]["properties"]["client"].get("properties"), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_upstream_is_stored_as_told_and_reads_back_the_same(upstream in upstream()) {
        let mut named = upstream.clone();
        named.as_object_mut().expect("fields").entry("name").or_insert("own".into());
        for (name, kind, body) in [
            ("upstream", Kind::Upstream, named),
            ("service", Kind::Service, json!({ "upstream": upstream })),
            ("route", Kind::Route, json!({ "uri": "/", "upstream": upstream })),
        ] {
            assert_stored_as_told(name, kind, &body);
            let once = stored(kind, &body);
            prop_assert_eq!(canonical(&stored(kind, &once)), canonical(&once));
        }
    }
}

/// Each field there or not, each in several forms.
fn upstream() -> impl Strategy<Value = Value> {
    let seconds = prop_oneof![Just(json!(1)), Just(json!(0.25)), (1..u32::MAX).prop_map(Value::from)];
    let nodes = prop_oneof![
        Just(json!({ "a:80": 1, "[::1]:81": u32::MAX, "b": 0 })),
        Just(json!([{ "host": "a", "weight": 1 }, { "host": "::1", "port": 65535, "weight": 0, "priority": -5 }])),
        Just(json!([])),
    ];
    let fields = (
        nodes,
        proptest::option::of("\\PC{1,40}").prop_map(|name| name.map(Value::from)),
        proptest::option::of(seconds.clone().prop_map(|read| json!({ "read": read }))),
        proptest::option::of(seconds),
        proptest::option::of(Just(json!({ "active": { "healthy": { "http_statuses": [200] } } }))),
        proptest::option::of(Just(json!({ "size": 1 }))),
        proptest::option::of(proptest::sample::select(vec!["http", "https", "grpc"]).prop_map(Value::from)),
    );
    fields.prop_map(|(nodes, name, timeout, retry_timeout, checks, keepalive_pool, scheme)| {
        let optional = [
            ("name", name),
            ("timeout", timeout),
            ("retry_timeout", retry_timeout),
            ("checks", checks),
            ("keepalive_pool", keepalive_pool),
            ("scheme", scheme),
        ];
        let mut body = json!({ "nodes": nodes });
        for (field, value) in optional {
            if let Some(value) = value {
                body[field] = value;
            }
        }
        body
    })
}
