//! Bodies stream both ways, whatever their length and framing.

use std::io::{Read, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;
use http::Request;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::{Client, Echo, Gateway, Script, get, put, raw, settings, soon};

const LARGE: usize = 100 << 20;
const PIECE: usize = 64 << 10;

fn to(nodes: serde_json::Value) -> Gateway {
    Gateway::start(vec![put("route/r", json!({ "uri": "/*", "upstream": { "nodes": nodes } }))])
}

fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("statm");
    pages.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).expect("pages") * 4096
}

#[tokio::test]
async fn a_hundred_megabytes_come_down_without_staying() {
    let upstream = Script::start(|_, mut exchange| async move {
        exchange.head().await;
        exchange.write(&format!("HTTP/1.1 200 OK\r\ncontent-length: {LARGE}\r\n\r\n")).await;
        let piece = "x".repeat(PIECE);
        for _ in 0..LARGE / PIECE {
            exchange.write(&piece).await;
        }
    })
    .await;
    let gateway = to(upstream.nodes());
    let stream = TcpStream::connect(gateway.http).await.expect("connected");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("http");
    tokio::spawn(connection);
    let request = Request::get("/").header("host", "a").body(Full::<Bytes>::default()).expect("a request");
    let mut body = sender.send_request(request).await.expect("an answer").into_body();
    let (before, mut received) = (resident_bytes(), 0);
    while let Some(frame) = soon("the next piece", body.frame()).await {
        received += frame.expect("a piece").data_ref().map_or(0, Bytes::len);
    }
    assert_eq!(received, LARGE);
    assert!(resident_bytes() < before + (30 << 20), "the body was kept");
    gateway.stop().await;
}

#[tokio::test]
async fn a_hundred_megabytes_go_up_in_chunks_without_staying() {
    let upstream = Script::start(|_, mut exchange| async move {
        let head = exchange.head().await;
        assert!(head.to_ascii_lowercase().contains("transfer-encoding: chunked"), "{head}");
        let (mut received, mut last, mut piece) = (0usize, Vec::new(), vec![0; PIECE]);
        while !last.ends_with(b"\r\n0\r\n\r\n") {
            let read = tokio::io::AsyncReadExt::read(&mut exchange.stream, &mut piece).await.expect("more");
            assert!(read > 0, "broke off");
            received += piece[..read].iter().filter(|byte| **byte == b'x').count();
            last.extend_from_slice(&piece[..read]);
            last.drain(..last.len().saturating_sub(16));
        }
        let body = received.to_string();
        exchange.write(&format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())).await;
    })
    .await;
    let gateway = to(upstream.nodes());
    let stream = TcpStream::connect(gateway.http).await.expect("connected");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("http");
    tokio::spawn(connection);
    let piece = Bytes::from("x".repeat(PIECE));
    let pieces = (0..LARGE / PIECE).map(move |_| Ok::<_, std::io::Error>(Frame::data(piece.clone())));
    let body = StreamBody::new(futures_util::stream::iter(pieces));
    let before = resident_bytes();
    let request = Request::post("/").header("host", "a").body(body).expect("a request");
    let answer = soon("an answer", sender.send_request(request)).await.expect("an answer");
    let counted = answer.into_body().collect().await.expect("a body").to_bytes();
    assert_eq!(counted, LARGE.to_string());
    assert!(resident_bytes() < before + (30 << 20), "the body was kept");
    gateway.stop().await;
}

