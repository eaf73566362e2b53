//! Another node when one fails, unless that could do something twice.

use serde_json::{Value, json};

use crate::support::{Client, Echo, Gateway, Script, get, put, refused_port};

fn to(upstream: Value) -> Gateway {
    Gateway::start(vec![put("route/r", json!({ "uri": "/*", "upstream": upstream }))])
}

#[tokio::test]
async fn a_node_that_refuses_is_passed_over() {
    let (echo, dead) = (Echo::start().await, refused_port().await);
    let gateway = to(json!({ "nodes": { echo.address.to_string(): 1, dead: 1 } }));
    let mut client = Client::connect(gateway.http).await;
    for _ in 0..20 {
        assert_eq!(client.post("/", "body").await.expect("an answer").json()["body"], "body");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn without_retries_there_is_one_try() {
    let (echo, dead) = (Echo::start().await, refused_port().await);
    let gateway = to(json!({ "retries": 0, "nodes": { echo.address.to_string(): 1, dead: 1 } }));
    let mut client = Client::connect(gateway.http).await;
    let mut failed = 0;
    for _ in 0..20 {
        failed += usize::from(client.get("/").await.expect("an answer").status == 502);
    }
    assert_eq!(failed, 10, "every second request meets the dead node");
    gateway.stop().await;
}

#[tokio::test]
async fn weights_are_respected() {
    let (heavy, light, none) = (Echo::start().await, Echo::start().await, Echo::start().await);
    let nodes = json!({ heavy.address.to_string(): 3, light.address.to_string(): 1, none.address.to_string(): 0 });
    let gateway = to(json!({ "nodes": nodes }));
    let mut client = Client::connect(gateway.http).await;
    for _ in 0..40 {
        client.get("/").await.expect("an answer");
    }
    assert_eq!((heavy.requests(), light.requests(), none.requests()), (30, 10, 0));
    gateway.stop().await;
}

/// Answers one request well, then closes the connection when the second has come.
async fn closes_at_the_second() -> Script {
    Script::start(|_, mut exchange| async move {
        exchange.head().await;
        exchange.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        exchange.head().await;
    })
    .await
}

#[tokio::test]
async fn a_kept_connection_that_closes_is_tried_afresh() {
    let upstream = closes_at_the_second().await;
    let gateway = to(json!({ "nodes": upstream.nodes() }));
    let mut client = Client::connect(gateway.http).await;
    for turn in 0..6 {
        assert_eq!(client.get("/").await.expect("an answer").status, 200, "turn {turn}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_post_is_never_sent_twice() {
    let upstream = closes_at_the_second().await;
    let gateway = to(json!({ "nodes": upstream.nodes() }));
    let mut client = Client::connect(gateway.http).await;
    assert_eq!(client.get("/").await.expect("an answer").status, 200);
    let answer = client.post("/", "pay").await.expect("an answer");
    assert_eq!(answer.status, 502);
    assert_eq!(upstream.connections(), 1, "it went nowhere else");
    gateway.stop().await;
}

#[tokio::test]
async fn a_get_that_breaks_off_goes_to_the_next_node_and_a_post_does_not() {
    let breaks = Script::start(|_, mut exchange| async move {
        exchange.head().await;
        exchange.reset();
    })
    .await;
    let echo = Echo::start().await;
    let nodes = json!([
        { "host": "127.0.0.1", "port": breaks.address.port(), "weight": 1, "priority": 1 },
        { "host": "127.0.0.1", "port": echo.address.port(), "weight": 1 },
    ]);
    let gateway = to(json!({ "nodes": nodes }));
    assert_eq!(get(gateway.http, "/").await.status, 200);
    let mut client = Client::connect(gateway.http).await;
    assert_eq!(client.post("/", "x").await.expect("an answer").status, 502);
    assert_eq!(echo.requests(), 1);
    gateway.stop().await;
}
