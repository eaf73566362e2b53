//! WebSocket and other upgrades, as bytes.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Exchange, Gateway, Script, Tape, put, soon, until};

const ASK: &str = "GET /chat HTTP/1.1\r\nhost: a\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\nsec-websocket-key: k\r\n\r\n";
const SWITCH: &str =
    "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: y\r\n\r\n";

/// Switches, greets, then gives back what it gets.
async fn chat(mut exchange: Exchange) {
    let head = exchange.head().await;
    if !head.contains("upgrade: websocket") || !head.contains("connection: upgrade") {
        return exchange.write("HTTP/1.1 426 Upgrade Required\r\ncontent-length: 0\r\n\r\n").await;
    }
    exchange.write(&format!("{SWITCH}hello")).await;
    let (mut read, mut write) = exchange.stream.split();
    let _ = tokio::io::copy(&mut read, &mut write).await;
}

fn route(upstream: &Script) -> model::Change {
    let plugins = json!({ "probe-low": { "tape": "upgrade" } });
    let upstream = json!({ "nodes": upstream.nodes(), "timeout": { "connect": 5, "send": 5, "read": 0.3 } });
    put("route/r", json!({ "uri": "/*", "enable_websocket": true, "plugins": plugins, "upstream": upstream }))
}

async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(soon("a head", stream.read_u8()).await.expect("a head"));
    }
    String::from_utf8_lossy(&head).into_owned()
}

async fn expect(stream: &mut TcpStream, bytes: &[u8]) {
    let mut got = vec![0; bytes.len()];
    soon("bytes", stream.read_exact(&mut got)).await.expect("bytes");
    assert_eq!(got, bytes);
}

#[tokio::test]
async fn bytes_pass_both_ways_until_one_side_ends() {
    let upstream = Script::start(|_, exchange| chat(exchange)).await;
    let gateway = Gateway::start(vec![route(&upstream)]);
    let mut stream = TcpStream::connect(gateway.http).await.expect("connected");
    stream.write_all(ASK.as_bytes()).await.expect("sent");
    let answer = head(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    for header in ["connection: upgrade", "upgrade: websocket", "sec-websocket-accept: y"] {
        assert!(answer.contains(header), "{answer}");
    }
    expect(&mut stream, b"hello").await;
    // What would be a broken request is only bytes here.
    for message in [&b"\x81\x02hi"[..], b"GET / HTTP/1.1\nhost: a\n\n", &[0; 100_000]] {
        stream.write_all(message).await.expect("sent");
        expect(&mut stream, message).await;
    }
    drop(stream);
    until("it is logged", || Tape("upgrade").read().iter().any(|line| line.ends_with("log 101"))).await;
    gateway.stop().await;
}

#[tokio::test]
async fn silence_of_both_sides_ends_it() {
    let upstream = Script::start(|_, exchange| chat(exchange)).await;
    let gateway = Gateway::start(vec![route(&upstream)]);
    let mut stream = TcpStream::connect(gateway.http).await.expect("connected");
    stream.write_all(ASK.as_bytes()).await.expect("sent");
    head(&mut stream).await;
    expect(&mut stream, b"hello").await;
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        stream.write_all(b"x").await.expect("still open");
        expect(&mut stream, b"x").await;
    }
    let mut rest = Vec::new();
    soon("it ends", stream.read_to_end(&mut rest)).await.expect("an end");
    assert!(rest.is_empty());
    gateway.stop().await;
}

/// Without `enable_websocket` the node is not asked, and requests go on, checked as ever.
#[tokio::test]
async fn routes_that_do_not_allow_it_go_on_with_http() {
    let upstream = Script::start(|_, exchange| chat(exchange)).await;
    let route = json!({ "uri": "/*", "upstream": { "nodes": upstream.nodes() } });
    let gateway = Gateway::start(vec![put("route/r", route)]);
    let mut stream = TcpStream::connect(gateway.http).await.expect("connected");
    for _ in 0..2 {
        stream.write_all(ASK.as_bytes()).await.expect("sent");
        let answer = head(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
    }
    stream.write_all(b"GET / HTTP/1.1\nhost: a\n\n").await.expect("sent");
    assert!(head(&mut stream).await.starts_with("HTTP/1.1 400 "));
    gateway.stop().await;
}

#[tokio::test]
async fn a_node_that_switches_unasked_gives_502() {
    let upstream = Script::answering(SWITCH).await;
    let gateway = Gateway::start(vec![route(&upstream)]);
    let answer = crate::support::get(gateway.http, "/").await;
    assert_eq!(answer.status, 502);
    gateway.stop().await;
}
