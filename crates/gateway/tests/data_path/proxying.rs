//! What every route does: pass the request on and the answer back.

use serde_json::json;

use crate::support::{Client, Echo, Gateway, get, put, raw, registry, settings};

#[tokio::test]
async fn a_request_reaches_its_upstream_and_the_answer_its_client() {
    let echo = Echo::start().await;
    let gateway = Gateway::start(vec![put("route/r", json!({ "uri": "/a/*", "upstream": { "nodes": echo.nodes() } }))]);
    let mut client = Client::connect(gateway.http).await;
    let answer = client.post("/a/b?c=d", "hello").await.expect("an answer");
    assert_eq!(answer.status, 200);
    let got = answer.json();
    assert_eq!((&got["method"], &got["uri"], &got["body"]), (&json!("POST"), &json!("/a/b?c=d"), &json!("hello")));
    assert_eq!(answer.header("x-upstream"), Some("echo"));
    gateway.stop().await;
}

#[tokio::test]
async fn without_a_route_the_answer_is_apisix_s_404() {
    let gateway = Gateway::start(Vec::new());
    let answer = get(gateway.http, "/nothing").await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.text(), "{\"error_msg\":\"404 Route Not Found\"}\n");
    gateway.stop().await;
}

#[tokio::test]
async fn a_service_gives_its_upstream_and_takes_its_prefix_away() {
    let echo = Echo::start().await;
    let gateway = Gateway::start(vec![
        put(
            "service/s",
            json!({ "name": "s", "path_prefix": "/api", "strip_path_prefix": true, "upstream": { "nodes": echo.nodes() } }),
        ),
        put("route/r", json!({ "paths": ["/users/*"], "service_id": "s" })),
    ]);
    let answer = get(gateway.http, "/api/users/7?x=%20").await;
    assert_eq!(answer.json()["uri"], "/users/7?x=%20");
    assert_eq!(get(gateway.http, "/users/7").await.status, 404);
    gateway.stop().await;
}

#[tokio::test]
async fn a_prefix_that_is_not_taken_away_stays() {
    let echo = Echo::start().await;
    let nodes = echo.nodes();
    let service = |strips: Option<bool>| {
        let mut service = json!({ "name": "s", "path_prefix": "/api", "upstream": { "nodes": nodes } });
        if let Some(strips) = strips {
            service["strip_path_prefix"] = json!(strips);
        }
        put("service/s", service)
    };
    for (strips, target) in [(Some(false), "/api/users/7?x=1"), (Some(true), "/users/7?x=1"), (None, "/users/7?x=1")] {
        let route = put("route/r", json!({ "paths": ["/users/*"], "service_id": "s" }));
        let gateway = Gateway::start(vec![service(strips), route]);
        assert_eq!(get(gateway.http, "/api/users/7?x=1").await.json()["uri"], target, "{strips:?}");
        gateway.stop().await;
    }
}

#[tokio::test]
async fn two_workers_share_the_port() {
    let echo = Echo::start().await;
    let route = put("route/r", json!({ "uri": "/*", "upstream": { "nodes": echo.nodes() } }));
    let two = gateway::Settings { workers: 2, ..settings() };
    let gateway = Gateway::start_with(two, registry(), vec![route]);
    for _ in 0..64 {
        assert_eq!(get(gateway.http, "/").await.status, 200);
    }
    // Each worker has its own pool; were there one worker, there would be one connection.
    assert_eq!(echo.connections(), 2);
    gateway.stop().await;
}

#[tokio::test]
async fn a_client_of_http_1_0_is_served_and_then_closed() {
    let echo = Echo::start().await;
    let gateway = Gateway::start(vec![put("route/r", json!({ "uri": "/*", "upstream": { "nodes": echo.nodes() } }))]);
    let answer = raw(gateway.http, "GET /old HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200 "), "{answer}");
    assert!(answer.contains("\"uri\":\"/old\""), "{answer}");
    assert!(answer.contains(&format!("\"host\":\"{}\"", echo.address)), "{answer}");
    gateway.stop().await;
}