#[tokio::test]
async fn answers_without_a_body_keep_their_length_and_their_connection() {
    let upstream = Script::start(|_, mut exchange| async move {
        loop {
            let head = exchange.head().await;
            let answer = match head.split(' ').nth(1) {
                None => return,
                Some("/204") => "HTTP/1.1 204 No Content\r\n\r\n",
                Some("/304") => "HTTP/1.1 304 Not Modified\r\netag: \"a\"\r\n\r\n",
                Some("/empty") => "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
                Some(_) => "HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n",
            };
            exchange.write(answer).await;
        }
    })
    .await;
    let gateway = to(upstream.nodes());
    let mut client = Client::connect(gateway.http).await;
    for (path, status) in [("/204", 204), ("/304", 304), ("/empty", 200), ("/204", 204)] {
        let answer = client.get(path).await.expect("an answer");
        assert_eq!((answer.status.as_u16(), answer.body.len()), (status, 0), "{path}");
    }
    let head = Request::head("/head").header("host", "a").body(Full::default()).expect("a request");
    let answer = client.send(head).await.expect("an answer");
    assert_eq!(answer.header("content-length"), Some("1234"), "as GET would have it");
    assert_eq!(client.get("/204").await.expect("an answer").status, 204);
    assert_eq!(upstream.connections(), 1, "every one of them gave the connection back");
    gateway.stop().await;
}

#[tokio::test]
async fn chunks_pass_as_they_come() {
    let gate = std::sync::Arc::new(tokio::sync::Notify::new());
    let held = gate.clone();
    let upstream = Script::start(move |_, mut exchange| {
        let held = held.clone();
        async move {
            exchange.head().await;
            exchange.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n").await;
            held.notified().await;
            exchange.write("3\r\ntwo\r\n0\r\n\r\n").await;
        }
    })
    .await;
    let gateway = to(upstream.nodes());
    let stream = TcpStream::connect(gateway.http).await.expect("connected");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("http");
    tokio::spawn(connection);
    let request = Request::get("/").header("host", "a").body(Full::<Bytes>::default()).expect("a request");
    let mut body = sender.send_request(request).await.expect("an answer").into_body();
    let first = soon("the first piece", body.frame()).await.expect("a piece").expect("whole");
    assert_eq!(first.into_data().expect("data"), "one", "before the second was sent");
    gate.notify_one();
    let rest = soon("the rest", body.collect()).await.expect("whole").to_bytes();
    assert_eq!(rest, "two");
    gateway.stop().await;
}

#[tokio::test]
async fn a_chunked_request_arrives_whole() {
    let echo = Echo::start().await;
    let gateway = to(echo.nodes());
    let request = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let answer = raw(gateway.http, request).await;
    assert!(answer.contains("\"body\":\"abcde\""), "{answer}");
    assert_eq!(get(gateway.http, "/").await.json()["length"], 0);
    gateway.stop().await;
}

#[tokio::test]
async fn a_body_goes_along_whatever_the_method() {
    let echo = Echo::start().await;
    let gateway = to(echo.nodes());
    let request =
        "GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let answer = raw(gateway.http, request).await;
    assert!(answer.contains("\"body\":\"abc\""), "{answer}");
    gateway.stop().await;
}

#[tokio::test]
async fn trailers_go_along_when_they_were_announced() {
    let (says, mut said) = tokio::sync::mpsc::unbounded_channel();
    let upstream = Script::start(move |_, mut exchange| {
        let says = says.clone();
        async move {
            exchange.head().await;
            // The chunks end as a head does.
            let _ = says.send(exchange.head().await);
            exchange.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        }
    })
    .await;
    let gateway = to(upstream.nodes());
    let head = "POST / HTTP/1.1\r\nhost: a\r\ntrailer: x-sum, x-not-sent\r\ntransfer-encoding: chunked\r\nconnection: close\r\n";
    let body = "3\r\nabc\r\n0\r\nx-sum: 1\r\nx-real-ip: 6.6.6.6\r\n\r\n";
    let answer = raw(gateway.http, format!("{head}\r\n{body}")).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(said.recv().await.as_deref(), Some("3\r\nabc\r\n0\r\nx-sum: 1\r\n\r\n"));
    gateway.stop().await;
}

