//! Which headers pass, which do not, and which the gateway adds.

use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::support::{Answer, Client, Echo, Gateway, put, raw};

async fn through(upstream: Value, headers: &[(&str, &str)]) -> Answer {
    let gateway = Gateway::start(vec![put("route/r", json!({ "uri": "/*", "upstream": upstream }))]);
    let request = headers.iter().fold(Request::get("/"), |request, (name, value)| request.header(*name, *value));
    let mut client = Client::connect(gateway.http).await;
    let answer = client.send(request.body(Full::default()).expect("a request")).await.expect("an answer");
    gateway.stop().await;
    answer
}

#[tokio::test]
async fn the_upstream_learns_who_the_client_is() {
    let echo = Echo::start().await;
    let sent = [("host", "shop.test:8080"), ("x-forwarded-for", "9.9.9.9"), ("x-forwarded-proto", "https")];
    let got = through(json!({ "nodes": echo.nodes() }), &sent).await.json()["headers"].clone();
    assert_eq!(got["x-real-ip"], "127.0.0.1");
    assert_eq!(got["x-forwarded-for"], "9.9.9.9, 127.0.0.1");
    assert_eq!(got["x-forwarded-proto"], "http", "a client's word is not passed on");
    assert_eq!((&got["x-forwarded-host"], &got["x-forwarded-port"]), (&json!("shop.test:8080"), &json!("8080")));
    let got = through(json!({ "nodes": echo.nodes() }), &[("host", "Shop.test")]).await.json()["headers"].clone();
    assert_eq!(got["x-forwarded-host"], "Shop.test");
    assert!(got["x-forwarded-port"].as_str().is_some_and(|port| port.parse::<u16>().is_ok()), "{got}");
}

#[tokio::test]
async fn pass_host_decides_which_host_the_node_sees() {
    let echo = Echo::start().await;
    let node = echo.address.to_string();
    let cases = [
        (json!({ "pass_host": "pass" }), "shop.test"),
        (json!({ "pass_host": "node" }), &*node),
        (json!({ "pass_host": "rewrite", "upstream_host": "inner.test" }), "inner.test"),
    ];
    for (mut upstream, expected) in cases {
        upstream["nodes"] = echo.nodes();
        let answer = through(upstream, &[("host", "shop.test")]).await;
        assert_eq!(answer.json()["headers"]["host"], expected);
    }
}

#[tokio::test]
async fn what_concerns_one_connection_stays_on_it() {
    let echo = Echo::start().await;
    let sent = [
        ("host", "shop.test"),
        ("connection", "private, keep-alive"),
        ("connection", "secret"),
        ("private", "1"),
        ("secret", "2"),
        ("te", "trailers"),
        ("keep-alive", "timeout=3"),
        ("proxy-connection", "keep-alive"),
        ("upgrade", "h2c"),
        ("proxy-authorization", "Basic x"),
        ("x-end-to-end", "stays"),
    ];
    let answer = through(json!({ "nodes": echo.nodes() }), &sent).await;
    let got = answer.json()["headers"].clone();
    for (gone, _) in &sent[1..10] {
        assert_eq!(got.get(*gone), None, "{gone}");
    }
    assert_eq!(got["x-end-to-end"], "stays");
    assert_eq!(answer.header("keep-alive"), None);
    assert_eq!(answer.header("connection"), None);
    assert_eq!(answer.header("private"), Some("kept"), "only what Connection names goes with it");
}

#[tokio::test]
async fn a_client_that_waits_for_100_continue_gets_it() {
    let echo = Echo::start().await;
    let gateway = Gateway::start(vec![put("route/r", json!({ "uri": "/*", "upstream": { "nodes": echo.nodes() } }))]);
    let request =
        "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi";
    let answer = raw(gateway.http, request).await;
    assert!(answer.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 "), "{answer}");
    assert!(!answer.contains("\"expect\""), "{answer}");
    gateway.stop().await;
}
