//! Connections to nodes are used again, within the limits of the pool; silent clients are closed.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use gateway::{Limits, Settings};
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::support::{Client, Echo, Gateway, Script, get, put, registry, settings, soon, until};

fn route(echo: &Echo, pool: serde_json::Value) -> Vec<model::Change> {
    vec![put("route/r", json!({ "uri": "/*", "upstream": { "nodes": echo.nodes(), "keepalive_pool": pool } }))]
}

#[tokio::test]
async fn one_connection_carries_many_requests() {
    let echo = Echo::start().await;
    let gateway = Gateway::start(route(&echo, json!({})));
    let mut client = Client::connect(gateway.http).await;
    for _ in 0..50 {
        assert_eq!(client.post("/", "x").await.expect("an answer").status, 200);
    }
    assert_eq!(get(gateway.http, "/").await.status, 200, "another client, the same connection");
    assert_eq!((echo.requests(), echo.connections()), (51, 1));
    gateway.stop().await;
}

#[tokio::test]
async fn a_connection_is_retired_after_its_requests() {
    let echo = Echo::start().await;
    let gateway = Gateway::start(route(&echo, json!({ "requests": 5 })));
    let mut client = Client::connect(gateway.http).await;
    for _ in 0..10 {
        client.get("/").await.expect("an answer");
    }
    assert_eq!(echo.connections(), 2);
    gateway.stop().await;
}

#[tokio::test]
async fn no_more_than_the_pool_s_size_stay_open() {
    // Answers when all four are there, so that each has a connection of its own.
    let barrier = std::sync::Arc::new(tokio::sync::Barrier::new(4));
    let open = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = open.clone();
    let node = Script::start(move |_, mut exchange| {
        let (barrier, open) = (barrier.clone(), counted.clone());
        async move {
            open.fetch_add(1, Relaxed);
            exchange.head().await;
            barrier.wait().await;
            exchange.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
            exchange.closed().await;
            open.fetch_sub(1, Relaxed);
        }
    })
    .await;
    let upstream = json!({ "nodes": node.nodes(), "keepalive_pool": { "size": 1 } });
    let gateway = Gateway::start(vec![put("route/r", json!({ "uri": "/*", "upstream": upstream }))]);
    let clients = (0..4).map(|_| get(gateway.http, "/"));
    let answers = futures_util::future::join_all(clients).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(node.connections(), 4);
    until("the surplus is closed", || open.load(Relaxed) == 1).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(open.load(Relaxed), 1, "one is kept");
    gateway.stop().await;
}