#[tokio::test]
async fn an_answer_may_come_byte_by_byte_after_others_that_announce_it() {
    let upstream = Script::start(|_, mut exchange| async move {
        while !exchange.head().await.is_empty() {
            exchange.write("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n").await;
            for byte in "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nt: 1\r\n\r\n".chars() {
                exchange.write(byte.encode_utf8(&mut [0; 4])).await;
            }
        }
    })
    .await;
    let gateway = to(upstream.nodes());
    let mut client = Client::connect(gateway.http).await;
    for _ in 0..3 {
        let answer = client.get("/").await.expect("an answer");
        assert_eq!((answer.status.as_u16(), answer.text()), (200, "hello"));
        assert_eq!(answer.header("link"), None);
    }
    assert_eq!(upstream.connections(), 1, "the end of the chunks was seen");
    gateway.stop().await;
}

/// A plugin may bound a body that streams, whose length nobody told.
#[tokio::test]
async fn a_chunked_body_beyond_a_plugin_s_bound_gets_413() {
    let echo = Echo::start().await;
    let plugins = json!({ "probe-low": { "body_limit": 4 } });
    let route = json!({ "uri": "/*", "plugins": plugins, "upstream": { "nodes": echo.nodes() } });
    let gateway = Gateway::start(vec![put("route/r", route)]);
    let head = "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    for (chunks, status) in [("4\r\nfour\r\n", "200"), ("5\r\nfive!\r\n", "413"), ("3\r\nabc\r\n2\r\nde\r\n", "413")] {
        let answer = raw(gateway.http, format!("{head}{chunks}0\r\n\r\n")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{chunks:?}: {answer}");
    }
    gateway.stop().await;
}

/// Plugins that go first may refuse a request before anybody reads its body for those that come later.
#[tokio::test]
async fn who_is_refused_need_not_upload_first() {
    let echo = Echo::start().await;
    let checks_body = json!({ "body_schema": { "type": "object" } });
    let gates = [
        ("client-control", json!({ "max_body_size": 10 }), "413"),
        ("fault-injection", json!({ "abort": { "http_status": 503 } }), "503"),
    ];
    for (gate, conf, status) in gates {
        let plugins = json!({ gate: conf, "request-validation": checks_body });
        let route = json!({ "uri": "/*", "plugins": plugins, "upstream": { "nodes": echo.nodes() } });
        let gateway = Gateway::start_with(settings(), plugins::registry(), vec![put("route/r", route)]);
        let answer = raw(gateway.http, "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4096\r\n\r\n").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{gate}: {answer}");
        gateway.stop().await;
    }
}

/// Only what a plugin changes loses its length: an answer that `gzip` leaves alone and a log looks at keeps it.
#[tokio::test]
async fn an_answer_that_no_plugin_changes_keeps_its_length() {
    let upstream = Script::start(|_, mut exchange| async move {
        while !exchange.head().await.is_empty() {
            exchange.write("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nhello").await;
        }
    })
    .await;
    let kept = json!({ "gzip": { "min_length": 1 } });
    let packed = json!({ "gzip": { "min_length": 1, "types": ["text/plain"] } });
    let framed = json!({ "gzip": { "min_length": 1 }, "echo": { "after_body": "!" } });
    for (plugins, length) in [(kept, Some("5")), (packed, None), (framed, None)] {
        let route = json!({ "uri": "/*", "plugins": plugins, "upstream": { "nodes": upstream.nodes() } });
        let gateway = Gateway::start_with(settings(), plugins::registry(), vec![put("route/r", route)]);
        let mut client = Client::connect(gateway.http).await;
        for _ in 0..2 {
            let request = Request::get("/").header("host", "a").header("accept-encoding", "gzip");
            let answer = client.send(request.body(Full::default()).expect("a request")).await.expect("an answer");
            assert_eq!(answer.header("content-length"), length, "{plugins}");
        }
        gateway.stop().await;
    }
}

async fn packed(gateway: &Gateway) -> (Option<String>, String) {
    let mut client = Client::connect(gateway.http).await;
    let request = Request::get("/").header("host", "a").header("accept-encoding", "gzip");
    let answer = client.send(request.body(Full::default()).expect("a request")).await.expect("an answer");
    let mut plain = String::new();
    MultiGzDecoder::new(&*answer.body).read_to_string(&mut plain).expect("a body in gzip");
    (answer.header("content-encoding").map(str::to_owned), plain)
}

