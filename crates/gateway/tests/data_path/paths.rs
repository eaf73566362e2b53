//! Paths in any form lead to the route they mean, and requests that may mean two things lead nowhere.

use serde_json::json;

use crate::support::{Echo, Gateway, get, put, raw};

async fn gateway(echo: &Echo) -> Gateway {
    let upstream = json!({ "nodes": echo.nodes() });
    Gateway::start(vec![
        put("route/cafe", json!({ "uri": "/café", "upstream": upstream })),
        put("route/admin", json!({ "uri": "/admin", "upstream": upstream })),
        put("route/users", json!({ "uri": "/users/:id", "upstream": upstream })),
        put(
            "service/s",
            json!({ "name": "s", "path_prefix": "/api", "strip_path_prefix": true, "upstream": upstream }),
        ),
        put("route/api", json!({ "paths": ["/*"], "service_id": "s" })),
    ])
}

#[tokio::test]
async fn every_form_of_a_path_matches_and_passes_as_the_client_wrote_it() {
    let echo = Echo::start().await;
    let gateway = gateway(&echo).await;
    for target in ["/caf%C3%A9", "/caf%c3%a9?q=%C3%A9", "/%61dmin", "/a/../admin", "//admin", "/users/%41%20b"] {
        let answer = get(gateway.http, target).await;
        assert_eq!(answer.status, 200, "{target}");
        assert_eq!(answer.json()["uri"], target);
    }
    for target in ["/admin/", "/Admin", "/users/a/b", "/users/a%2Fb"] {
        assert_eq!(get(gateway.http, target).await.status, 404, "{target}");
    }
    gateway.stop().await;
}

/// What is decoded twice has climbed out of what was matched.
#[tokio::test]
async fn an_escaped_escape_is_decoded_once() {
    let echo = Echo::start().await;
    let gateway = gateway(&echo).await;
    for target in ["/a/%252e%252e/admin", "/%252e%252e/admin", "/a%252f..%252fadmin", "/%2561dmin"] {
        assert_eq!(get(gateway.http, target).await.status, 404, "{target}");
    }
    assert_eq!(echo.requests(), 0);
    for (target, expected) in [
        ("/users/%252e%252e", "/users/%252e%252e"),
        ("/api/%252e%252e/admin", "/%252e%252e/admin"),
        ("/api/a%252fb", "/a%252fb"),
    ] {
        let answer = get(gateway.http, target).await;
        assert_eq!(answer.status, 200, "{target}");
        assert_eq!(answer.json()["uri"], expected, "{target}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn what_is_left_of_a_stripped_path_never_climbs_out() {
    let echo = Echo::start().await;
    let gateway = gateway(&echo).await;
    let cases = [
        ("/api/x", "/x"),
        ("/api/", "/"),
        ("/api/a%2Fb", "/a%2Fb"),
        ("/api/caf%C3%A9?x=1", "/caf%C3%A9?x=1"),
        ("/%61pi/x", "/x"),
        ("/api/../api/secret", "/secret"),
        ("/api/%2e%2e/api/x", "/x"),
        ("//api//x", "/x"),
    ];
    for (target, expected) in cases {
        let answer = get(gateway.http, target).await;
        assert_eq!(answer.status, 200, "{target}");
        assert_eq!(answer.json()["uri"], expected, "{target}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn ambiguous_requests_are_refused() {
    let echo = Echo::start().await;
    let gateway = gateway(&echo).await;
    let cases = [
        ("two hosts", "GET /admin HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n"),
        ("no host", "GET /admin HTTP/1.1\r\n\r\n"),
        ("no host name", "GET /admin HTTP/1.1\r\nhost: a/b\r\n\r\n"),
        ("user in host", "GET /admin HTTP/1.1\r\nhost: user@a\r\n\r\n"),
        ("contrary lengths", "POST /admin HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd"),
        ("bad chunk coding", "POST /admin HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n"),
        ("folded header", "GET /admin HTTP/1.1\r\nhost: a\r\nx: 1\r\n 2\r\n\r\n"),
        ("NUL in path", "GET /%00 HTTP/1.1\r\nhost: a\r\n\r\n"),
        ("NUL in header", "GET /admin HTTP/1.1\r\nhost: a\r\nx: a\0b\r\n\r\n"),
        ("space before colon", "GET /admin HTTP/1.1\r\nhost : a\r\n\r\n"),
        ("bare CR", "GET /admin HTTP/1.1\r\nhost: a\r\nx: a\rb\r\n\r\n"),
        ("broken escape", "GET /%zz HTTP/1.1\r\nhost: a\r\n\r\n"),
        ("above the root", "GET /../x HTTP/1.1\r\nhost: a\r\n\r\n"),
    ];
    for (what, request) in cases {
        let request = request.replacen("\r\n", "\r\nconnection: close\r\n", 1);
        let answer = raw(gateway.http, request).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{what}: {answer}");
    }
    assert_eq!(echo.requests(), 0, "none of them went on");
    gateway.stop().await;
}
