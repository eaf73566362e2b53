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
        (Kind::Route, json!({ "paths": [5] }), "/paths/0: value must be a string"),
        (Kind::Route, json!({ "uri": "/", "plugins": null }), "/plugins: value must be an object"),
        (Kind::Route, json!({ "uri": "/", "created_at": 1 }), "/created_at: property \"created_at\" is unsupported"),
        (Kind::Route, json!({ "uri": "/", "a/b~": 1 }), "/a~1b~0: property \"a/b~\" is unsupported"),
        (
            Kind::Route,
            json!({ "uri": "/", "remote_addr": "10.0.0.0/99" }),
            "/remote_addr: must be an IP address or network such as \"10.0.0.0/8\", not \"10.0.0.0/99\"",
        ),
        (
            Kind::Route,
            json!({ "uri": "/", "host": "a b" }),
            "/host: string doesn't match the regular expression \"^(\\*|(\\*\\.)?[0-9a-zA-Z\\-._\\[\\]:]+)$\"",
        ),
        (
            Kind::Service,
            json!({ "path_prefix": "api" }),
            "/path_prefix: string doesn't match the regular expression \"^/\"",
        ),
        (
            Kind::Upstream,
            json!({ "nodes": [], "type": "random" }),
            "/type: value is not one of the allowed values [\"roundrobin\",\"chash\",\"ewma\",\"least_conn\"]",
        ),
        (Kind::Upstream, json!({ "nodes": [], "type": 5 }), "/type: value must be a string"),
        (
            Kind::Upstream,
            json!({ "nodes": [], "scheme": "ftp" }),
            "/scheme: value is not one of the allowed values \
             [\"http\",\"https\",\"grpc\",\"grpcs\",\"tcp\",\"tls\",\"udp\",\"kafka\"]",
        ),
        (Kind::Upstream, json!({ "nodes": "a:80" }), "/nodes: value must be one of array, object"),
        (Kind::Upstream, json!({ "nodes": { "a": -1 } }), "/nodes/a: number must be at least 0"),
        (Kind::Upstream, json!({ "nodes": { "a": 4_294_967_296_u64 } }), "/nodes/a: number must be at most 4294967295"),
        (Kind::Upstream, json!({ "nodes": [{ "host": "a" }] }), "/nodes/0/weight: property \"weight\" is missing"),
        (
            Kind::Upstream,
            json!({ "nodes": [{ "host": "a", "weight": 1, "port": 65536 }] }),
            "/nodes/0/port: number must be at most 65535",
        ),
        (
            Kind::Upstream,
            json!({ "nodes": [], "keepalive_pool": { "size": 0 } }),
            "/keepalive_pool/size: number must be at least 1",
        ),
        (
            Kind::Upstream,
            json!({ "nodes": [], "checks": { "active": { "healthy": { "http_statuses": [] } } } }),
            "/checks/active/healthy/http_statuses: minimum number of items is 1",
        ),
        (Kind::Ssl, json!({ "snis": ["a"], "cert": "", "key": "k" }), "/cert: minimum string length is 1"),
        (Kind::Credential, json!({}), "/plugins: property \"plugins\" is missing"),
    ];
    for (kind, body, expected) in cases {
        assert_eq!(faults(kind, &body), [expected], "{body}");
    }
    let text = validate(Kind::Service, &json!({ "path_prefix": 5 })).expect_err("faults").to_string();
    assert_eq!(text, "Error at \"/path_prefix\": value must be a string");
}

