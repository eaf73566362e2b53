//! Plugins: which run, in which order, and what their answers become.

use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::support::{Answer, Client, Echo, Gateway, Tape, get, put, until};

fn route(echo: &Echo, plugins: Value) -> model::Change {
    put("route/r", json!({ "uri": "/*", "plugins": plugins, "upstream": { "nodes": echo.nodes() } }))
}

async fn logged(tape: &'static str, last: &str) -> Vec<String> {
    until("the log phase", || Tape(tape).read().last().is_some_and(|line| line.starts_with(last))).await;
    Tape(tape).read()
}

#[tokio::test]
async fn phases_run_in_order_and_the_higher_priority_first() {
    let echo = Echo::start().await;
    let plugins = json!({ "probe-low": { "tape": "order", "say": "low" }, "probe-high": { "tape": "order", "say": "high", "waits": true } });
    let gateway = Gateway::start(vec![route(&echo, plugins)]);
    assert_eq!(get(gateway.http, "/").await.status, 200);
    let phases = ["rewrite", "access", "before_proxy", "header_filter", "body_filter", "log 200"];
    let expected: Vec<_> = phases.iter().flat_map(|phase| [format!("high {phase}"), format!("low {phase}")]).collect();
    assert_eq!(logged("order", "low log").await, expected);
    gateway.stop().await;
}

#[tokio::test]
async fn a_phase_of_global_rules_runs_before_the_route_s_and_without_one() {
    let echo = Echo::start().await;
    let global = json!({ "plugins": { "probe-low": { "tape": "global", "say": "global" } } });
    let route = put(
        "route/r",
        json!({ "uri": "/a", "plugins": { "probe-high": { "tape": "global", "say": "route" } }, "upstream": { "nodes": echo.nodes() } }),
    );
    let gateway = Gateway::start(vec![put("global_rule/1", global), route]);
    assert_eq!(get(gateway.http, "/missing").await.status, 404);
    let missed = logged("global", "global log 404").await;
    let phases = ["rewrite", "access", "header_filter", "body_filter", "log 404"];
    assert_eq!(missed, phases.map(|phase| format!("global {phase}")));
    assert_eq!(get(gateway.http, "/a").await.status, 200);
    let hit = logged("global", "route log 200").await;
    let expected = ["global rewrite", "route rewrite", "global access", "route access", "global before_proxy"];
    assert_eq!(hit[missed.len()..missed.len() + 5], expected);
    gateway.stop().await;
}

#[tokio::test]
async fn a_refusal_stops_the_request_but_not_its_log() {
    let echo = Echo::start().await;
    let plugins = json!({ "probe-low": { "tape": "deny" }, "probe-high": { "deny_in": "access" } });
    let gateway = Gateway::start(vec![route(&echo, plugins)]);
    let answer = get(gateway.http, "/").await;
    assert_eq!((answer.status.as_u16(), answer.text()), (403, "{\"message\":\"denied\"}\n"));
    let lines = logged("deny", "probe-low log").await;
    assert_eq!(lines, ["rewrite", "header_filter", "body_filter", "log 403"].map(|phase| format!("probe-low {phase}")));
    assert_eq!(echo.requests(), 0);
    gateway.stop().await;
}

#[tokio::test]
async fn meta_leaves_out_reorders_and_reshapes() {
    let echo = Echo::start().await;
    let plugins = json!({
        "probe-low": { "tape": "meta", "say": "low", "_meta": { "priority": 5000 } },
        "probe-high": { "tape": "meta", "say": "high", "deny_in": "access", "_meta": { "error_response": { "code": 7 } } },
    });
    let gateway = Gateway::start(vec![route(&echo, plugins)]);
    let answer = get(gateway.http, "/").await;
    assert_eq!((answer.status.as_u16(), answer.json()), (403, json!({ "code": 7 })));
    assert_eq!(logged("meta", "high log").await[..2], ["low rewrite", "high rewrite"]);
    gateway.stop().await;
    let plugins = json!({ "probe-high": { "deny_in": "access", "_meta": { "disable": true } } });
    let gateway = Gateway::start(vec![route(&echo, plugins)]);
    assert_eq!(get(gateway.http, "/").await.status, 200);
    gateway.stop().await;
}

