use plugin_api::testing::input;
use serde_json::json;

use super::*;
use crate::testing::{self, compile, reply_of};

type Plug = Arc<dyn Plugin>;

fn headers(exchange: &Exchange) -> Vec<(String, String)> {
    let pairs = exchange.early_headers.iter();
    pairs.map(|(name, value)| (name.to_string(), value.to_str().expect("text").to_owned())).collect()
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// Whether a request with these headers passes; each test has an owner of its own, for the counters are shared.
fn passes(plugin: &Plug, request: &[(&str, &str)]) -> bool {
    reply_of(plugin.access(&mut testing::exchange("/", request))).is_none()
}

fn compile_for(owner: &str, conf: Value, metadata: Option<&Value>) -> Result<Plug, Fault> {
    LimitCount.compile(&CompileInput { metadata, owner, ..input(&conf) })
}

#[test]
fn the_request_beyond_the_count_is_refused_with_the_configured_answer() {
    let conf = r#"{"count": 2, "time_window": 60, "rejected_code": 429, "rejected_msg": "slow down"}"#;
    let plugin = compile(&LimitCount, conf);
    for remaining in ["1", "0"] {
        let mut exchange = testing::exchange("/", &[]);
        assert!(reply_of(plugin.access(&mut exchange)).is_none());
        let mut told = headers(&exchange);
        let (reset, left) = told.pop().expect("three headers");
        assert_eq!(told, [pair("x-ratelimit-limit", "2"), pair("x-ratelimit-remaining", remaining)]);
        assert_eq!(reset, "x-ratelimit-reset");
        assert!(left == "60" || left.starts_with("59."), "{left}");
    }
    let mut exchange = testing::exchange("/", &[]);
    let reply = reply_of(plugin.access(&mut exchange)).expect("refused");
    assert_eq!((reply.status.as_u16(), &*reply.body), (429, &b"{\"error_msg\":\"slow down\"}\n"[..]));
    assert_eq!(headers(&exchange)[1], pair("x-ratelimit-remaining", "0"));
}

#[test]
fn the_default_answer_is_nginx_s_page_of_503() {
    let plugin = compile_for("default-answer", json!({ "count": 1, "time_window": 60 }), None).expect("compiles");
    assert!(passes(&plugin, &[]));
    let reply = reply_of(plugin.access(&mut testing::exchange("/", &[]))).expect("refused");
    assert_eq!(reply.status.as_u16(), 503);
    assert!(reply.body.starts_with(b"<html>\r\n<head><title>503 Service Temporarily Unavailable</title>"));
    assert_eq!(reply.headers["content-type"], "text/html; charset=utf-8");
}

#[test]
fn headers_can_be_named_otherwise_or_left_out() {
    let metadata = json!({ "limit_header": "X-Limit", "reset_header": "X-Reset" });
    let plugin = compile_for("named", json!({ "count": 5, "time_window": 60 }), Some(&metadata)).expect("compiles");
    let mut exchange = testing::exchange("/", &[]);
    assert!(reply_of(plugin.access(&mut exchange)).is_none());
    let names: Vec<_> = headers(&exchange).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["x-limit", "x-ratelimit-remaining", "x-reset"]);
    let conf = json!({ "count": 5, "time_window": 60, "show_limit_quota_header": false });
    let mut exchange = testing::exchange("/", &[]);
    assert!(reply_of(compile_for("silent", conf, None).expect("compiles").access(&mut exchange)).is_none());
    assert_eq!(headers(&exchange), []);
}

#[test]
fn keys_are_counted_apart_and_an_empty_key_falls_back_to_the_address() {
    let conf = |key_type: &str, key: &str| json!({ "count": 1, "time_window": 60, "key_type": key_type, "key": key });
    for (key_type, key) in [("var", "http_x_tenant"), ("var_combination", "$http_x_tenant$http_x_none")] {
        let plugin = compile_for("keys", conf(key_type, key), None).expect("compiles");
        let tenant = |tenant| passes(&plugin, &[("x-tenant", tenant)]);
        assert!(tenant("a") && tenant("b") && !tenant("a"));
        assert!(passes(&plugin, &[]) && !passes(&plugin, &[]));
        let mut elsewhere = testing::exchange("/", &[]);
        std::rc::Rc::make_mut(&mut elsewhere.client).remote = "192.0.2.8:1".parse().expect("address");
        assert!(reply_of(plugin.access(&mut elsewhere)).is_none());
    }
    let plugin = compile_for("keys", conf("constant", "all"), None).expect("compiles");
    assert!(passes(&plugin, &[("x-tenant", "a")]) && !passes(&plugin, &[("x-tenant", "b")]));
}