#[tokio::test]
async fn absolute_targets_are_routed_and_forwarded_by_their_own_host() {
    let echo = Echo::start().await;
    let route = json!({ "uri": "/*", "host": "real.test", "upstream": { "nodes": echo.nodes() } });
    let gateway = Gateway::start(vec![put("route/r", route)]);
    let request = "GET http://real.test/x?y HTTP/1.1\r\nhost: other.test\r\nconnection: close\r\n\r\n";
    let answer = raw(gateway.http, request).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("\"host\":\"real.test\"") && answer.contains("\"uri\":\"/x?y\""), "{answer}");
    gateway.stop().await;
}

#[tokio::test]
async fn routes_match_by_fields_of_a_form_or_json_body() {
    let echo = Echo::start().await;
    let by = |id: &str, name: &str, value: &str| {
        put(
            &format!("route/{id}"),
            json!({
                "uri": "/*", "name": id, "vars": [[name, "==", value]],
                "plugins": { "response-rewrite": { "headers": { "set": { "x-route": id } } } },
                "upstream": { "nodes": echo.nodes() },
            }),
        )
    };
    let routes = vec![
        by("form", "post_arg_tier", "gold"),
        by("json", "post_arg.model.name", "m"),
        by("graphql", "graphql_name", "getRepo"),
        put(
            "route/fields",
            json!({
                "uri": "/*", "vars": [["graphql_operation", "==", "mutation"], ["graphql_root_fields", "has", "owner"]],
                "plugins": { "response-rewrite": { "headers": { "set": { "x-route": "fields" } } } },
                "upstream": { "nodes": echo.nodes() },
            }),
        ),
    ];
    let gateway = Gateway::start_with(settings(), ::plugins::registry(), routes);
    let cases = [
        ("application/x-www-form-urlencoded", "a=1&tier=gold", Some("form")),
        ("application/json; charset=utf-8", "{\"model\":{\"name\":\"m\"}}", Some("json")),
        ("application/graphql", "query getRepo { owner { name } }", Some("graphql")),
        ("application/json", "{\"query\":\"mutation { repo owner { name } }\"}", Some("fields")),
        ("application/json", "{\"query\":\"mutation { repo }\"}", None),
        ("application/x-www-form-urlencoded", "tier=tin", None),
        ("text/plain", "tier=gold", None),
    ];
    let mut client = Client::connect(gateway.http).await;
    for (content_type, body, route) in cases {
        let request = http::Request::post("/").header("host", "a").header("content-type", content_type);
        let answer =
            client.send(request.body(http_body_util::Full::from(body)).expect("a request")).await.expect("sent");
        assert_eq!(answer.status == 200, route.is_some(), "{body}");
        assert_eq!(answer.header("x-route"), route, "{body}");
        assert!(route.is_none() || answer.json()["body"] == body, "{body} goes on whole");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_route_whose_service_is_gone_is_not_there_and_one_without_its_plugin_config_is_refused() {
    let echo = Echo::start().await;
    let mut gateway = Gateway::start(vec![
        put("service/s", json!({ "name": "s", "upstream": { "nodes": echo.nodes() } })),
        put("plugin_config/p", json!({ "plugins": {} })),
        put("route/s", json!({ "uri": "/s", "service_id": "s" })),
        put("route/p", json!({ "uri": "/p", "plugin_config_id": "p", "upstream": { "nodes": echo.nodes() } })),
        put("route/wide", json!({ "uri": "/*", "upstream": { "nodes": echo.nodes() } })),
    ]);
    gateway.apply(vec![crate::support::delete("service/s"), crate::support::delete("plugin_config/p")]);
    for (path, status) in [("/s", 404), ("/p", 503), ("/other", 200)] {
        assert_eq!(get(gateway.http, path).await.status, status, "{path}");
    }
    gateway.stop().await;
}