/// As nginx does it behind APISIX: wherever `gzip` stands, it comes after all that changes a body.
#[tokio::test]
async fn gzip_packs_what_the_other_plugins_made() {
    let upstream =
        Script::answering("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nhello").await;
    let gzip = json!({ "gzip": { "types": "*", "min_length": 1 } });
    let filter = json!({ "regex": "l", "replace": "r", "scope": "global" });
    for (name, conf, expected) in [
        ("response-rewrite", json!({ "body": "instead" }), "instead"),
        ("response-rewrite", json!({ "filters": [filter] }), "herro"),
        ("echo", json!({ "before_body": "<", "after_body": ">" }), "<hello>"),
    ] {
        let (alone, mut both) = (json!({ name: conf }), gzip.clone());
        both[name] = conf;
        let route = |plugins| json!({ "uri": "/*", "plugins": plugins, "upstream": { "nodes": upstream.nodes() } });
        let apart = [put("route/r", route(alone)), put("global_rule/1", json!({ "plugins": gzip }))];
        for changes in [vec![put("route/r", route(both))], apart.into()] {
            let gateway = Gateway::start_with(settings(), plugins::registry(), changes);
            assert_eq!(packed(&gateway).await, (Some("gzip".to_owned()), expected.to_owned()), "{name}");
            gateway.stop().await;
        }
    }
}

#[tokio::test]
async fn filters_look_into_what_an_upstream_packed() {
    let upstream = Script::start(|_, mut exchange| async move {
        exchange.head().await;
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        let body = encoder.write_all(b"hello").and_then(|()| encoder.finish()).expect("memory");
        let head = format!("content-type: text/plain\r\ncontent-encoding: gzip\r\ncontent-length: {}", body.len());
        exchange.write(&format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n")).await;
        exchange.stream.write_all(&body).await.expect("the gateway takes it");
        exchange.closed().await;
    })
    .await;
    let filters = json!({ "response-rewrite": { "filters": [{ "regex": "h", "replace": "y" }] } });
    let mut packing = filters.clone();
    packing["gzip"] = json!({ "types": "*", "min_length": 1 });
    let route = |plugins| json!({ "uri": "/*", "plugins": plugins, "upstream": { "nodes": upstream.nodes() } });
    let gateway = Gateway::start_with(settings(), plugins::registry(), vec![put("route/r", route(filters))]);
    let answer = get(gateway.http, "/").await;
    assert_eq!((answer.header("content-encoding"), answer.text()), (None, "yello"));
    assert_eq!(answer.header("content-length"), Some("5"));
    gateway.stop().await;
    let gateway = Gateway::start_with(settings(), plugins::registry(), vec![put("route/r", route(packing))]);
    assert_eq!(packed(&gateway).await, (Some("gzip".to_owned()), "yello".to_owned()));
    gateway.stop().await;
}

/// A plugin whose settings name a field has forms and JSON read, and short bodies; anything else goes on as long as it is.
#[tokio::test]
async fn what_has_no_fields_passes_plugins_that_ask_for_them_at_any_length() {
    let echo = Echo::start().await;
    let filter = json!([["post_arg_act", "==", "delete"]]);
    let plugins = json!({ "ip-restriction": { "blacklist": ["127.0.0.1"], "_meta": { "filter": filter } } });
    let route = json!({ "uri": "/*", "plugins": plugins, "upstream": { "nodes": echo.nodes() } });
    let gateway = Gateway::start_with(settings(), plugins::registry(), vec![put("route/r", route)]);
    let mut client = Client::connect(gateway.http).await;
    let request = Request::post("/").header("host", "a").header("content-type", "application/octet-stream");
    let request = request.body(Full::new(Bytes::from(vec![b'x'; 9 << 20]))).expect("a request");
    let answer = soon("an answer", client.send(request)).await.expect("an answer");
    assert_eq!(answer.status, 200);
    assert!(answer.text().contains(&format!("\"length\":{}", 9 << 20)), "{}", answer.text());
    gateway.stop().await;
}
