//! What a client gets when the upstream misbehaves.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Client, Echo, Gateway, Script, get, one_then, put, raw, refused_port, settings, until};

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

/// The upstream that a plugin chose has its own patience.
#[tokio::test]
async fn an_answer_that_stalls_is_cut_off_as_the_chosen_upstream_wants_it() {
    let upstream = Script::start(|_, mut exchange| async move {
        exchange.head().await;
        exchange.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n").await;
        exchange.closed().await;
    })
    .await;
    let chosen = json!({ "nodes": upstream.nodes(), "timeout": { "connect": 5, "send": 5, "read": 0.2 } });
    let split = json!({ "rules": [{ "weighted_upstreams": [{ "upstream": chosen }] }] });
    let own = json!({ "nodes": upstream.nodes(), "timeout": { "connect": 5, "send": 5, "read": 600 } });
    let route = put("route/r", json!({ "uri": "/*", "plugins": { "traffic-split": split }, "upstream": own }));
    let gateway = Gateway::start_with(settings(), plugins::registry(), vec![route]);
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

/// What comes after an answer that nobody asked for belongs to no request.
#[tokio::test]
async fn a_second_answer_reaches_no_one() {
    let seconds = ["HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil", "garbage", "\r\n"];
    for second in seconds {
        let upstream = Script::start(move |_, mut exchange| async move {
            while !exchange.head().await.is_empty() {
                exchange.write(&format!("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngood{second}")).await;
            }
        })
        .await;
        let gateway = to(json!({ "nodes": upstream.nodes() }));
        let mut client = Client::connect(gateway.http).await;
        for turn in 0..20 {
            let answer = if turn % 2 == 0 { client.get("/").await } else { client.post("/", "").await };
            assert_eq!(answer.expect("an answer").text(), "good", "turn {turn} with {second:?}");
        }
        drop(client);
        gateway.stop().await;
    }
}

/// One that comes while nothing is under way is not taken for the next request's.
#[tokio::test]
async fn an_answer_that_comes_unasked_reaches_no_one() {
    let (late, mut is_late) = tokio::sync::mpsc::unbounded_channel();
    let upstream = Script::start(move |number, mut exchange| {
        let late = late.clone();
        async move {
            while !exchange.head().await.is_empty() {
                exchange.write("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngood").await;
                if number == 0 {
                    // After the answer was taken and the connection given back.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    exchange.write("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil").await;
                    let _ = late.send(());
                }
            }
        }
    })
    .await;
    let gateway = to(json!({ "nodes": upstream.nodes() }));
    let mut client = Client::connect(gateway.http).await;
    assert_eq!(client.get("/").await.expect("an answer").text(), "good");
    crate::support::soon("the late answer", is_late.recv()).await;
    for _ in 0..4 {
        assert_eq!(client.post("/", "x").await.expect("an answer").text(), "good");
    }
    assert_eq!(upstream.connections(), 2, "that connection is used no more");
    gateway.stop().await;
}

#[tokio::test]
async fn a_reset_in_the_middle_of_an_answer_is_visible_and_no_retry() {
    for head in ["content-length: 100", "transfer-encoding: chunked"] {
        let upstream = Script::start(move |_, mut exchange| async move {
            exchange.head().await;
            let piece = if head.starts_with('c') { "half" } else { "4\r\nhalf\r\n" };
            exchange.write(&format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{piece}")).await;
            exchange.reset();
        })
        .await;
        let other = Echo::start().await;
        let gateway = to(json!({ "nodes": one_then(upstream.address, other.address) }));
        let mut client = Client::connect(gateway.http).await;
        match client.get("/").await {
            // The reset may overtake the head.
            Ok(answer) => assert!(answer.json()["node"] == other.address.to_string(), "{answer:?}"),
            Err(_) => assert_eq!(other.requests(), 0, "what has begun is not begun anew"),
        }
        gateway.stop().await;
    }
}

#[tokio::test]
async fn a_node_that_takes_no_more_of_an_upload_is_504_after_the_send_timeout() {
    let deaf = Script::start(|_, mut exchange| async move {
        exchange.head().await;
        std::future::pending::<()>().await;
    })
    .await;
    let gateway = to(json!({ "nodes": deaf.nodes(), "timeout": { "connect": 5, "send": 0.3, "read": 60 } }));
    let started = Instant::now();
    let mut client = Client::connect(gateway.http).await;
    let answer = client.post("/", vec![b'x'; 64 << 20]).await;
    // The client may see the answer, or the end of a connection whose upload nobody wants.
    assert!(answer.as_ref().map_or(true, |answer| answer.status == 504), "{answer:?}");
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert_eq!(deaf.connections(), 1, "an upload that has begun goes to one node");
    gateway.stop().await;
}

#[tokio::test]
async fn a_node_that_answers_slowly_in_small_pieces_is_waited_for() {
    let slow = Script::start(|_, mut exchange| async move {
        exchange.head().await;
        exchange.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n").await;
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            exchange.write("x").await;
        }
    })
    .await;
    let gateway = to(json!({ "nodes": slow.nodes(), "timeout": { "connect": 5, "send": 5, "read": 0.5 } }));
    assert_eq!(get(gateway.http, "/").await.text(), "xxxxxxxxxx", "the time counts between two pieces");
    gateway.stop().await;
}

/// A node that takes connections for a while, then refuses them for a while, over and over.
#[tokio::test]
async fn a_node_that_comes_and_goes_costs_no_request_that_may_be_sent_again() {
    let echo = Echo::start().await;
    let flapping: std::net::SocketAddr = refused_port().await.parse().expect("an address");
    let turns = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = turns.clone();
    let flaps = tokio::spawn(async move {
        loop {
            if let Ok(node) = Echo::start_at(flapping).await {
                tokio::time::sleep(Duration::from_millis(15)).await;
                node.stop();
                counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
    });
    let nodes = json!({ echo.address.to_string(): 1, flapping.to_string(): 1 });
    let checks = json!({
        "active": { "type": "tcp", "healthy": { "interval": 1, "successes": 1 }, "unhealthy": { "interval": 1, "tcp_failures": 1 } },
        "passive": { "type": "tcp", "unhealthy": { "tcp_failures": 2 } },
    });
    for upstream in [json!({ "nodes": nodes }), json!({ "nodes": nodes, "checks": checks })] {
        let gateway = to(upstream);
        let mut client = Client::connect(gateway.http).await;
        let before = turns.load(std::sync::atomic::Ordering::Relaxed);
        let mut sent = 0;
        while turns.load(std::sync::atomic::Ordering::Relaxed) < before + 15 {
            assert_eq!(client.get("/").await.expect("an answer").status, 200, "request {sent}");
            sent += 1;
        }
        assert!(sent > 20);
        gateway.stop().await;
    }
    flaps.abort();
    until("it is over", || flaps.is_finished()).await;
}