#[test]
fn a_group_is_shared_by_routes_and_a_configuration_is_not() {
    let conf = |group: Option<&str>| {
        let mut conf = json!({ "count": 1, "time_window": 60, "key_type": "constant", "key": "k" });
        if let Some(group) = group {
            conf["group"] = group.into();
        }
        conf
    };
    let hit = |owner: &str, conf: Value| passes(&compile_for(owner, conf, None).expect("compiles"), &[]);
    assert!(hit("route/1", conf(Some("g1"))) && !hit("route/2", conf(Some("g1"))));
    assert!(hit("route/1", conf(None)) && hit("route/2", conf(None)));
    assert!(!hit("route/1", conf(None)), "compiling again does not begin afresh");
    let mut with_meta = conf(None);
    with_meta["_meta"] = json!({ "priority": 1 });
    assert!(!hit("route/1", with_meta), "a priority is no other limit");
    let mut changed = conf(None);
    changed["time_window"] = 61.into();
    assert!(hit("route/1", changed));
}

#[test]
fn numbers_may_come_from_variables() {
    let conf = json!({ "count": "$http_x_quota", "time_window": "60" });
    let plugin = compile_for("variables", conf.clone(), None).expect("compiles");
    assert!(passes(&plugin, &[("x-quota", "1")]) && !passes(&plugin, &[("x-quota", "1")]));
    assert!(passes(&plugin, &[("x-quota", "2")]), "the count is this request's");
    for wrong in ["0", "-1", "many", "9007199254740992"] {
        let reply = reply_of(plugin.access(&mut testing::exchange("/", &[("x-quota", wrong)]))).expect("refused");
        assert_eq!(reply.status.as_u16(), 500, "{wrong}");
    }
    let mut lenient = conf;
    lenient["allow_degradation"] = true.into();
    assert!(passes(&compile_for("variables", lenient, None).expect("compiles"), &[]));
}

#[test]
fn every_rule_that_fits_counts() {
    let conf = json!({ "rules": [
        { "key": "$http_x_user", "count": 1, "time_window": 60, "header_prefix": "User" },
        { "key": "$http_x_tenant", "count": 3, "time_window": 10 },
    ]});
    let plugin = compile_for("rules", conf, None).expect("compiles");
    let mut exchange = testing::exchange("/", &[("x-user", "u"), ("x-tenant", "t")]);
    assert!(reply_of(plugin.access(&mut exchange)).is_none());
    let expected = [
        pair("x-user-ratelimit-limit", "1"),
        pair("x-user-ratelimit-remaining", "0"),
        pair("x-user-ratelimit-reset", "60"),
        pair("x-2-ratelimit-limit", "3"),
        pair("x-2-ratelimit-remaining", "2"),
        pair("x-2-ratelimit-reset", "10"),
    ];
    assert_eq!(headers(&exchange), expected);
    assert!(!passes(&plugin, &[("x-user", "u"), ("x-tenant", "t")]));
    assert!(passes(&plugin, &[("x-tenant", "t")]), "the refused request was not counted for the tenant");
    let reply = reply_of(plugin.access(&mut testing::exchange("/", &[]))).expect("refused");
    assert_eq!(reply.status.as_u16(), 500, "no rule fits");
}

#[test]
fn a_client_cannot_switch_off_a_rule_that_applies() {
    let mut conf = json!({ "rules": [
        { "key": "$http_x_user", "count": 1, "time_window": 60 },
        { "key": "$http_x_tenant", "count": "$http_x_quota", "time_window": "${http_x_window ?? 60}" },
    ]});
    let plugin = compile_for("switched", conf.clone(), None).expect("compiles");
    let asked = |more: &[(&str, &str)]| {
        let request: Vec<_> = [("x-user", "u"), ("x-tenant", "t")].iter().chain(more).copied().collect();
        let mut exchange = testing::exchange("/", &request);
        let reply = reply_of(plugin.access(&mut exchange));
        (reply.map(|reply| reply.status.as_u16()), headers(&exchange).len())
    };
    for wrong in [&[][..], &[("x-quota", "many")], &[("x-quota", "0")], &[("x-quota", "5"), ("x-window", "-1")]] {
        assert_eq!(asked(wrong), (Some(500), 0), "{wrong:?}");
    }
    assert_eq!(asked(&[("x-quota", "5")]), (None, 6), "nothing was counted before");
    conf["allow_degradation"] = true.into();
    let lenient = compile_for("switched", conf, None).expect("compiles");
    assert!(passes(&lenient, &[("x-user", "u"), ("x-tenant", "t")]));
}