#[tokio::test]
async fn a_filter_decides_per_request() {
    let echo = Echo::start().await;
    let filter = json!([["arg_version", "==", "v1"]]);
    let gateway = Gateway::start(vec![route(
        &echo,
        json!({ "probe-high": { "deny_in": "access", "_meta": { "filter": filter } } }),
    )]);
    assert_eq!(get(gateway.http, "/?version=v1").await.status, 403);
    assert_eq!(get(gateway.http, "/?version=v2").await.status, 200);
    gateway.stop().await;
}

async fn as_consumer(gateway: &Gateway, key: &str) -> Answer {
    let request = Request::get("/").header("host", "a").header("x-key", key).body(Full::default());
    Client::connect(gateway.http).await.send(request.expect("a request")).await.expect("an answer")
}

#[tokio::test]
async fn a_consumer_s_plugins_are_laid_over_the_route_s() {
    let echo = Echo::start().await;
    let plugins = json!({ "probe-auth": {}, "probe-low": { "tape": "consumer", "say": "route" } });
    let gateway = Gateway::start(vec![
        route(&echo, plugins),
        put(
            "consumer/jack",
            json!({ "username": "jack", "plugins": { "probe-low": { "tape": "consumer", "say": "jack" } } }),
        ),
        put("credential/jack/c", json!({ "plugins": { "probe-auth": { "key": "jacks" } } })),
        put("consumer/jill", json!({ "username": "jill", "plugins": { "probe-auth": { "key": "jills" } } })),
    ]);
    assert_eq!(as_consumer(&gateway, "nobody").await.status, 401);
    logged("consumer", "route log 401").await;
    assert_eq!(as_consumer(&gateway, "jills").await.status, 200);
    let before = logged("consumer", "route log 200").await.len();
    assert_eq!(as_consumer(&gateway, "jacks").await.status, 200);
    let lines = logged("consumer", "jack log 200").await;
    let phases = ["rewrite", "access", "before_proxy", "header_filter", "body_filter", "log 200"];
    let (of_route, of_jack): (Vec<_>, Vec<_>) = lines[before..].iter().partition(|line| line.starts_with("route"));
    assert_eq!(
        of_jack,
        phases.iter().map(|phase| format!("jack {phase}")).collect::<Vec<_>>().iter().collect::<Vec<_>>()
    );
    assert!(of_route.iter().all(|line| *line == "route rewrite"), "{of_route:?}");
    gateway.stop().await;
}

#[tokio::test]
async fn whole_bodies_are_read_within_their_limit() {
    let echo = Echo::start().await;
    let gateway = Gateway::start(vec![route(&echo, json!({ "probe-high": { "tape": "whole", "request_limit": 10 } }))]);
    let mut client = Client::connect(gateway.http).await;
    assert_eq!(client.post("/", "0123456789").await.expect("an answer").json()["body"], "0123456789");
    assert_eq!(Tape("whole").read()[0], "probe-high body of 10");
    assert_eq!(client.post("/", "0123456789A").await.expect("an answer").status, 413);
    assert_eq!(echo.requests(), 1);
    gateway.stop().await;
    let gateway = Gateway::start(vec![route(&echo, json!({ "probe-high": { "response_limit": 10 } }))]);
    assert_eq!(get(gateway.http, "/").await.status, 502);
    gateway.stop().await;
}

#[tokio::test]
async fn a_plugin_can_replace_the_body() {
    let echo = Echo::start().await;
    for limit in [json!(null), json!(100_000)] {
        let plugins = json!({ "probe-high": { "replace_body": "instead", "response_limit": limit } });
        let gateway = Gateway::start(vec![route(&echo, plugins)]);
        let answer = get(gateway.http, "/").await;
        assert!(answer.text().ends_with("instead"), "{answer:?}");
        if limit.is_number() {
            assert_eq!((answer.text(), answer.header("content-length")), ("instead", Some("7")));
        }
        gateway.stop().await;
    }
}
