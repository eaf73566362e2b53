//! Health checks, over real sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde_json::{Value, json};

use crate::support::{Client, DEADLINE, Echo, Gateway, Script, put};

/// A node whose probes and requests fail while `well` is false.
async fn moody() -> (Script, Arc<AtomicBool>) {
    let well = Arc::new(AtomicBool::new(true));
    let seen = well.clone();
    let script = Script::start(move |_, mut exchange| {
        let well = seen.clone();
        async move {
            while !exchange.head().await.is_empty() {
                let status = if well.load(Ordering::SeqCst) { "200 OK" } else { "500 Oops" };
                exchange.write(&format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n")).await;
            }
        }
    })
    .await;
    (script, well)
}

fn route(nodes: &Value, checks: &Value) -> Value {
    json!({ "uri": "/*", "upstream": { "nodes": nodes, "checks": checks } })
}

/// Asks until `count` requests in a row fare as they should.
async fn until_in_a_row(client: &mut Client, what: &str, count: usize, good: impl Fn(u16) -> bool) {
    let (started, mut row) = (Instant::now(), 0);
    while row < count {
        assert!(started.elapsed() < DEADLINE, "waited in vain: {what}");
        let status = client.get("/").await.expect("an answer").status.as_u16();
        row = if good(status) { row + 1 } else { 0 };
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

fn active() -> Value {
    json!({
        "http_path": "/health",
        "healthy": { "interval": 1, "successes": 1 },
        "unhealthy": { "interval": 1, "http_failures": 1, "tcp_failures": 1, "timeouts": 1 },
    })
}

#[tokio::test]
async fn a_node_goes_down_comes_back_and_its_state_survives_a_change() {
    let (echo, (node, well)) = (Echo::start().await, moody().await);
    let nodes = json!({ echo.address.to_string(): 1, node.address.to_string(): 1 });
    let checks = json!({ "active": active() });
    let mut gateway = Gateway::start(vec![put("route/r", route(&nodes, &checks))]);
    well.store(false, Ordering::SeqCst);
    let mut client = Client::connect(gateway.http).await;
    until_in_a_row(&mut client, "the bad node is left out", 20, |status| status == 200).await;
    let mut changed = route(&nodes, &checks);
    changed["upstream"]["desc"] = "changed".into();
    gateway.apply(vec![put("route/r", changed)]);
    for _ in 0..10 {
        assert_eq!(client.get("/").await.expect("an answer").status, 200, "the state is kept");
    }
    well.store(true, Ordering::SeqCst);
    // Only the moody node answers without a body.
    let started = Instant::now();
    while !client.get("/").await.expect("an answer").body.is_empty() {
        assert!(started.elapsed() < DEADLINE, "the node comes back");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    gateway.stop().await;
}

#[tokio::test]
async fn traffic_alone_ejects_a_node() {
    let (echo, (node, well)) = (Echo::start().await, moody().await);
    well.store(false, Ordering::SeqCst);
    let nodes = json!({ echo.address.to_string(): 1, node.address.to_string(): 1 });
    let mut active = active();
    // One probe, which says nothing.
    active["healthy"]["interval"] = 3600.into();
    active["unhealthy"]["interval"] = 3600.into();
    active["unhealthy"]["http_statuses"] = json!([599]);
    let passive = json!({ "unhealthy": { "http_failures": 3, "http_statuses": [500] } });
    let checks = json!({ "active": active, "passive": passive });
    let gateway = Gateway::start(vec![put("route/r", route(&nodes, &checks))]);
    let mut client = Client::connect(gateway.http).await;
    let mut failed = 0;
    for _ in 0..40 {
        failed += usize::from(client.get("/").await.expect("an answer").status == 500);
    }
    assert_eq!(failed, 3, "three strikes");
    gateway.stop().await;
}

#[tokio::test]
async fn when_all_are_down_all_are_tried() {
    let ((a, well_a), (b, well_b)) = (moody().await, moody().await);
    well_a.store(false, Ordering::SeqCst);
    well_b.store(false, Ordering::SeqCst);
    let nodes = json!({ a.address.to_string(): 1, b.address.to_string(): 1 });
    let passive = json!({ "unhealthy": { "http_failures": 1 } });
    let checks = json!({ "active": active(), "passive": passive });
    let gateway = Gateway::start(vec![put("route/r", route(&nodes, &checks))]);
    let mut client = Client::connect(gateway.http).await;
    for _ in 0..20 {
        assert_eq!(client.get("/").await.expect("an answer").status, 500, "from a node, not from the gateway");
    }
    well_a.store(true, Ordering::SeqCst);
    until_in_a_row(&mut client, "the one that is well again serves alone", 20, |status| status == 200).await;
    gateway.stop().await;
}

/// What a probe says is what the check's fields say.
#[tokio::test]
async fn a_probe_is_made_of_the_check_s_fields() {
    let (told, mut probes) = tokio::sync::mpsc::unbounded_channel();
    let node = Script::start(move |_, mut exchange| {
        let told = told.clone();
        async move {
            let head = exchange.head().await;
            let mut body = [0; 4];
            let _ = tokio::io::AsyncReadExt::read_exact(&mut exchange.stream, &mut body).await;
            let _ = told.send(format!("{head}{}", String::from_utf8_lossy(&body)));
            exchange.write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        }
    })
    .await;
    let echo = Echo::start().await;
    let checks = json!({ "active": {
        "http_method": "POST", "http_path": "/health?full=1", "http_req_body": "ping", "host": "check.test",
        "port": node.address.port(), "req_headers": ["X-Probe: yes", "User-Agent: watcher"],
        "http_req_headers": ["X-Older: client"],
    } });
    let gateway = Gateway::start(vec![put("route/r", route(&echo.nodes(), &checks))]);
    Client::connect(gateway.http).await.get("/").await.expect("an answer");
    let probe = crate::support::soon("a probe", probes.recv()).await.expect("a probe");
    assert!(probe.starts_with("POST /health?full=1 HTTP/1.1\r\n") && probe.ends_with("\r\n\r\nping"), "{probe}");
    for line in ["Host: check.test", "X-Probe: yes", "User-Agent: watcher", "X-Older: client", "Content-Length: 4"] {
        assert!(probe.contains(&format!("\r\n{line}\r\n")), "{line} in {probe}");
    }
    gateway.stop().await;
}

/// Only the node that speaks TLS passes a probe of type `https`.
#[tokio::test]
async fn a_probe_of_https_shakes_hands() {
    let encrypted = crate::tls_nodes::node(&crate::tls_nodes::authority(), "localhost", 4000).await;
    let plain = Echo::start().await;
    let mut active = active();
    active["type"] = "https".into();
    active["https_verify_certificate"] = false.into();
    let nodes = json!({ encrypted.to_string(): 1, plain.address.to_string(): 1 });
    let upstream = json!({ "scheme": "https", "nodes": nodes, "retries": 0, "checks": { "active": active } });
    let gateway = Gateway::start(vec![put("route/r", json!({ "uri": "/*", "upstream": upstream }))]);
    let mut client = Client::connect(gateway.http).await;
    until_in_a_row(&mut client, "the plain node is left out", 20, |status| status == 200).await;
    gateway.stop().await;
}