#[test]
fn rules_beyond_the_shape_name_their_field() {
    let pem = "-----BEGIN CERTIFICATE-----";
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
        (Kind::Route, json!({ "uri": "/\u{0}" }), "/uri"),
        (Kind::Route, json!({ "uris": ["/", "b"] }), "/uris/1"),
        (Kind::Route, json!({ "uri": "/", "host": "a", "hosts": ["b"] }), "/hosts"),
        (Kind::Route, json!({ "uri": "/", "remote_addr": "::1", "remote_addrs": ["::1"] }), "/remote_addrs"),
        (Kind::Route, json!({ "uri": "/", "upstream": { "nodes": [], "scheme": "tcp" } }), "/upstream/scheme"),
        (Kind::Route, json!({ "uri": "/", "script": "return 1" }), "/script"),
        (Kind::StreamRoute, json!({ "upstream": { "nodes": [], "scheme": "http" } }), "/upstream/scheme"),
        (Kind::StreamRoute, json!({ "upstream": { "nodes": [], "labels": { "a/b": "" } } }), "/upstream/labels/a~1b"),
        (Kind::Upstream, json!({ "nodes": [], "service_name": "a", "discovery_type": "dns" }), "/nodes"),
        (Kind::Upstream, json!({ "service_name": "a" }), "/discovery_type"),
        (Kind::Upstream, json!({ "discovery_type": "dns" }), "/service_name"),
        (Kind::Upstream, json!({ "nodes": { "a:99999": 1 } }), "/nodes/a:99999"),
        (Kind::Upstream, json!({ "nodes": { "http://a": 1 } }), "/nodes/http:~1~1a"),
        (Kind::Upstream, json!({ "nodes": [{ "host": "a/b", "weight": 1 }] }), "/nodes/0/host"),
        (Kind::Upstream, json!({ "nodes": [], "type": "chash", "hash_on": "header" }), "/key"),
        (Kind::Upstream, json!({ "nodes": [], "tls": { "client_cert": "-----BEGIN " } }), "/tls"),
        (Kind::Upstream, json!({ "nodes": [], "tls": { "client_cert": "c", "client_key": "k" } }), "/tls/client_key"),
        (Kind::Ssl, json!({ "cert": pem, "key": pem }), "/snis"),
        (Kind::Ssl, json!({ "sni": "a", "cert": "no pem", "key": pem }), "/cert"),
        (Kind::Ssl, json!({ "sni": "a", "snis": ["b"], "cert": pem, "key": pem }), "/snis"),
        (Kind::Ssl, json!({ "sni": "a", "cert": pem, "key": pem, "certs": [pem] }), "/keys"),
        (Kind::Ssl, json!({ "sni": "a", "cert": pem, "key": pem, "certs": [pem], "keys": ["k"] }), "/keys/0"),
        (
            Kind::Ssl,
            json!({ "sni": "a", "cert": pem, "key": pem, "client": { "ca": pem, "skip_mtls_uri_regex": ["("] } }),
            "/client/skip_mtls_uri_regex/0",
        ),
        (Kind::Credential, json!({ "plugins": { "key-auth": {}, "jwt-auth": {} } }), "/plugins"),
        (Kind::Upstream, json!({ "nodes": [{ "host": "a", "port": 0, "weight": 1 }] }), "/nodes/0/port"),
        (Kind::Upstream, json!({ "nodes": { "a": 1 }, "type": "chash" }), "/key"),
        (Kind::Upstream, json!({ "nodes": { "a": 1 }, "pass_host": "rewrite" }), "/upstream_host"),
        (Kind::Upstream, json!({ "nodes": { "a": 1 }, "checks": { "passive": {} } }), "/checks/active"),
        (Kind::Service, json!({ "type": "stream", "upstream": { "nodes": [], "scheme": "http" } }), "/upstream/scheme"),
        (Kind::Service, json!({ "upstream": { "nodes": [], "scheme": "udp" } }), "/upstream/scheme"),
        (Kind::Credential, json!({ "plugins": {} }), "/plugins"),
        (Kind::Credential, json!({ "plugins": { "cors": {} } }), "/plugins/cors"),
        (Kind::Service, json!({ "labels": { "a": "" } }), "/labels/a"),
        (Kind::Service, json!({ "labels": { "k".repeat(1025): "v" } }), "/labels"),
    ];
    for (kind, body, pointer) in cases {
        let found = faults(kind, &body);
        assert!(found.iter().any(|fault| fault.starts_with(&format!("{pointer}: "))), "{body}: {found:?}");
    }
}

#[test]
fn all_faults_are_told() {
    let body = json!({
        "name": 5, "paths": 6, "methods": ["GET", "FETCH"], "foo": 1, "bar": 2, "remote_addrs": ["a.test", "::1", "/8"],
    });
    let found = faults(Kind::Route, &body);
    for pointer in ["/name", "/paths", "/methods/1", "/foo", "/bar", "/remote_addrs/0", "/remote_addrs/2"] {
        assert!(found.iter().any(|fault| fault.starts_with(&format!("{pointer}: "))), "{pointer}: {found:?}");
    }
    assert_eq!(found.len(), 7, "{found:?}");
    let body = json!({ "paths": ["a", "/", "b"], "host": "a", "hosts": ["b"], "labels": { "x": "", "": "y" } });
    assert_eq!(faults(Kind::Route, &body).len(), 5);
}

