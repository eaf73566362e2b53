use serde_json::json;

use super::*;

fn fault(kind: Kind, body: Value) -> String {
    check(kind, &body).expect_err("a fault")
}

#[test]
fn every_schema_compiles() {
    for kind in Kind::ALL {
        let text = check(kind, &json!(1)).err().unwrap_or_default();
        assert!(!text.contains("schema is wrong"), "{kind}: {text}");
    }
}

#[test]
fn faults_have_apisix_words() {
    let nodes = json!({ "127.0.0.1:80": 1 });
    let cases = [
        (Kind::Route, json!({}), "allOf 1 failed: value should match only one schema, but matches none"),
        (
            Kind::Route,
            json!({ "uri": "/x" }),
            "object matches none of the required: [\"plugins\",\"uri\"] or [\"upstream\",\"uri\"] or \
             [\"upstream_id\",\"uri\"] or [\"service_id\",\"uri\"] or [\"plugins\",\"uris\"] or [\"upstream\",\"uris\"] or \
             [\"upstream_id\",\"uris\"] or [\"service_id\",\"uris\"] or [\"script\",\"uri\"] or [\"script\",\"uris\"]",
        ),
        (
            Kind::Route,
            json!({ "uri": "/x", "plugins": {}, "methods": ["GETT"] }),
            "property \"methods\" validation failed: failed to validate item 1: matches none of the enum values",
        ),
        (
            Kind::Route,
            json!({ "uri": "/x", "upstream": { "type": "roundrobin" } }),
            "property \"upstream\" validation failed: value should match only one schema, but matches none",
        ),
        (
            Kind::Route,
            json!({ "uri": "/x", "plugins": {}, "remote_addr": "127.0.0.1111" }),
            "property \"remote_addr\" validation failed: object matches none of the required",
        ),
        (Kind::Service, json!({ "path_prefix": "/" }), "additional properties forbidden, found path_prefix"),
        (
            Kind::Upstream,
            json!({ "nodes": { "127.0.0.1:80": -1 } }),
            "property \"nodes\" validation failed: object matches none of the required",
        ),
        (
            Kind::Upstream,
            json!({ "nodes": nodes, "pass_host": "x" }),
            "property \"pass_host\" validation failed: matches none of the enum values",
        ),
        (Kind::Consumer, json!({}), "property \"username\" is required"),
        (
            Kind::Credential,
            json!({ "plugins": { "a": {}, "b": {} } }),
            "property \"plugins\" validation failed: expect object to have at most 1 properties",
        ),
        (Kind::Ssl, json!({}), "then clause did not match"),
        (Kind::Ssl, json!({ "type": "client" }), "else clause did not match"),
        (Kind::GlobalRule, json!({}), "property \"plugins\" is required"),
        (Kind::Proto, json!({}), "property \"content\" is required"),
        (Kind::PluginConfig, json!({ "id": "1" }), "property \"plugins\" is required"),
    ];
    for (kind, body, expected) in cases {
        assert_eq!(fault(kind, body), expected);
    }
}

#[test]
fn defaults_are_filled_in() {
    let mut upstream = json!({ "nodes": [{ "host": "a", "weight": 1 }], "checks": { "active": { "healthy": {} } } });
    fill(Kind::Upstream, &mut upstream);
    assert_eq!(upstream["type"], "roundrobin");
    assert_eq!(upstream["nodes"][0]["priority"], 0);
    assert_eq!(upstream["checks"]["active"]["healthy"]["http_statuses"], json!([200, 302]));
}
