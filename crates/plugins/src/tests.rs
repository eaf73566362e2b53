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

/// Attributes and their defaults (null where there is none), as the schemas of APISIX 3.18 have them.
///
/// Of those with Redis in them only what is not Redis's own stands here.
fn attributes() -> Value {
    let restriction = |message: &str| json!({ "bypass_missing": false, "message": message });
    let with = |mut fields: Value, more: Value| {
        fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        fields
    };
    let entries = json!({
        "include_req_body": false, "include_req_body_expr": null, "include_resp_body": false,
        "include_resp_body_expr": null, "log_format": null, "max_req_body_bytes": 524_288, "max_resp_body_bytes": 524_288,
    });
    let batches = json!({
        "uri": null, "auth_header": null, "timeout": 3, "ssl_verify": false, "concat_method": "json",
        "batch_max_size": 1000, "max_retry_count": 0, "retry_delay": 1, "buffer_duration": 60, "inactive_timeout": 5,
        "name": "http logger",
    });
    json!({
        "real-ip": { "source": null, "trusted_addresses": null, "recursive": false },
        "client-control": { "max_body_size": null },
        "proxy-control": { "request_buffering": true },
        "request-id": {
            "header_name": "X-Request-Id", "include_in_response": true, "algorithm": "uuid",
        },
        "fault-injection": { "abort": null, "delay": null },
        "mocking": {
            "delay": 0, "response_status": 200, "content_type": "application/json;charset=utf8", "response_example": null,
            "response_schema": null, "with_mock_header": true, "response_headers": null,
        },
        "cors": {
            "allow_origins": "*", "allow_methods": "*", "allow_headers": "*", "expose_headers": null, "max_age": 5,
            "allow_credential": false, "allow_origins_by_regex": null, "allow_origins_by_metadata": null,
            "timing_allow_origins": null, "timing_allow_origins_by_regex": null,
        },
        "ip-restriction": {
            "whitelist": null, "blacklist": null, "message": "Your IP address is not allowed", "response_code": 403,
        },
        "ua-restriction": with(restriction("Not allowed"), json!({ "allowlist": null, "denylist": null })),
        "referer-restriction":
            with(restriction("Your referer host is not allowed"), json!({ "whitelist": null, "blacklist": null })),
        "uri-blocker": { "block_rules": null, "rejected_code": 403, "rejected_msg": null, "case_insensitive": false },
        "request-validation": {
            "header_schema": null, "body_schema": null, "rejected_code": 400, "rejected_msg": null,
            "max_req_body_size": 67_108_864,
        },
        "hmac-auth": {
            "allowed_algorithms": ["hmac-sha1", "hmac-sha256", "hmac-sha512"], "clock_skew": 300, "signed_headers": null,
            "validate_request_body": false, "max_req_body_size": 67_108_864, "hide_credentials": false, "realm": "hmac",
            "anonymous_consumer": null,
        },
        "basic-auth": { "hide_credentials": false, "realm": "basic", "anonymous_consumer": null },
        "jwt-auth": {
            "header": "authorization", "query": "jwt", "cookie": "jwt", "hide_credentials": false, "key_claim_name": "key",
            "store_in_ctx": false, "realm": "jwt", "anonymous_consumer": null, "claims_to_verify": ["exp", "nbf"],
        },
        "key-auth": {
            "header": "apikey", "query": "apikey", "hide_credentials": false, "realm": "key", "anonymous_consumer": null,
        },
        "consumer-restriction": {
            "type": "consumer_name", "whitelist": null, "blacklist": null, "allowed_by_methods": null,
            "rejected_code": 403, "rejected_msg": null,
        },
        "proxy-rewrite": {
            "uri": null, "regex_uri": null, "method": null, "host": null, "headers": null,
            "use_real_request_uri_unsafe": false,
        },
        "limit-conn": {
            "conn": null, "burst": null, "default_conn_delay": null, "only_use_default_delay": false, "key": null,
            "key_type": "var", "rejected_code": 503, "rejected_msg": null, "allow_degradation": false, "rules": null,
        },
        "limit-count": {
            "count": null, "time_window": null, "window_type": "fixed", "key": "remote_addr", "key_type": "var",
            "rejected_code": 503, "rejected_msg": null, "policy": "local", "allow_degradation": false,
            "show_limit_quota_header": true, "group": null, "rules": null, "sync_interval": -1,
        },
        "limit-req": {
            "rate": null, "burst": null, "key": null, "key_type": "var", "rejected_code": 503, "rejected_msg": null,
            "nodelay": false, "allow_degradation": false, "policy": "local",
        },
        "gzip": {
            "types": ["text/html"], "min_length": 20, "comp_level": 1, "http_version": 1.1,
            "buffers": { "number": 32, "size": 4096 }, "vary": null,
        },
        "traffic-split": { "rules": null },
        "redirect": {
            "uri": null, "regex_uri": null, "http_to_https": null, "ret_code": 302, "encode_uri": false,
            "append_query_string": false,
        },
        "response-rewrite": {
            "status_code": null, "body": null, "body_base64": false, "headers": null, "filters": null, "vars": null,
            "max_resp_body_size": 67_108_864,
        },
        "public-api": { "uri": null },
        "prometheus": { "prefer_name": false },
        "echo": { "before_body": null, "body": null, "after_body": null, "headers": null },
        "file-logger": with(entries.clone(), json!({ "path": null, "match": null })),
        "http-logger": with(entries, batches),
    })
}

#[test]
fn every_attribute_of_apisix_is_there_with_its_default() {
    let mut wrong = Vec::new();
    for (name, attributes) in attributes().as_object().unwrap() {
        let properties = &registry().get(name).unwrap().schema()["properties"];
        for (attribute, default) in attributes.as_object().unwrap() {
            let found = properties.get(attribute);
            if found.is_none_or(|found| found.get("default").unwrap_or(&Value::Null) != default) {
                let found = found.map(|found| found.get("default").cloned().unwrap_or_default());
                wrong.push(format!("{name}.{attribute} is {found:?}, not {default}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
