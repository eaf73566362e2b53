//! Another node when one fails, unless that could do something twice.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::support::{Client, Echo, Gateway, Script, get, one_then, put, refused_port, settings};

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
    let nodes = one_then(breaks.address, echo.address);
    let gateway = to(json!({ "nodes": nodes }));
    assert_eq!(get(gateway.http, "/").await.status, 200);
    let mut client = Client::connect(gateway.http).await;
    assert_eq!(client.post("/", "x").await.expect("an answer").status, 502);
    assert_eq!(echo.requests(), 1);
    gateway.stop().await;
}

/// What counts is the method that the node gets.
#[tokio::test]
async fn a_get_that_is_made_a_post_is_never_sent_twice() {
    let breaks = Script::start(|_, mut exchange| async move {
        assert!(exchange.head().await.starts_with("POST "));
        exchange.reset();
    })
    .await;
    let echo = Echo::start().await;
    let nodes = one_then(breaks.address, echo.address);
    let plugins = json!({ "proxy-rewrite": { "method": "POST" } });
    let route = put("route/r", json!({ "uri": "/*", "plugins": plugins, "upstream": { "nodes": nodes } }));
    let gateway = Gateway::start_with(settings(), plugins::registry(), vec![route]);
    assert_eq!(get(gateway.http, "/").await.status, 502);
    assert_eq!((breaks.connections(), echo.requests()), (1, 0));
    gateway.stop().await;
}

/// A node that takes the first byte of a body and breaks off.
async fn breaks_within_a_body() -> Script {
    Script::start(|_, mut exchange| async move {
        exchange.head().await;
        let _ = tokio::io::AsyncReadExt::read_u8(&mut exchange.stream).await;
    })
    .await
}

/// A PUT may be sent twice, and a short one is kept for that.
#[tokio::test]
async fn a_put_goes_to_the_next_node_with_its_body() {
    let breaks = breaks_within_a_body().await;
    let echo = Echo::start().await;
    let nodes = one_then(breaks.address, echo.address);
    let gateway = to(json!({ "nodes": nodes }));
    let mut client = Client::connect(gateway.http).await;
    let put =
        |body: String| Request::put("/").header("host", "a").body(Full::new(Bytes::from(body))).expect("a request");
    for length in [1, 5000, 64 * 1024] {
        let answer = client.send(put("x".repeat(length))).await.expect("an answer");
        assert_eq!((answer.status.as_u16(), answer.json()["length"].as_u64()), (200, Some(length as u64)));
        assert_eq!(answer.header("x-apisix-upstream-status"), None);
    }
    assert_eq!((breaks.connections(), echo.requests()), (3, 3));
    // A long one streams, and what was sent of it is gone.
    assert_eq!(client.send(put("x".repeat(64 * 1024 + 1))).await.expect("an answer").status, 502);
    assert_eq!(echo.requests(), 3);
    gateway.stop().await;
}

#[tokio::test]
async fn what_is_not_gathered_is_not_sent_again() {
    let breaks = breaks_within_a_body().await;
    let echo = Echo::start().await;
    let upstream = json!({ "nodes": one_then(breaks.address, echo.address) });
    let on = |buffering: bool, id: &str| {
        let plugins = json!({ "proxy-control": { "request_buffering": buffering } });
        put(&format!("route/{id}"), json!({ "uri": format!("/{id}"), "plugins": plugins, "upstream": upstream }))
    };
    let routes = vec![on(true, "gathers"), on(false, "streams")];
    let gateway = Gateway::start_with(settings(), plugins::registry(), routes);
    let mut client = Client::connect(gateway.http).await;
    let put =
        |path: &str| Request::put(path).header("host", "a").body(Full::new(Bytes::from("body"))).expect("a request");
    assert_eq!(client.send(put("/gathers")).await.expect("an answer").status, 200);
    assert_eq!(client.send(put("/streams")).await.expect("an answer").status, 502);
    assert_eq!((breaks.connections(), echo.requests()), (2, 1));
    gateway.stop().await;
}

#[tokio::test]
async fn retrying_ends_with_its_timeout() {
    let silent = || Script::start(|_, mut exchange| async move { exchange.closed().await });
    let silent = [silent().await, silent().await, silent().await, silent().await, silent().await];
    let nodes: serde_json::Map<_, _> = silent.iter().map(|node| (node.address.to_string(), 1.into())).collect();
    // Timers are kept to a tenth of a second.
    let timeout = json!({ "connect": 1, "send": 1, "read": 0.3 });
    for (retry_timeout, tries) in [(json!(0.5), 2), (json!(0), 5)] {
        let upstream = json!({ "nodes": nodes, "timeout": timeout, "retries": 4, "retry_timeout": retry_timeout });
        let gateway = to(upstream);
        let before: usize = silent.iter().map(Script::connections).sum();
        let answer = get(gateway.http, "/").await;
        assert_eq!(answer.status, 504);
        assert_eq!(answer.header("x-apisix-upstream-status"), Some(["504"; 5][..tries].join(", ").as_str()));
        assert_eq!(silent.iter().map(Script::connections).sum::<usize>() - before, tries, "within {retry_timeout}");
        gateway.stop().await;
    }
}

/// A node that closes each connection at some moment around its next request, without having said so.
#[tokio::test]
async fn connections_that_close_as_they_are_used_cost_no_get_and_repeat_no_post() {
    let seen = std::sync::Arc::new(std::sync::Mutex::new(std::collections::HashMap::<String, usize>::new()));
    let noted = seen.clone();
    let node = Script::start(move |number, mut exchange| {
        let seen = noted.clone();
        async move {
            for turn in 0.. {
                let wait = std::time::Duration::from_millis(1 + number as u64 % 2);
                let head = match turn {
                    0 => exchange.head().await,
                    _ => tokio::time::timeout(wait, exchange.head()).await.unwrap_or_default(),
                };
                if head.is_empty() {
                    return;
                }
                let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
                *seen.lock().expect("what was seen").entry(target).or_default() += 1;
                exchange.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
            }
        }
    })
    .await;
    let gateway = to(json!({ "nodes": node.nodes() }));
    let mut client = Client::connect(gateway.http).await;
    let mut lost = 0;
    for turn in 0..400 {
        let answer = match turn % 2 {
            0 => client.get(&format!("/get/{turn}")).await.expect("an answer"),
            _ => client.post(&format!("/post/{turn}"), "").await.expect("an answer"),
        };
        assert!(answer.status == 200 || turn % 2 == 1, "a GET is sent again: {turn}");
        lost += usize::from(answer.status != 200);
        // About as long as the node waits, a little more or less.
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        let until = std::time::Instant::now() + std::time::Duration::from_micros(turn as u64 * 37 % 1000);
        while std::time::Instant::now() < until {
            tokio::task::yield_now().await;
        }
    }
    assert!(node.connections() > 20, "it closes");
    assert!(lost < 200);
    let seen = seen.lock().expect("what was seen").clone();
    let twice: Vec<_> = seen.iter().filter(|(target, times)| target.starts_with("/post/") && **times > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    gateway.stop().await;
}