#[tokio::test]
async fn what_is_idle_too_long_is_closed() {
    let echo = Echo::start().await;
    let gateway = Gateway::start(route(&echo, json!({ "idle_timeout": 0.1 })));
    get(gateway.http, "/").await;
    until("the idle connection is closed", || echo.open() == 0).await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_connection_that_the_node_will_close_is_not_used_again() {
    let upstream = Script::answering("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok").await;
    let route = json!({ "uri": "/*", "upstream": { "nodes": upstream.nodes() } });
    let gateway = Gateway::start(vec![put("route/r", route)]);
    let mut client = Client::connect(gateway.http).await;
    for _ in 0..5 {
        assert_eq!(client.post("/", "x").await.expect("an answer").status, 200);
    }
    assert_eq!(upstream.connections(), 5);
    gateway.stop().await;
}

#[tokio::test]
async fn silent_and_slow_clients_are_closed_after_the_idle_time() {
    let echo = Echo::start().await;
    let limits = Limits { client_idle: Duration::from_millis(200), ..Limits::default() };
    let limited = Settings { limits, ..settings() };
    let gateway = Gateway::start_with(limited, registry(), route(&echo, json!({})));
    let started = std::time::Instant::now();
    for sent in ["", "GET / HT", "GET / HTTP/1.1\r\nhost: a\r\n\r\n"] {
        let mut stream = TcpStream::connect(gateway.http).await.expect("connected");
        tokio::io::AsyncWriteExt::write_all(&mut stream, sent.as_bytes()).await.expect("sent");
        let mut answer = Vec::new();
        soon("the gateway closes", stream.read_to_end(&mut answer)).await.expect("closed");
        assert_eq!(answer.starts_with(b"HTTP/1.1 200"), sent.ends_with("\r\n\r\n"), "{sent}");
    }
    assert!(started.elapsed() >= Duration::from_millis(600), "not before");
    gateway.stop().await;
}

#[tokio::test]
async fn a_client_that_takes_no_bytes_is_cut_off() {
    let upstream = Script::start(|_, mut exchange| async move {
        exchange.head().await;
        exchange.write("HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n").await;
        let piece = "x".repeat(1 << 20);
        for _ in 0..1000 {
            if tokio::io::AsyncWriteExt::write_all(&mut exchange.stream, piece.as_bytes()).await.is_err() {
                break;
            }
        }
    })
    .await;
    let limits = Limits { client_body: Duration::from_millis(300), ..Limits::default() };
    let route = put("route/r", json!({ "uri": "/*", "upstream": { "nodes": upstream.nodes() } }));
    let gateway = Gateway::start_with(Settings { limits, ..settings() }, registry(), vec![route]);
    let mut stream = TcpStream::connect(gateway.http).await.expect("connected");
    tokio::io::AsyncWriteExt::write_all(&mut stream, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("sent");
    // With nobody reading, only the gateway can end this; a drain waits for the request.
    gateway.stop().await;
    let mut taken = 0;
    let mut piece = vec![0; 1 << 20];
    while let Ok(read @ 1..) = soon("an end", stream.read(&mut piece)).await {
        taken += read;
    }
    assert!(taken < 900_000_000, "cut off before the end, not {taken}");
}

/// Between requests a connection's engine is let go; whatever the client does then, nothing of it shows.
#[tokio::test]
async fn a_client_may_rest_between_requests_and_within_one() {
    let echo = Echo::start().await;
    let gateway = Gateway::start(route(&echo, json!({})));
    let mut stream = TcpStream::connect(gateway.http).await.expect("connected");
    let rest = || tokio::time::sleep(Duration::from_millis(450));
    for (first, second) in [
        ("GET /1 HTTP/1.1\r\nhost: a\r\n\r\n", ""),
        ("GET /2 HT", "TP/1.1\r\nhost: a\r\n\r\n"),
        ("\r\nPOST /3 HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nab", "cd"),
        ("GET /4 HTTP/1.1\r\nhost: a\r\n\r\nGET /5", " HTTP/1.1\r\nhost: a\r\n\r\n"),
    ] {
        for part in [first, second] {
            tokio::io::AsyncWriteExt::write_all(&mut stream, part.as_bytes()).await.expect("sent");
            rest().await;
        }
    }
    tokio::io::AsyncWriteExt::write_all(&mut stream, b"GET /6 HTTP/1.1\nhost: a\n\n").await.expect("sent");
    let mut answers = Vec::new();
    soon("the gateway closes", stream.read_to_end(&mut answers)).await.expect("closed");
    let answers = String::from_utf8_lossy(&answers);
    let uris = ["/1", "/2", "/3", "/4", "/5"].map(|uri| answers.find(&format!("\"uri\":\"{uri}\"")));
    assert!(uris.iter().all(Option::is_some) && uris.is_sorted(), "{answers}");
    assert!(answers.contains("\"body\":\"abcd\""), "{answers}");
    assert_eq!(answers.matches("HTTP/1.1 400 ").count(), 1, "framing is checked after a rest as before: {answers}");
    gateway.stop().await;
}

#[tokio::test]
async fn a_resting_client_is_closed_after_the_idle_time_and_when_the_gateway_stops() {
    let echo = Echo::start().await;
    let limits = Limits { client_idle: Duration::from_millis(700), ..Limits::default() };
    let gateway = Gateway::start_with(Settings { limits, ..settings() }, registry(), route(&echo, json!({})));
    let mut client = Client::connect(gateway.http).await;
    client.get("/").await.expect("an answer");
    let started = std::time::Instant::now();
    until("it is closed", || client.is_closed()).await;
    assert!(started.elapsed() >= Duration::from_millis(650), "not before");
    gateway.stop().await;
    let gateway = Gateway::start(route(&echo, json!({})));
    let mut client = Client::connect(gateway.http).await;
    client.get("/").await.expect("an answer");
    // A rest begins without a sign.
    tokio::time::sleep(Duration::from_millis(450)).await;
    let started = std::time::Instant::now();
    gateway.stop().await;
    assert!(started.elapsed() < Duration::from_secs(5), "a resting client holds nothing up");
    until("it is closed", || client.is_closed()).await;
}
