//! Which node a request goes to.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::support::{Client, Echo, Gateway, Script, put, settings, until};

fn to(upstream: Value) -> Gateway {
    Gateway::start(vec![put("route/r", json!({ "uri": "/*", "upstream": upstream }))])
}

async fn node_of(client: &mut Client, headers: &[(&str, &str)]) -> String {
    let request = headers.iter().fold(Request::get("/a").header("host", "a"), |request, (n, v)| request.header(*n, *v));
    let answer = client.send(request.body(Full::<Bytes>::default()).expect("a request")).await.expect("an answer");
    answer.json()["node"].as_str().expect("a node").to_owned()
}

#[tokio::test]
async fn chash_keeps_a_key_on_its_node_and_spreads_keys() {
    let (a, b) = (Echo::start().await, Echo::start().await);
    let nodes = json!({ a.address.to_string(): 1, b.address.to_string(): 1 });
    for (settings, header) in [
        (json!({ "hash_on": "header", "key": "X-Tenant" }), "x-tenant"),
        (json!({ "hash_on": "vars", "key": "http_x_tenant" }), "x-tenant"),
        (json!({ "hash_on": "vars_combinations", "key": "$request_uri-$http_x_tenant" }), "x-tenant"),
        (json!({ "hash_on": "cookie", "key": "tenant" }), "cookie"),
    ] {
        let mut upstream = settings.clone();
        upstream["type"] = "chash".into();
        upstream["nodes"] = nodes.clone();
        let gateway = to(upstream);
        let mut client = Client::connect(gateway.http).await;
        let mut met = BTreeSet::new();
        for key in 0..30 {
            let value = if header == "cookie" { format!("tenant=t{key}") } else { format!("t{key}") };
            let first = node_of(&mut client, &[(header, &value)]).await;
            assert_eq!(node_of(&mut client, &[(header, &value)]).await, first, "{settings}");
            met.insert(first);
        }
        assert_eq!(met.len(), 2, "{settings}: keys meet both nodes");
        let mut without = BTreeSet::new();
        for _ in 0..10 {
            without.insert(node_of(&mut client, &[]).await);
        }
        assert_eq!(without.len(), 1, "{settings}: without a value the client's address decides");
        gateway.stop().await;
    }
}

#[tokio::test]
async fn chash_falls_to_the_next_node_of_the_ring() {
    let (echo, dead) = (Echo::start().await, crate::support::refused_port().await);
    let nodes = json!({ echo.address.to_string(): 1, dead: 1 });
    let gateway = to(json!({ "type": "chash", "hash_on": "header", "key": "x-k", "nodes": nodes }));
    let mut client = Client::connect(gateway.http).await;
    for key in 0..20 {
        assert_eq!(node_of(&mut client, &[("x-k", &key.to_string())]).await, echo.address.to_string());
    }
    gateway.stop().await;
}

#[tokio::test]
async fn least_conn_avoids_the_busy_node_until_the_client_of_its_request_goes_away() {
    let hangs = Script::start(|_, mut exchange| async move { exchange.closed().await }).await;
    let echo = Echo::start().await;
    let nodes = json!({ hangs.address.to_string(): 1, echo.address.to_string(): 1 });
    let gateway = to(json!({ "type": "least_conn", "retries": 0, "nodes": nodes }));
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut stream = tokio::net::TcpStream::connect(gateway.http).await.expect("connected");
        stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("sent");
        open.push(stream);
    }
    until("one request hangs", || hangs.connections() == 1).await;
    let mut client = Client::connect(gateway.http).await;
    for _ in 0..10 {
        assert_eq!(client.get("/").await.expect("an answer").status, 200, "the free node serves");
    }
    assert_eq!(hangs.connections(), 1);
    drop(open);
    let mut third = Vec::new();
    until("the busy node counts as free again", || {
        let stream = std::net::TcpStream::connect(gateway.http).expect("connected");
        std::io::Write::write_all(&mut &stream, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").expect("sent");
        third.push(stream);
        hangs.connections() >= 2
    })
    .await;
    drop(third);
    gateway.stop().await;
}

