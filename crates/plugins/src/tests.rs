use serde_json::json;

use super::*;

#[test]
fn priorities_are_those_of_apisix() {
    let order: Vec<_> = registry().by_priority().iter().map(|plugin| (plugin.name(), plugin.priority())).collect();
    let expected = [
        ("real-ip", 23000),
        ("client-control", 22000),
        ("proxy-control", 21990),
        ("request-id", 12015),
        ("fault-injection", 11000),
        ("mocking", 10900),
        ("cors", 4000),
        ("ip-restriction", 3000),
        ("ua-restriction", 2999),
        ("referer-restriction", 2990),
        ("uri-blocker", 2900),
        ("request-validation", 2800),
        ("hmac-auth", 2530),
        ("basic-auth", 2520),
        ("jwt-auth", 2510),
        ("key-auth", 2500),
        ("consumer-restriction", 2400),
        ("proxy-rewrite", 1008),
        ("limit-conn", 1003),
        ("limit-count", 1002),
        ("limit-req", 1001),
        ("gzip", 995),
        ("traffic-split", 966),
        ("redirect", 900),
        ("response-rewrite", 899),
        ("public-api", 501),
        ("prometheus", 500),
        ("echo", 412),
        ("http-logger", 410),
        ("file-logger", 399),
    ];
    assert_eq!(order, expected);
}

#[test]
fn schemas_refuse_in_apisix_words() {
    const NONE: &str = "value should match only one schema, but matches none";
    let limit = |field: &str, value: Value| {
        let mut conf = json!({ "count": 1, "time_window": 60 });
        conf[field] = value;
        conf
    };
    let cases = [
        (
            "key-auth",
            json!({ "header": 1 }),
            "/header",
            "property \"header\" validation failed: wrong type: expected string, got number".to_owned(),
        ),
        ("limit-count", json!({ "time_window": 60 }), "/count", NONE.to_owned()),
        ("limit-count", limit("count", json!(0)), "/count", format!("property \"count\" validation failed: {NONE}")),
        (
            "limit-count",
            limit("policy", json!("x")),
            "/policy",
            "property \"policy\" validation failed: matches none of the enum values".to_owned(),
        ),
        (
            "limit-count",
            limit("rejected_code", json!(600)),
            "/rejected_code",
            "property \"rejected_code\" validation failed: expected 600 to be at most 599".to_owned(),
        ),
        ("proxy-rewrite", json!({}), "", "expect object to have at least 1 properties".to_owned()),
        (
            "proxy-rewrite",
            json!({ "headers": { "add": [] } }),
            "/headers",
            "property \"headers\" validation failed: object matches none of the required".to_owned(),
        ),
    ];
    for (plugin, conf, pointer, reason) in cases {
        let fault = registry().check(plugin, &conf).expect_err("a fault");
        assert_eq!(fault.pointer, pointer, "{conf}");
        assert_eq!(fault.message, format!("failed to check the configuration of plugin {plugin} err: {reason}"));
    }
    assert_eq!(registry().check("nothing", &Value::Null).expect_err("a fault").message, "unknown plugin [nothing]");
}

#[test]
fn every_plugin_takes_meta() {
    for plugin in registry().by_priority() {
        assert!(plugin.schema().pointer("/properties/_meta").is_some(), "{}", plugin.name());
    }
    let conf = json!({ "_meta": { "disable": false, "priority": 1, "filter": [] } });
    assert_eq!(registry().check("key-auth", &conf), Ok(()));
    let conf = json!({ "_meta": { "pre_function": "return" } });
    assert_eq!(registry().check("key-auth", &conf).expect_err("a fault").pointer, "/_meta/pre_function");
}

#[test]
fn credentials_and_metadata_have_schemas_of_their_own() {
    assert_eq!(registry().check_consumer("key-auth", &json!({})).expect_err("a fault").pointer, "/key");
    assert_eq!(registry().check_consumer("key-auth", &json!({ "key": "k" })), Ok(()));
    let wrong = json!({ "limit_header": 1 });
    assert_eq!(registry().check_metadata("limit-count", &wrong).expect_err("a fault").pointer, "/limit_header");
    assert_eq!(registry().check_metadata("key-auth", &json!({ "note": "nobody reads it" })), Ok(()));
    let none = registry().check_metadata("key-auth", &json!([])).expect_err("a fault").message;
    assert!(none.ends_with("wrong type: expected object, got table"), "{none}");
    let limit = json!({ "count": 1, "time_window": 0 });
    assert!(registry().check_consumer("limit-count", &limit).is_err(), "configured as on a route");
}

#[test]
fn the_examples_of_the_documents_are_taken() {
    let text = include_str!("../../../docs/PLUGINS.md");
    let mut taken = 0;
    for block in text.split("```json").skip(1).filter_map(|rest| rest.split("```").next()) {
        let example: Value = serde_json::from_str(block).expect("json");
        for (name, conf) in example.as_object().expect("an object") {
            let Some(plugin) = registry().get(name) else { continue };
            assert_eq!(registry().check(name, conf), Ok(()), "{name}");
            assert!(plugin.compile(&plugin_api::testing::input(conf)).is_ok(), "{name}");
            taken += 1;
        }
    }
    assert!(taken >= 9, "hardly any example was found");
}
