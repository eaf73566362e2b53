//! Clients that go away or never finish.

use std::time::Duration;

use gateway::{Limits, Settings};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Echo, Gateway, Script, Tape, get, put, raw, registry, settings, soon, until};

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_of_its_upload_ends_the_upstream_s_request() {
    let (ended, mut has_ended) = tokio::sync::mpsc::unbounded_channel();
    let upstream = Script::start(move |_, mut exchange| {
        let ended = ended.clone();
        async move {
            exchange.head().await;
            exchange.closed().await;
            let _ = ended.send(());
        }
    })
    .await;
    let plugins = json!({ "probe-low": { "tape": "upload" } });
    let route = json!({ "uri": "/*", "plugins": plugins, "upstream": { "nodes": upstream.nodes() } });
    let gateway = Gateway::start(vec![put("route/r", route)]);
    let mut stream = TcpStream::connect(gateway.http).await.expect("connected");
    stream.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\nhalf").await.expect("sent");
    until("it is on its way", || upstream.connections() == 1).await;
    drop(stream);
    soon("the upstream's connection ends", has_ended.recv()).await;
    until("it is logged", || Tape("upload").read().iter().any(|line| line.contains("log"))).await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_client_that_leaves_while_it_waits_is_logged_as_499() {
    let upstream = Script::start(|_, mut exchange| async move { exchange.closed().await }).await;
    let plugins = json!({ "probe-low": { "tape": "leaves" } });
    let route = json!({ "uri": "/*", "plugins": plugins, "upstream": { "nodes": upstream.nodes() } });
    let gateway = Gateway::start(vec![put("route/r", route)]);
    let mut stream = TcpStream::connect(gateway.http).await.expect("connected");
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("sent");
    until("it is on its way", || upstream.connections() == 1).await;
    drop(stream);
    until("it is logged", || Tape("leaves").read().last().is_some_and(|line| line == "probe-low log 499")).await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_client_that_stalls_in_its_upload_gets_408() {
    let upstream = Script::start(|_, mut exchange| async move { exchange.closed().await }).await;
    let limits = Limits { client_body: Duration::from_millis(200), ..Limits::default() };
    let route = json!({ "uri": "/*", "upstream": { "nodes": upstream.nodes() } });
    let gateway = Gateway::start_with(Settings { limits, ..settings() }, registry(), vec![put("route/r", route)]);
    let answer = raw(gateway.http, "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\nhalf").await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    gateway.stop().await;
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused() {
    let echo = Echo::start().await;
    let route = json!({ "uri": "/*", "upstream": { "nodes": echo.nodes() } });
    let gateway = Gateway::start(vec![put("route/r", route)]);
    let many = "x: y\r\n".repeat(200);
    let long = format!("x: {}\r\n", "y".repeat(100_000));
    for headers in [many, long] {
        let answer =
            raw(gateway.http, format!("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{headers}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{}", answer.get(..200).unwrap_or(&answer));
    }
    assert_eq!(get(gateway.http, "/").await.status, 200);
    gateway.stop().await;
}

#[tokio::test]
async fn above_the_most_connections_new_ones_are_closed_at_once() {
    let limits = Limits { connections: 2, ..Limits::default() };
    let gateway = Gateway::start_with(Settings { limits, ..settings() }, registry(), Vec::new());
    let mut kept = Vec::new();
    for _ in 0..2 {
        let mut client = crate::support::Client::connect(gateway.http).await;
        assert_eq!(client.get("/").await.expect("an answer").status, 404);
        kept.push(client);
    }
    let mut third = TcpStream::connect(gateway.http).await.expect("connected");
    let read = soon("an end", third.read(&mut [0; 10])).await;
    assert!(matches!(read, Ok(0) | Err(_)));
    drop(kept);
    gateway.stop().await;
}
