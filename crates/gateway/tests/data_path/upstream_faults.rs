//! What a client gets when the upstream misbehaves.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Client, Echo, Gateway, Script, get, put, raw, refused_port};

fn to(upstream: Value) -> Gateway {
    Gateway::start(vec![put("route/r", json!({ "uri": "/*", "upstream": upstream }))])
}

#[tokio::test]
async fn a_refused_connection_is_502() {
    let gateway = to(json!({ "nodes": { refused_port().await: 1 } }));
    let answer = get(gateway.http, "/").await;
    let text = answer.text();
    assert!(answer.status == 502 && text.contains("<center><h1>502 Bad Gateway</h1></center>"), "{text}");
    assert_eq!(answer.header("x-apisix-upstream-status"), Some("502"));
    gateway.stop().await;
}

#[tokio::test]
async fn no_node_and_no_upstream_are_503() {
    let gateway = Gateway::start(vec![
        put("route/none", json!({ "uri": "/none" })),
        put("route/empty", json!({ "uri": "/empty", "upstream": { "nodes": [] } })),
        put("route/zero", json!({ "uri": "/zero", "upstream": { "nodes": { "127.0.0.1:1": 0 } } })),
    ]);
    for path in ["/none", "/empty", "/zero"] {
        let answer = get(gateway.http, path).await;
        assert_eq!((answer.status.as_u16(), answer.header("x-apisix-upstream-status")), (503, None), "{path}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn an_upstream_that_never_answers_is_504_after_the_read_timeout() {
    let silent = Script::start(|_, mut exchange| async move { exchange.closed().await }).await;
    let gateway = to(json!({ "nodes": silent.nodes(), "timeout": { "connect": 5, "send": 5, "read": 0.2 } }));
    let started = Instant::now();
    assert_eq!(get(gateway.http, "/").await.status, 504);
    assert!((Duration::from_millis(200)..Duration::from_secs(3)).contains(&started.elapsed()));
    gateway.stop().await;
}

#[tokio::test]
async fn after_an_upload_the_read_timeout_counts_not_the_send_timeout() {
    let thinks = Script::start(|_, mut exchange| async move {
        exchange.head().await;
        tokio::time::sleep(Duration::from_millis(700)).await;
        exchange.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    })
    .await;
    let gateway = to(json!({ "nodes": thinks.nodes(), "timeout": { "connect": 5, "send": 0.2, "read": 5 } }));
    let mut client = Client::connect(gateway.http).await;
    assert_eq!(client.post("/", "upload").await.expect("an answer").status, 200);
    gateway.stop().await;
    let silent = Script::start(|_, mut exchange| async move { exchange.closed().await }).await;
    let gateway = to(json!({ "nodes": silent.nodes(), "timeout": { "connect": 5, "send": 60, "read": 0.2 } }));
    let mut client = Client::connect(gateway.http).await;
    assert_eq!(client.post("/", "upload").await.expect("an answer").status, 504);
    gateway.stop().await;
}

#[tokio::test]
async fn garbage_is_502() {
    for garbage in
        ["SSH-2.0-OpenSSH\r\n\r\n", "", "HTTP/1.1 2x0 OK\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n"]
    {
        let upstream = Script::answering(garbage).await;
        let gateway = to(json!({ "nodes": upstream.nodes() }));
        assert_eq!(get(gateway.http, "/").await.status, 502, "{garbage:?}");
        gateway.stop().await;
    }
}

#[tokio::test]
async fn an_answer_cut_short_is_visible_to_the_client() {
    let answers = [
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ];
    for answer in answers {
        let upstream = Script::answering(answer).await;
        let gateway = to(json!({ "nodes": upstream.nodes() }));
        let mut client = Client::connect(gateway.http).await;
        assert!(client.get("/").await.is_err(), "{answer:?} must not look whole");
        gateway.stop().await;
    }
}

#[tokio::test]
async fn an_answer_that_stalls_half_way_is_cut_off() {
    let upstream = Script::start(|_, mut exchange| async move {
        exchange.head().await;
        exchange.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n").await;
        exchange.closed().await;
    })
    .await;
    let gateway = to(json!({ "nodes": upstream.nodes(), "timeout": { "connect": 5, "send": 5, "read": 0.2 } }));
    let answer = raw(gateway.http, "GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(answer.contains("half") && !answer.ends_with("0\r\n\r\n"), "{answer}");
    gateway.stop().await;
}

#[tokio::test]
async fn an_early_answer_does_not_poison_the_pool() {
    let upstream = Script::start(|_, mut exchange| async move {
        exchange.head().await;
        exchange.write("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nearly").await;
        exchange.closed().await;
    })
    .await;
    let gateway = to(json!({ "nodes": upstream.nodes() }));
    let mut stalled = tokio::net::TcpStream::connect(gateway.http).await.expect("connected");
    let half = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nhalf";
    tokio::io::AsyncWriteExt::write_all(&mut stalled, half.as_bytes()).await.expect("sent");
    let mut piece = [0; 1000];
    let read = crate::support::soon("an answer", tokio::io::AsyncReadExt::read(&mut stalled, &mut piece)).await;
    assert!(read.expect("read") > 0);
    assert_eq!(get(gateway.http, "/").await.text(), "early", "on a connection that is free");
    drop(stalled);
    gateway.stop().await;
}

#[tokio::test]
async fn a_host_name_that_nobody_knows_is_503_and_one_that_is_known_serves() {
    let echo = Echo::start().await;
    let gateway = to(json!({ "nodes": { "nowhere.invalid:80": 1 } }));
    assert_eq!(get(gateway.http, "/").await.status, 503);
    gateway.stop().await;
    let gateway = to(json!({ "nodes": { format!("localhost:{}", echo.address.port()): 1 } }));
    assert_eq!(get(gateway.http, "/").await.status, 200);
    gateway.stop().await;
}