/// A node that is added gets what the others, which have requests under way, need not take.
#[tokio::test]
async fn least_conn_knows_what_is_under_way_when_its_nodes_change() {
    let hang = || Script::start(|_, mut exchange| async move { exchange.closed().await });
    let (a, b, added) = (hang().await, hang().await, Echo::start().await);
    let route = |nodes: Value| {
        let upstream = json!({ "type": "least_conn", "retries": 0, "nodes": nodes });
        put("route/r", json!({ "uri": "/*", "upstream": upstream }))
    };
    let nodes = json!({ a.address.to_string(): 1, b.address.to_string(): 1 });
    let mut gateway = Gateway::start(vec![route(nodes.clone())]);
    let mut open = Vec::new();
    for count in 1..=4 {
        let mut stream = tokio::net::TcpStream::connect(gateway.http).await.expect("connected");
        stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("sent");
        open.push(stream);
        until("it is under way", || a.connections() + b.connections() == count).await;
    }
    let mut more = nodes;
    more[added.address.to_string()] = 1.into();
    gateway.apply(vec![route(more)]);
    let mut client = Client::connect(gateway.http).await;
    for _ in 0..6 {
        assert_eq!(node_of(&mut client, &[]).await, added.address.to_string());
    }
    drop(open);
    // They ended, though they had begun before the change.
    let mut later = Vec::new();
    until("the others count as free again", || {
        let stream = std::net::TcpStream::connect(gateway.http).expect("connected");
        std::io::Write::write_all(&mut &stream, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").expect("sent");
        later.push(stream);
        a.connections() + b.connections() > 4
    })
    .await;
    drop(later);
    gateway.stop().await;
}

#[tokio::test]
async fn ewma_leaves_the_slow_node() {
    let slow = Script::start(|_, mut exchange| async move {
        loop {
            if exchange.head().await.is_empty() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            exchange.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        }
    })
    .await;
    let echo = Echo::start().await;
    let nodes = json!({ slow.address.to_string(): 1, echo.address.to_string(): 1 });
    let gateway = to(json!({ "type": "ewma", "nodes": nodes }));
    let mut client = Client::connect(gateway.http).await;
    for _ in 0..30 {
        client.get("/").await.expect("an answer");
    }
    assert!(echo.requests() >= 26, "{}", echo.requests());
    gateway.stop().await;
}

#[tokio::test]
async fn an_only_node_is_asked_again_when_retries_are_asked_for() {
    let flaky = Script::start(|number, mut exchange| async move {
        exchange.head().await;
        if number >= 2 {
            exchange.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        }
    })
    .await;
    let gateway = to(json!({ "retries": 2, "nodes": flaky.nodes() }));
    assert_eq!(crate::support::get(gateway.http, "/").await.status, 200);
    assert_eq!(flaky.connections(), 3);
    gateway.stop().await;
}

#[tokio::test]
async fn chash_by_consumer_keeps_each_on_its_node() {
    let (a, b) = (Echo::start().await, Echo::start().await);
    let nodes = json!({ a.address.to_string(): 1, b.address.to_string(): 1 });
    let upstream = json!({ "type": "chash", "hash_on": "consumer", "nodes": nodes });
    let consumers = (0..20).map(|n| {
        put(
            &format!("consumer/c{n}"),
            json!({ "username": format!("c{n}"), "plugins": { "key-auth": { "key": format!("k{n}") } } }),
        )
    });
    let route = put("route/r", json!({ "uri": "/*", "plugins": { "key-auth": {} }, "upstream": upstream }));
    let gateway = Gateway::start_with(settings(), plugins::registry(), consumers.chain([route]).collect());
    let mut client = Client::connect(gateway.http).await;
    let mut met = BTreeSet::new();
    for n in 0..20 {
        let key = format!("k{n}");
        let first = node_of(&mut client, &[("apikey", &key)]).await;
        assert_eq!(node_of(&mut client, &[("apikey", &key)]).await, first, "consumer {n}");
        met.insert(first);
    }
    assert_eq!(met.len(), 2, "consumers meet both nodes");
    gateway.stop().await;
}