#[test]
fn the_prefix_of_a_rule_goes_before_the_first_ratelimit() {
    let metadata = json!({ "limit_header": "X-AI-RateLimit-Limit", "remaining_header": "X-Left", "reset_header": "ratelimit-reset" });
    let conf = json!({ "rules": [{ "key": "$remote_addr", "count": 5, "time_window": 60 }] });
    let mut exchange = testing::exchange("/", &[]);
    let plugin = compile_for("prefixed", conf, Some(&metadata)).expect("compiles");
    assert!(reply_of(plugin.access(&mut exchange)).is_none());
    let names: Vec<_> = headers(&exchange).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["x-ai-1-ratelimit-limit", "x-left", "ratelimit-reset"]);
}

#[test]
fn windows_tell_hundredths() {
    for window_type in ["fixed", "sliding"] {
        let conf = json!({ "count": 1, "time_window": 3600, "window_type": window_type });
        let plugin = compile_for(window_type, conf, None).expect("compiles");
        assert!(passes(&plugin, &[]) && !passes(&plugin, &[]));
    }
    assert_eq!(reset_header(12_349), "12.34");
    assert_eq!(reset_header(12_000), "12");
    assert_eq!(reset_header(12_509), "12.5");
    assert_eq!(reset_header(12_059), "12.05");
    assert_eq!(reset_header(19), "0.01");
    assert_eq!(reset_header(12_001), "12");
    assert_eq!(reset_header(9), "0");
}

#[test]
fn wrong_configurations_are_named_by_field() {
    let rule = |key: &str| json!({ "key": key, "count": 1, "time_window": 1 });
    let cases = [
        (json!({ "count": 1, "time_window": 1, "policy": "redis-cluster" }), "/policy"),
        (json!({ "count": "none", "time_window": 1 }), "/count"),
        (json!({ "count": 1, "time_window": "0" }), "/time_window"),
        (json!({ "rules": [rule("$a"), rule("$a")] }), "/rules/1/key"),
        (
            json!({ "rules": [{ "key": "$a", "count": 1, "time_window": 1, "header_prefix": "a b" }] }),
            "/rules/0/header_prefix",
        ),
    ];
    for (conf, pointer) in cases {
        assert_eq!(compile_for("wrong", conf, None).err().expect("a fault").pointer, pointer);
    }
}

#[test]
fn what_excludes_each_other_and_what_is_out_of_bounds_is_told_in_apisix_words() {
    let rules = || json!([{ "key": "$a", "count": 1, "time_window": 1 }]);
    let redis = |interval: f64| {
        let redis = json!({ "policy": "redis", "redis_host": "127.0.0.1" });
        let mut conf = json!({ "count": 1, "time_window": 60, "sync_interval": interval });
        conf.as_object_mut().expect("fields").extend(redis.as_object().cloned().expect("fields"));
        conf
    };
    let both = "count/time_window and rules cannot be specified at the same time";
    let cases = [
        (json!({ "count": 1, "time_window": 1, "rules": rules() }), both),
        (json!({ "time_window": 0, "rules": rules() }), both),
        (json!({ "time_window": 1, "rules": rules() }), both),
        (json!({ "group": "g", "rules": rules() }), "group and rules cannot be specified at the same time"),
        (redis(0.05), "sync_interval should not be smaller than 0.1"),
        (redis(-2.0), "sync_interval should not be smaller than 0.1"),
        (redis(60.0), "sync_interval should be smaller than time_window"),
        (json!({ "count": 1 }), "value should match only one schema, but matches none"),
    ];
    for (conf, reason) in cases {
        assert_eq!(testing::refusal_of(&LimitCount, &conf), reason, "{conf}");
    }
    for interval in [-1.0, 0.1, 59.9] {
        assert!(compile_for("synchronised", redis(interval), None).is_ok(), "{interval}");
    }
    let local = json!({ "count": 1, "time_window": 60, "sync_interval": 0 });
    assert!(compile_for("local", local, None).is_ok(), "it means something with Redis only");
}
