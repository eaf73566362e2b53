//! Stopping without losing a request.

use std::sync::Arc;
use std::time::Duration;

use gateway::Settings;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::support::{Client, Gateway, Script, put, registry, settings, soon, until};

/// Answers when told to.
async fn held() -> (Script, Arc<Notify>) {
    let gate = Arc::new(Notify::new());
    let held = gate.clone();
    let upstream = Script::start(move |_, mut exchange| {
        let held = held.clone();
        async move {
            exchange.head().await;
            held.notified().await;
            exchange.write("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone").await;
        }
    })
    .await;
    (upstream, gate)
}

#[tokio::test]
async fn requests_under_way_end_and_new_connections_are_refused() {
    let (upstream, gate) = held().await;
    let gateway =
        Gateway::start(vec![put("route/r", json!({ "uri": "/*", "upstream": { "nodes": upstream.nodes() } }))]);
    let address = gateway.http;
    let mut idle = Client::connect(address).await;
    assert_eq!(idle.get("/..").await.expect("an answer").status, 400);
    let mut client = Client::connect(address).await;
    let request = tokio::spawn(async move {
        let answer = client.get("/").await.expect("the request under way is answered");
        (answer, client)
    });
    until("it is on its way", || upstream.connections() == 1).await;
    let stopping = tokio::spawn(gateway.stop());
    soon("new connections are refused", async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
    assert!(!stopping.is_finished(), "a request is under way");
    gate.notify_one();
    let (answer, mut client) = soon("an answer", request).await.expect("answered");
    assert_eq!((answer.text(), answer.header("connection")), ("done", Some("close")));
    soon("it stops", stopping).await.expect("stopped");
    assert!(client.get("/").await.is_err(), "the connection has been closed");
    assert!(idle.get("/").await.is_err(), "the idle one as well");
}

#[tokio::test]
async fn a_request_that_has_been_sent_before_the_stop_is_answered() {
    for _ in 0..20 {
        let gateway = Gateway::start(Vec::new());
        let mut stream = TcpStream::connect(gateway.http).await.expect("connected");
        let request = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
        tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.expect("sent");
        let stopping = gateway.stop();
        let mut answer = Vec::new();
        let read = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer);
        let (read, ()) = soon("both end", futures_util::future::join(read, stopping)).await;
        read.expect("closed without a reset");
        assert!(answer.starts_with(b"HTTP/1.1 404 "), "{}", String::from_utf8_lossy(&answer));
    }
}

#[tokio::test]
async fn what_does_not_end_in_time_is_cut_off() {
    let (upstream, _gate) = held().await;
    let route = put("route/r", json!({ "uri": "/*", "upstream": { "nodes": upstream.nodes() } }));
    let hasty = Settings { drain: Duration::from_millis(200), ..settings() };
    let gateway = Gateway::start_with(hasty, registry(), vec![route]);
    let mut client = Client::connect(gateway.http).await;
    let request = tokio::spawn(async move { client.get("/").await });
    until("it is on its way", || upstream.connections() == 1).await;
    gateway.stop().await;
    assert!(soon("an end", request).await.expect("ended").is_err());
}
