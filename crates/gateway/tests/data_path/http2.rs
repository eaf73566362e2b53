//! HTTP/2 from clients, with and without a handshake that told it.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use testkit::http2::{PREFACE, resets};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{DEADLINE, Echo, Gateway, Script, put, soon, until};
use crate::tls::{certificate, tls_stream};

type Sender = SendRequest<Full<Bytes>>;

async fn connect(to: SocketAddr) -> Sender {
    let stream = TcpStream::connect(to).await.expect("the gateway listens");
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("a connection");
    tokio::spawn(connection);
    sender
}

fn request(path: &str, body: &'static str) -> Request<Full<Bytes>> {
    let request = Request::post(format!("http://shop.test{path}")).version(Version::HTTP_2);
    let request = request.header("cookie", "a=1").header("cookie", "b=2");
    request.body(Full::new(body.into())).expect("a request")
}

async fn answer(sender: &mut Sender, path: &str, body: &'static str) -> (StatusCode, serde_json::Value) {
    let answer = soon("an answer", sender.send_request(request(path, body))).await.expect("an answer");
    let status = answer.status();
    let body = answer.into_body().collect().await.expect("a body").to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

#[tokio::test]
async fn prior_knowledge_reaches_a_node_of_http1() {
    let echo = Echo::start().await;
    let route = json!({ "uri": "/*", "hosts": ["shop.test"], "upstream": { "nodes": echo.nodes() } });
    let gateway = Gateway::start(vec![put("route/r", route)]);
    let mut sender = connect(gateway.http).await;
    let (status, got) = answer(&mut sender, "/a?b=c", "body").await;
    assert_eq!(status, 200);
    assert_eq!(
        (&got["uri"], &got["body"], &got["headers"]["host"]),
        (&"/a?b=c".into(), &"body".into(), &"shop.test".into())
    );
    assert_eq!(got["headers"]["cookie"], "a=1; b=2", "HTTP/1 has one Cookie header");
    let (status, _) = answer(&mut sender, "/b", "").await;
    assert_eq!(status, 200, "the connection goes on");
    assert_eq!(echo.connections(), 1);
    gateway.stop().await;
}

#[tokio::test]
async fn the_handshake_offers_both_versions() {
    let echo = Echo::start().await;
    let (trusted, ssl) = certificate("shop", &["shop.test"]);
    let route = json!({ "uri": "/*", "upstream": { "nodes": echo.nodes() } });
    let gateway = Gateway::start(vec![put("route/r", route), ssl]);
    for (offered, agreed) in [(&["h2", "http/1.1"][..], "h2"), (&["http/1.1"], "http/1.1"), (&["h2"], "h2")] {
        let stream = tls_stream(gateway.https, "shop.test", &trusted, offered).await.expect("a handshake");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(agreed.as_bytes()));
    }
    let stream = tls_stream(gateway.https, "shop.test", &trusted, &["h2"]).await.expect("a handshake");
    let (mut sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("http");
    tokio::spawn(connection);
    let (status, got) = answer(&mut sender, "/", "x").await;
    assert_eq!((status, &got["headers"]["x-forwarded-proto"]), (StatusCode::OK, &"https".into()));
    drop(sender);
    gateway.stop().await;
}

/// Requests of one connection do not wait for each other.
#[tokio::test]
async fn a_slow_request_holds_up_no_other() {
    let slow = Script::start(|_, mut exchange| async move { exchange.closed().await }).await;
    let echo = Echo::start().await;
    let gateway = Gateway::start(vec![
        put("route/slow", json!({ "uri": "/slow", "upstream": { "nodes": slow.nodes() } })),
        put("route/r", json!({ "uri": "/*", "upstream": { "nodes": echo.nodes() } })),
    ]);
    let mut sender = connect(gateway.http).await;
    let waiting = tokio::spawn(sender.send_request(request("/slow", "")));
    until("the slow one is on its way", || slow.connections() == 1).await;
    for _ in 0..3 {
        assert_eq!(answer(&mut sender, "/", "x").await.0, 200);
    }
    waiting.abort();
    gateway.stop().await;
}

/// What a request under way needs is given it; then the connection ends.
#[tokio::test]
async fn draining_ends_the_connection_after_its_requests() {
    let (release, released) = tokio::sync::watch::channel(false);
    let upstream = Script::start(move |_, mut exchange| {
        let mut released = released.clone();
        async move {
            exchange.head().await;
            let _ = released.wait_for(|released| *released).await;
            exchange.write("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone").await;
        }
    })
    .await;
    let route = json!({ "uri": "/*", "upstream": { "nodes": upstream.nodes() } });
    let gateway = Gateway::start(vec![put("route/r", route)]);
    let mut sender = connect(gateway.http).await;
    let waiting = tokio::spawn(sender.send_request(request("/", "")));
    until("it is on its way", || upstream.connections() == 1).await;
    let stopping = tokio::spawn(gateway.stop());
    release.send(true).expect("the upstream waits");
    let answered = soon("the answer", waiting).await.expect("a task").expect("an answer");
    assert_eq!(answered.into_body().collect().await.expect("a body").to_bytes(), "done");
    soon("the gateway stops", stopping).await.expect("stopped");
}

/// A client that opens and resets requests without end is sent away, and others do not feel it.
#[tokio::test]
async fn a_flood_of_resets_ends_its_connection_only() {
    let echo = Echo::start().await;
    let route = json!({ "uri": "/*", "upstream": { "nodes": echo.nodes() } });
    let gateway = Gateway::start(vec![put("route/r", route)]);
    let mut other = connect(gateway.http).await;
    let mut flood = TcpStream::connect(gateway.http).await.expect("the gateway listens");
    // The gateway may close while this is still being written.
    let _ = flood.write_all(&[PREFACE, &resets(10_000)].concat()).await;
    let mut answer = Vec::new();
    let closed = tokio::time::timeout(DEADLINE, flood.read_to_end(&mut answer)).await;
    assert!(closed.is_ok(), "the connection is closed");
    assert_eq!(self::answer(&mut other, "/", "x").await.0, 200);
    gateway.stop().await;
}

/// A header block that never ends must not grow without bound.
#[tokio::test]
async fn a_flood_of_continuations_ends_its_connection() {
    let gateway = Gateway::start(Vec::new());
    let mut flood = TcpStream::connect(gateway.http).await.expect("the gateway listens");
    let mut frames = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00".to_vec();
    frames.extend_from_slice(&[0, 0, 4, 1, 1, 0, 0, 0, 1, 0x82, 0x86, 0x84, 0x84]);
    let _ = flood.write_all(&frames).await;
    // Literal header fields, each of them allowed, none of them the last.
    let field: Vec<u8> = [&[0x00, 0x01, b'x', 0x7f, 0x81, 0x07][..], &[b'y'; 256]].concat();
    let continuation = [&[0, (field.len() >> 8) as u8, field.len() as u8, 9, 0, 0, 0, 0, 1][..], &field].concat();
    let mut written = 0;
    while written < 64 * 1024 * 1024 && flood.write_all(&continuation).await.is_ok() {
        written += continuation.len();
    }
    assert!(written < 64 * 1024 * 1024, "it went on taking them");
    gateway.stop().await;
}

/// Asks for WebSocket on a stream (RFC 8441).
async fn ask_for_websocket(sender: &mut Sender, path: &str) -> http::Response<hyper::body::Incoming> {
    let request = Request::builder().method("CONNECT").uri(format!("http://shop.test{path}")).version(Version::HTTP_2);
    let request = request.extension(hyper::ext::Protocol::from_static("websocket"));
    let request = request.header("sec-websocket-version", "13").body(Full::default()).expect("a request");
    soon("an answer", sender.send_request(request)).await.expect("an answer")
}

/// Switches when it is asked as HTTP/1.1 asks, and gives back what it gets.
async fn chat(mut exchange: crate::support::Exchange) {
    let head = exchange.head().await;
    let wanted = ["GET /chat HTTP/1.1", "upgrade: websocket", "connection: upgrade", "sec-websocket-key: "];
    if !wanted.iter().all(|wanted| head.contains(wanted)) {
        return exchange.write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    }
    let switch = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: y\r\n\r\n";
    exchange.write(switch).await;
    let (mut read, mut write) = exchange.stream.split();
    let _ = tokio::io::copy(&mut read, &mut write).await;
}

#[tokio::test]
async fn a_stream_becomes_a_websocket_beside_others() {
    let node = Script::start(|_, exchange| chat(exchange)).await;
    let echo = Echo::start().await;
    let gateway = Gateway::start(vec![
        put("route/chat", json!({ "uri": "/chat", "enable_websocket": true, "upstream": { "nodes": node.nodes() } })),
        put("route/deaf", json!({ "uri": "/deaf", "enable_websocket": true, "upstream": { "nodes": node.nodes() } })),
        put("route/plain", json!({ "uri": "/*", "upstream": { "nodes": echo.nodes() } })),
    ]);
    let mut sender = connect(gateway.http).await;
    // The server's settings say that it takes such requests; they come with the first answer at the latest.
    assert_eq!(answer(&mut sender, "/", "").await.0, 200);
    let response = ask_for_websocket(&mut sender, "/chat").await;
    assert_eq!(response.status(), 200);
    assert!(response.headers().get("sec-websocket-accept").is_none() && response.headers().get("upgrade").is_none());
    let upgraded = hyper::upgrade::on(response).await.expect("a stream");
    let mut stream = TokioIo::new(upgraded);
    for message in [&b"hello"[..], &[7; 100_000]] {
        stream.write_all(message).await.expect("sent");
        let mut got = vec![0; message.len()];
        soon("an echo", stream.read_exact(&mut got)).await.expect("an echo");
        assert_eq!(got, message);
    }
    assert_eq!(answer(&mut sender, "/beside", "").await.0, 200, "other streams go on");
    assert_eq!(ask_for_websocket(&mut sender, "/not-allowed").await.status(), 405);
    assert_eq!(ask_for_websocket(&mut sender, "/deaf").await.status(), 502, "the node does not switch");
    stream.shutdown().await.expect("closed");
    gateway.stop().await;
}
