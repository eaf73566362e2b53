//! Requests whose framing two servers could read differently are refused.

use serde_json::json;

use crate::support::{Echo, Gateway, put, raw};

#[tokio::test]
async fn ambiguous_requests_are_refused() {
    let echo = Echo::start().await;
    let gateway = Gateway::start(vec![put("route/r", json!({ "uri": "/*", "upstream": { "nodes": echo.nodes() } }))]);
    let cases = [
        (
            "both lengths",
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        (
            "both, the other way",
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n",
        ),
        ("two equal lengths", "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nhi"),
        ("two lengths", "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nhi"),
        ("a list of lengths", "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2, 2\r\n\r\nhi"),
        ("a signed length", "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +2\r\n\r\nhi"),
        ("another coding", "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n"),
        ("chunked twice", "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
        ("a folded header", "GET / HTTP/1.1\r\nhost: a\r\nx: 1\r\n y\r\n\r\n"),
        ("bare line feeds", "GET / HTTP/1.1\nhost: a\n\n"),
        ("one bare line feed", "GET / HTTP/1.1\r\nhost: a\nx: y\r\n\r\n"),
        ("a bare carriage return", "GET / HTTP/1.1\r\nhost: a\r\nx: a\rb\r\n\r\n"),
        ("a NUL", "GET / HTTP/1.1\r\nhost: a\r\nx: a\0b\r\n\r\n"),
        ("a NUL in a name", "GET / HTTP/1.1\r\nhost: a\r\nx\0: a\r\n\r\n"),
        ("a space before the colon", "GET / HTTP/1.1\r\nhost : a\r\n\r\n"),
        ("no host", "GET / HTTP/1.1\r\n\r\n"),
        ("two hosts", "GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n"),
        ("a host with a path", "GET / HTTP/1.1\r\nhost: a/b\r\n\r\n"),
        (
            "a chunk's size with a prefix",
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0x2\r\nhi\r\n0\r\n\r\n",
        ),
        (
            "a chunk's size below zero",
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n-2\r\nhi\r\n0\r\n\r\n",
        ),
        (
            "a chunk's size too great",
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n10000000000000002\r\nhi\r\n0\r\n\r\n",
        ),
        (
            "a chunk longer than its size",
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhiho\r\n0\r\n\r\n",
        ),
        (
            "a line feed in an extension",
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2;x=\ny\r\nhi\r\n0\r\n\r\n",
        ),
        ("chunks of HTTP/1.0", "POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
    ];
    for (what, request) in cases {
        let answer = raw(gateway.http, request).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") || answer.starts_with("HTTP/1.0 400 "), "{what}: {answer}");
        assert!(answer.matches("HTTP/1.").count() == 1, "{what}: nothing after it is read as a request: {answer}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn unusual_requests_that_are_clear_pass() {
    let echo = Echo::start().await;
    let gateway = Gateway::start(vec![put("route/r", json!({ "uri": "/*", "upstream": { "nodes": echo.nodes() } }))]);
    let cases = [
        ("an empty line first", "\r\nGET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", "\"method\":\"GET\""),
        (
            "an extension",
            "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n2;a=b\r\nhi\r\n0\r\n\r\n",
            "\"body\":\"hi\"",
        ),
        (
            "a trailer",
            "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx: y\r\n\r\n",
            "\"body\":\"hi\"",
        ),
        (
            "line feeds in a body",
            "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 3\r\n\r\n\n\n\n",
            "\"length\":3",
        ),
        ("the absolute form", "GET http://b/x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", "\"host\":\"b\""),
    ];
    for (what, request, wanted) in cases {
        let answer = raw(gateway.http, request).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains(wanted), "{what}: {answer}");
    }
    let pipelined = "GET /1 HTTP/1.1\r\nhost: a\r\n\r\nPOST /2 HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\nGET /3 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let answer = raw(gateway.http, pipelined).await;
    assert_eq!(answer.matches("HTTP/1.1 200 ").count(), 3, "{answer}");
    gateway.stop().await;
}

/// The engine takes 16 KiB of extensions for a whole body, however they are spread.
#[tokio::test]
async fn extensions_of_chunks_have_a_bound() {
    let echo = Echo::start().await;
    let plugins = json!({ "probe-low": { "request_limit": 100_000 } });
    let gateway = Gateway::start(vec![
        put("route/streamed", json!({ "uri": "/streamed", "upstream": { "nodes": echo.nodes() } })),
        put("route/whole", json!({ "uri": "/whole", "plugins": plugins, "upstream": { "nodes": echo.nodes() } })),
    ]);
    for path in ["/streamed", "/whole"] {
        for (chunks, extension, status) in [(1, 15_000, 200), (1, 17_000, 400), (100, 150, 200), (100, 170, 400)] {
            let chunk = format!("2;a={}\r\nhi\r\n", "b".repeat(extension - 3));
            let head =
                format!("POST {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n");
            let answer = raw(gateway.http, format!("{head}{}0\r\n\r\n", chunk.repeat(chunks))).await;
            let got = answer.get(..200).unwrap_or(&answer);
            assert!(got.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {chunks} of {extension}: {got}");
        }
    }
    gateway.stop().await;
}

#[tokio::test]
async fn methods_that_no_gateway_serves_are_refused() {
    let echo = Echo::start().await;
    let gateway = Gateway::start(vec![put("route/r", json!({ "uri": "/*", "upstream": { "nodes": echo.nodes() } }))]);
    for request in ["TRACE / HTTP/1.1\r\nhost: a\r\n", "CONNECT a:80 HTTP/1.1\r\nhost: a:80\r\n"] {
        let answer = raw(gateway.http, format!("{request}connection: close\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    }
    gateway.stop().await;
}