#[test]
fn what_is_right_passes() {
    let upstream = |fields: Value| {
        let mut upstream = json!({ "nodes": { "a": 1 } });
        json_merge(&mut upstream, fields);
        upstream
    };
    let pem = "-----BEGIN CERTIFICATE-----";
    let cases = [
        (Kind::Route, json!({ "uri": "*" })),
        (
            Kind::Route,
            json!({ "uris": ["/:a/b/*rest", "/caf\u{e9}"], "hosts": ["*", "*.a.test", "[::1]", "10.0.0.1"] }),
        ),
        (Kind::Route, json!({ "uri": "/", "desc": null, "priority": -5.0 })),
        (Kind::StreamRoute, json!({})),
        (Kind::Service, json!({ "desc": "\u{1F6A2}".repeat(65_536) })),
        (Kind::Upstream, upstream(json!({ "type": "chash", "hash_on": "consumer" }))),
        (Kind::Upstream, upstream(json!({ "type": "chash", "key": "arg_id" }))),
        (Kind::Upstream, upstream(json!({ "tls": { "client_cert": pem, "client_key": "$secret://vault/1/k" } }))),
        (Kind::Ssl, json!({ "type": "client", "cert": pem, "key": pem })),
        (Kind::Ssl, json!({ "sni": "a.test", "cert": "$secret://vault/1/c", "key": "$env://KEY" })),
        (Kind::Ssl, json!({ "sni": "a.test", "cert": "$ENV://CERT", "key": "$ENV://KEY" })),
        (Kind::PluginMetadata, json!({ "script": "is a field like any other" })),
    ];
    for (kind, body) in cases {
        assert_eq!(faults(kind, &body), [""; 0], "{kind}");
    }
}

fn json_merge(into: &mut Value, fields: Value) {
    let fields = fields.as_object().cloned().unwrap_or_default();
    into.as_object_mut().expect("object").extend(fields);
}

/// Lua writes 1 as `1.0`.
#[test]
fn one_number_has_one_form() {
    let stored = |weight: Value| {
        let body = json!({ "nodes": { "a": weight }, "timeout": { "read": 1.5 } });
        validate(Kind::Upstream, &body).expect("valid").to_value().expect("json")
    };
    assert_eq!(canonical(&stored(json!(1.0))), canonical(&stored(json!(1))));
    assert_eq!(stored(json!(1))["timeout"]["read"], json!(1.5));
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
        (Kind::PluginMetadata, json!({ "anything": { "goes": [1, -1.5, 9_007_199_254_740_993_u64, u64::MAX] } })),
        (Kind::Service, json!({ "type": "stream", "upstream": { "nodes": { "a:53": 1 }, "scheme": "udp" } })),
        (Kind::StreamRoute, json!({ "server_port": 53, "upstream": { "nodes": [] }, "remote_addr": "10.0.0.0/8" })),
        (Kind::Credential, json!({ "plugins": { "key-auth": { "key": "\u{e4}\u{1F6A2}\n" } } })),
        (Kind::GlobalRule, json!({ "plugins": { "prometheus": {} } })),
        (Kind::PluginConfig, json!({ "plugins": {}, "desc": "d" })),
        (Kind::ConsumerGroup, json!({ "plugins": {}, "labels": { "plan": "gold" } })),
        (Kind::Proto, json!({ "content": "syntax = \"proto3\";" })),
        (Kind::Secret, json!({ "auth_config": { "client_email": "a@b", "private_key": "k" }, "ssl_verify": true })),
    ];
    assert!(Kind::ALL.iter().all(|kind| cases.iter().any(|case| case.0 == *kind)));
    for (kind, body) in cases {
        let stored = validate(kind, &body)
            .and_then(|resource| resource.to_value().map_err(|error| Fault::new("", error.to_string()).into()));
        let stored = stored.expect("valid");
        let again = validate(kind, &stored).expect("stored is valid").to_value().expect("json");
        assert_eq!(canonical(&stored), canonical(&again), "{kind}");
        let read = Resource::from_canonical(kind, &canonical(&stored)).expect("read");
        assert_eq!(canonical(&read.to_value().expect("json")), canonical(&stored), "{kind}");
        assert_eq!(read.kind(), kind);
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
