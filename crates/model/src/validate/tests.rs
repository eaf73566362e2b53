//! Bad input by kind: which field is named, and in which words.

use serde_json::json;

use super::*;
use crate::json::canonical;

/// The faults of a body as `pointer: message`.
fn faults(kind: Kind, body: &Value) -> Vec<String> {
    let faults = validate(kind, body).err().map(|faults| faults.0).unwrap_or_default();
    faults.into_iter().map(|fault| format!("{}: {}", fault.pointer, fault.message)).collect()
}

#[test]
fn every_kind_has_a_schema_that_compiles() {
    for kind in Kind::ALL {
        assert!(shape(kind).is_some(), "{kind}");
    }
}

#[test]
fn faults_of_shape_have_the_words_of_clients() {
    let cases = [
        (Kind::Service, json!({ "path_prefix": 5 }), "/path_prefix: value must be a string"),
        (Kind::Service, json!({ "hosts": "a" }), "/hosts: value must be an array"),
        (Kind::Service, json!({ "foo": 1 }), "/foo: property \"foo\" is unsupported"),
        (Kind::Service, json!({ "name": "" }), "/name: minimum string length is 1"),
        (Kind::Service, json!({ "desc": "x".repeat(65_537) }), "/desc: maximum string length is 65536"),
        (Kind::Service, json!({ "status": 2 }), "/status: value is not one of the allowed values [0,1]"),
        (Kind::Consumer, json!({}), "/username: property \"username\" is missing"),
        (Kind::Route, json!({ "paths": ["/"], "priority": 1.5 }), "/priority: value must be an integer"),
        (Kind::Route, json!({ "paths": ["/"], "timeout": { "read": 0 } }), "/timeout/read: number must be more than 0"),
    ];
    for (kind, body, expected) in cases {
        assert_eq!(faults(kind, &body), [expected], "{body}");
    }
    let text = validate(Kind::Service, &json!({ "path_prefix": 5 })).expect_err("faults").to_string();
    assert_eq!(text, "Error at \"/path_prefix\": value must be a string");
}

#[test]
fn rules_beyond_the_shape_name_their_field() {
    let node = json!({ "type": "roundrobin", "nodes": { "127.0.0.1:80": 1 } });
    let cases = [
        (Kind::Route, json!({}), "/paths"),
        (Kind::Route, json!({ "uri": "/", "paths": ["/"] }), "/paths"),
        (Kind::Route, json!({ "paths": ["a"] }), "/paths/0"),
        (Kind::Route, json!({ "uri": "/", "hosts": ["a b"] }), "/hosts/0"),
        (Kind::Route, json!({ "uri": "/", "remote_addrs": ["10.0.0.0/99"] }), "/remote_addrs/0"),
        (Kind::Route, json!({ "uri": "/", "methods": ["FETCH"] }), "/methods/0"),
        (Kind::Route, json!({ "uri": "/", "vars": [["a", "~~", "("]] }), "/vars/0/2"),
        (Kind::Route, json!({ "uri": "/", "service_id": "a/b" }), "/service_id"),
        (Kind::Route, json!({ "uri": "/", "filter_func": "function() end" }), "/filter_func"),
        (Kind::Route, json!({ "uri": "/", "upstream": {} }), "/upstream/nodes"),
        (Kind::Upstream, json!({ "nodes": { "a:99999": 1 } }), "/nodes"),
        (Kind::Upstream, json!({ "nodes": [{ "host": "a", "port": 0, "weight": 1 }] }), "/nodes/0/port"),
        (Kind::Upstream, json!({ "nodes": { "a": 1 }, "type": "chash" }), "/key"),
        (Kind::Upstream, json!({ "nodes": { "a": 1 }, "pass_host": "rewrite" }), "/upstream_host"),
        (Kind::Upstream, json!({ "nodes": { "a": 1 }, "checks": { "passive": {} } }), "/checks/active"),
        (Kind::Service, json!({ "type": "stream", "upstream": node }), "/upstream/scheme"),
        (Kind::Credential, json!({ "plugins": {} }), "/plugins"),
        (Kind::Credential, json!({ "plugins": { "cors": {} } }), "/plugins/cors"),
        (Kind::Service, json!({ "labels": { "a": "" } }), "/labels/a"),
    ];
    for (kind, body, pointer) in cases {
        let found = faults(kind, &body);
        assert!(found.iter().any(|fault| fault.starts_with(&format!("{pointer}: "))), "{body}: {found:?}");
    }
}

#[test]
fn all_faults_are_told() {
    let body = json!({ "name": 5, "paths": 6, "methods": ["GET", "FETCH"] });
    assert_eq!(faults(Kind::Route, &body).len(), 3);
}

#[test]
fn what_is_stored_reads_back_the_same_and_has_its_defaults() {
    let certificate = format!("-----BEGIN CERTIFICATE-----\n{}", "A".repeat(128));
    let upstream = json!({
        "nodes": [{ "host": "a", "port": 80, "weight": 1 }], "timeout": { "read": 1.5 },
        "keepalive_pool": {}, "checks": { "active": {} },
    });
    let cases = [
        (Kind::Service, json!({ "name": "ü".repeat(30_000), "upstream": upstream, "labels": { "a": "b" } })),
        (Kind::Route, json!({ "uri": "/caf%C3%A9/:id/*", "vars": [["arg_a", "==", 1]], "timeout": {} })),
        (Kind::Upstream, json!({ "nodes": { "[::1]:80": 1, "b": 0 } })),
        (Kind::Consumer, json!({ "username": "jack" })),
        (Kind::Ssl, json!({ "snis": ["*.a.example"], "cert": certificate, "key": certificate })),
        (Kind::PluginMetadata, json!({ "anything": { "goes": [1] } })),
    ];
    for (kind, body) in cases {
        let stored = validate(kind, &body)
            .and_then(|resource| resource.to_value().map_err(|error| Fault::new("", error.to_string()).into()));
        let stored = stored.expect("valid");
        let again = validate(kind, &stored).expect("stored is valid").to_value().expect("json");
        assert_eq!(canonical(&stored), canonical(&again), "{kind}");
    }
    let service =
        json!({ "upstream": { "nodes": [{ "host": "a", "weight": 1 }], "timeout": {}, "keepalive_pool": {} } });
    let stored = validate(Kind::Service, &service).expect("valid").to_value().expect("json");
    assert_eq!(stored["upstream"]["timeout"], json!({ "connect": 60, "send": 60, "read": 60 }));
    assert_eq!(stored["upstream"]["keepalive_pool"], json!({ "size": 320, "idle_timeout": 60, "requests": 1000 }));
    assert_eq!(stored["upstream"]["retry_timeout"], json!(0));
    assert_eq!(stored["upstream"]["nodes"][0]["priority"], json!(0));
    assert_eq!(stored["strip_path_prefix"], json!(true));
}
