//! Each field of a health check, by what it does to traffic.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Client, DEADLINE, Gateway, Script, put, tls_node, until};
use crate::tls_nodes::{authority, server_config, trust};

/// Answers requests as it is told, and probes, which ask for `/health`, as it is told of them.
#[derive(Clone)]
struct Ways {
    /// Status of answers to requests; 0 breaks off, 1 is silent.
    requests: Arc<AtomicU16>,
    /// Status of answers to probes; 0 breaks off, 1 is silent, 2 speaks no HTTP.
    probes: Arc<AtomicU16>,
    /// How long a probe waits for its answer.
    probe_takes: Duration,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    requests: AtomicUsize,
    probes: AtomicUsize,
    probes_now: AtomicUsize,
    probes_at_once: AtomicUsize,
}

impl Ways {
    fn new(requests: u16, probes: u16, probe_takes: Duration) -> Self {
        let status = |status| Arc::new(AtomicU16::new(status));
        Self { requests: status(requests), probes: status(probes), probe_takes, seen: Arc::default() }
    }

    fn well() -> Self {
        Self::new(200, 200, Duration::ZERO)
    }

    async fn node(&self) -> Script {
        let ways = self.clone();
        Script::start(move |_, mut exchange| {
            let ways = ways.clone();
            async move {
                loop {
                    let head = exchange.head().await;
                    let status = match head.split(' ').nth(1) {
                        None => return,
                        Some("/health") => ways.probed().await,
                        Some(_) => {
                            ways.seen.requests.fetch_add(1, SeqCst);
                            ways.requests.load(SeqCst)
                        }
                    };
                    match status {
                        0 => return,
                        1 => return exchange.closed().await,
                        2 => exchange.write("SSH-2.0-OpenSSH_9.9\r\n").await,
                        _ => exchange.write(&format!("HTTP/1.1 {status} So\r\ncontent-length: 0\r\n\r\n")).await,
                    }
                }
            }
        })
        .await
    }

    async fn probed(&self) -> u16 {
        let now = self.seen.probes_now.fetch_add(1, SeqCst) + 1;
        self.seen.probes_at_once.fetch_max(now, SeqCst);
        tokio::time::sleep(self.probe_takes).await;
        self.seen.probes_now.fetch_sub(1, SeqCst);
        self.seen.probes.fetch_add(1, SeqCst);
        self.probes.load(SeqCst)
    }

    fn requests(&self) -> usize {
        self.seen.requests.load(SeqCst)
    }

    fn probes(&self) -> usize {
        self.seen.probes.load(SeqCst)
    }
}

/// Probes every second, one of which decides, with these fields besides.
fn active(fields: Value) -> Value {
    let mut active = json!({
        "http_path": "/health",
        "healthy": { "interval": 1, "successes": 1 },
        "unhealthy": { "interval": 1, "http_failures": 1, "tcp_failures": 1, "timeouts": 1 },
    });
    for (name, value) in fields.as_object().cloned().unwrap_or_default() {
        match (active[&name].as_object_mut(), value) {
            (Some(own), Value::Object(more)) => own.extend(more),
            (_, value) => active[&name] = value,
        }
    }
    active
}

/// One probe, which says nothing.
fn hardly_active() -> Value {
    let says_nothing = json!({ "interval": 3600, "http_statuses": [599] });
    active(json!({ "healthy": says_nothing, "unhealthy": says_nothing }))
}

fn gateway(nodes: &[&Script], mut upstream: Value) -> Gateway {
    upstream["nodes"] =
        nodes.iter().map(|node| (node.address.to_string(), json!(1))).collect::<serde_json::Map<_, _>>().into();
    Gateway::start(vec![put("route/r", json!({ "uri": "/*", "upstream": upstream }))])
}

/// Asks until a row of requests passes by the node.
async fn until_left_out(what: &str, client: &mut Client, node: &Ways) {
    let (started, mut row, mut before) = (Instant::now(), 0, node.requests());
    while row < 20 {
        assert!(started.elapsed() < DEADLINE, "it is never left out: {what}");
        client.get("/").await.expect("an answer");
        row = if node.requests() == before { row + 1 } else { 0 };
        before = node.requests();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Whether any of a row of requests comes to the node.
async fn is_served(client: &mut Client, node: &Ways) -> bool {
    let before = node.requests();
    for _ in 0..20 {
        client.get("/").await.expect("an answer");
    }
    node.requests() > before
}

#[tokio::test]
async fn active_fields() {
    // Longer than a probe may take, by far: a machine that does other things besides must not make the others slow.
    let slow = Duration::from_secs(3);
    // What a node does with its probes, and whether it serves on.
    let cases = [
        ("timeout below", json!({ "timeout": 1.5 }), Ways::new(200, 200, slow), false),
        ("timeout above", json!({ "timeout": 15 }), Ways::new(200, 200, slow), true),
        ("timeout by default", json!({}), Ways::new(200, 1, Duration::ZERO), false),
        (
            "timeouts more than one",
            json!({ "timeout": 1.5, "unhealthy": { "timeouts": 200 } }),
            Ways::new(200, 200, slow),
            true,
        ),
        ("tcp_failures one", json!({}), Ways::new(200, 0, Duration::ZERO), false),
        (
            "tcp_failures more than one",
            json!({ "unhealthy": { "tcp_failures": 200 } }),
            Ways::new(200, 0, Duration::ZERO),
            true,
        ),
        ("http_failures one", json!({}), Ways::new(200, 500, Duration::ZERO), false),
        (
            "http_failures more than one",
            json!({ "unhealthy": { "http_failures": 200 } }),
            Ways::new(200, 500, Duration::ZERO),
            true,
        ),
        (
            "no HTTP is a bad status",
            json!({ "unhealthy": { "tcp_failures": 200 } }),
            Ways::new(200, 2, Duration::ZERO),
            false,
        ),
        (
            "no HTTP is no failed connection",
            json!({ "unhealthy": { "http_failures": 200 } }),
            Ways::new(200, 2, Duration::ZERO),
            true,
        ),
        (
            "bad statuses",
            json!({ "unhealthy": { "http_statuses": [418] } }),
            Ways::new(200, 418, Duration::ZERO),
            false,
        ),
        (
            "other statuses",
            json!({ "unhealthy": { "http_statuses": [418] } }),
            Ways::new(200, 500, Duration::ZERO),
            true,
        ),
        ("type tcp", json!({ "type": "tcp" }), Ways::new(200, 500, Duration::ZERO), true),
    ];
    let all = cases.into_iter().map(|(what, fields, ways, serves)| async move {
        let other = Ways::well();
        let (node, beside) = (ways.node().await, other.node().await);
        let gateway = gateway(&[&node, &beside], json!({ "checks": { "active": active(fields.clone()) } }));
        let mut client = Client::connect(gateway.http).await;
        client.get("/").await.expect("an answer");
        if serves {
            // A probe of type `tcp` asks nothing. When the third comes, the second has been judged.
            let (is_tcp, enough) = (fields["type"] == "tcp", node.connections() + 3);
            until(what, || if is_tcp { node.connections() >= enough } else { ways.probes() >= 3 }).await;
            assert!(is_served(&mut client, &ways).await, "{what}");
        } else {
            until_left_out(what, &mut client, &ways).await;
        }
        assert!(is_served(&mut client, &other).await, "{what}: the other node");
        gateway.stop().await;
    });
    futures_util::future::join_all(all).await;
}

#[tokio::test]
async fn only_good_statuses_bring_a_node_back() {
    for (field, good, neither) in [(json!([204, 418]), 418, 200), (Value::Null, 302, 204)] {
        let (ways, other) = (Ways::new(200, 500, Duration::ZERO), Ways::well());
        other.probes.store(good, SeqCst);
        let (node, beside) = (ways.node().await, other.node().await);
        let mut fields = json!({});
        if field.is_array() {
            fields = json!({ "healthy": { "http_statuses": field } });
        }
        let gateway = gateway(&[&node, &beside], json!({ "checks": { "active": active(fields) } }));
        let mut client = Client::connect(gateway.http).await;
        until_left_out("a bad status", &mut client, &ways).await;
        ways.probes.store(neither, SeqCst);
        let before = ways.probes();
        until("it is probed twice more", || ways.probes() >= before + 2).await;
        assert!(!is_served(&mut client, &ways).await, "{neither} says nothing");
        ways.probes.store(good, SeqCst);
        let started = Instant::now();
        while !is_served(&mut client, &ways).await {
            assert!(started.elapsed() < DEADLINE, "{good} brings it back");
        }
        gateway.stop().await;
    }
}

#[tokio::test]
async fn concurrency_bounds_the_probes_under_way() {
    for (concurrency, at_once) in [(1, 1..=1), (2, 2..=2), (10, 3..=4)] {
        let ways = Ways::new(200, 200, Duration::from_millis(500));
        let nodes = [ways.node().await, ways.node().await, ways.node().await, ways.node().await];
        let fields = json!({ "concurrency": concurrency, "timeout": 10 });
        let gateway = gateway(&nodes.each_ref(), json!({ "checks": { "active": active(fields) } }));
        Client::connect(gateway.http).await.get("/").await.expect("an answer");
        until("every node is probed", || ways.probes() >= 8).await;
        let seen = ways.seen.probes_at_once.load(SeqCst);
        assert!(at_once.contains(&seen), "{concurrency}: {seen} at once");
        gateway.stop().await;
    }
}

#[tokio::test]
async fn probes_of_https_look_at_certificates_when_they_are_told_to() {
    let (known, stranger) = (authority(), authority());
    let _authorities = trust(&known);
    let good = tls_node(server_config(&known, "localhost", 4000), b"good").await;
    let bad = [
        ("a stranger's", server_config(&stranger, "localhost", 4000)),
        ("for another name", server_config(&known, "elsewhere.test", 4000)),
        ("expired", server_config(&known, "localhost", 2002)),
    ];
    for (what, config) in bad {
        let bad = tls_node(config, b"bad").await;
        let nodes = json!({ format!("localhost:{}", good.port()): 1, format!("localhost:{}", bad.port()): 1 });
        let route = |id: &str, verify: Value| {
            let mut active = active(json!({ "type": "https" }));
            if !verify.is_null() {
                active["https_verify_certificate"] = verify;
            }
            // Requests do not look at it, so that the probe alone decides.
            let upstream =
                json!({ "scheme": "https", "pass_host": "node", "nodes": nodes, "checks": { "active": active } });
            put(&format!("route/{id}"), json!({ "uri": format!("/{id}"), "upstream": upstream }))
        };
        let gateway =
            Gateway::start(vec![route("yes", true.into()), route("default", Value::Null), route("no", false.into())]);
        let mut client = Client::connect(gateway.http).await;
        for path in ["/yes", "/default"] {
            let (started, mut row) = (Instant::now(), 0);
            while row < 20 {
                assert!(started.elapsed() < DEADLINE, "{what}: {path}");
                let answer = client.get(path).await.expect("an answer");
                row = if answer.body == "good" { row + 1 } else { 0 };
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        let mut bodies = Vec::new();
        // Longer than between two probes.
        let started = Instant::now();
        while started.elapsed() < Duration::from_millis(1500) {
            bodies.push(client.get("/no").await.expect("an answer").body);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(bodies.iter().rev().take(4).any(|body| body == "bad"), "{what}: not looked at, both serve");
        gateway.stop().await;
    }
}

#[tokio::test]
async fn passive_failures_of_each_kind_leave_a_node_out() {
    // How a node fares with requests, the field that counts it, how often it is asked, and other fields.
    for (status, field, most, passive) in [
        (0, "tcp_failures", 3, json!({})),
        (0, "tcp_failures", 5, json!({})),
        (1, "timeouts", 2, json!({})),
        (1, "timeouts", 4, json!({})),
        (500, "http_failures", 3, json!({})),
        (500, "http_failures", 3, json!({ "type": "tcp" })),
        // What the client gets for it is a status, too.
        (0, "http_failures", 2, json!({ "unhealthy": { "http_statuses": [502] } })),
        (1, "http_failures", 2, json!({ "unhealthy": { "http_statuses": [504] } })),
    ] {
        let (ways, other) = (Ways::new(status, 200, Duration::ZERO), Ways::well());
        let (node, beside) = (ways.node().await, other.node().await);
        let mut passive = passive;
        for none in ["http_failures", "tcp_failures", "timeouts"] {
            passive["unhealthy"][none] = 0.into();
        }
        passive["unhealthy"][field] = json!(most);
        let checks = json!({ "active": hardly_active(), "passive": passive });
        let timeout = json!({ "connect": 5, "send": 5, "read": 1 });
        let gateway = gateway(&[&node, &beside], json!({ "checks": checks, "timeout": timeout, "retries": 0 }));
        let mut client = Client::connect(gateway.http).await;
        for _ in 0..4 * most {
            client.get("/").await.expect("an answer");
        }
        assert_eq!(ways.requests(), most, "{field}: {most}");
        gateway.stop().await;
    }
    // What counts none leaves none out.
    let (ways, other) = (Ways::new(0, 200, Duration::ZERO), Ways::well());
    let (node, beside) = (ways.node().await, other.node().await);
    let unhealthy = json!({ "http_failures": 1, "tcp_failures": 0, "timeouts": 1 });
    let checks = json!({ "active": hardly_active(), "passive": { "unhealthy": unhealthy } });
    let gateway = gateway(&[&node, &beside], json!({ "checks": checks, "retries": 0 }));
    let mut client = Client::connect(gateway.http).await;
    for _ in 0..20 {
        client.get("/").await.expect("an answer");
    }
    assert_eq!(ways.requests(), 10);
    gateway.stop().await;
}

/// Probes of a healthy node come hourly: the one that traffic has turned need not wait for the next of those.
#[tokio::test]
async fn a_node_that_turns_is_probed_as_often_as_what_it_is_now() {
    let (ways, other) = (Ways::well(), Ways::well());
    let (node, beside) = (ways.node().await, other.node().await);
    let active = active(json!({ "healthy": { "interval": 3600 } }));
    let checks = json!({ "active": active, "passive": { "unhealthy": { "http_failures": 1 } } });
    let gateway = gateway(&[&node, &beside], json!({ "checks": checks }));
    let mut client = Client::connect(gateway.http).await;
    client.get("/").await.expect("an answer");
    until("both are probed", || ways.probes() == 1 && other.probes() == 1).await;
    ways.requests.store(500, SeqCst);
    while client.get("/").await.expect("an answer").status != 500 {}
    ways.requests.store(200, SeqCst);
    until("it is probed again", || ways.probes() == 2).await;
    let started = Instant::now();
    while !is_served(&mut client, &ways).await {
        assert!(started.elapsed() < DEADLINE, "it comes back");
    }
    assert_eq!(other.probes(), 1);
    gateway.stop().await;
}

/// Over TLS a node is asked for what requests ask it for, and must have a certificate for that.
#[tokio::test]
async fn probes_of_https_ask_for_the_host_that_requests_get() {
    let (known, stranger) = (authority(), authority());
    let _authorities = trust(&known);
    let good = tls_node(server_config(&known, "localhost", 4000), b"good").await;
    let bad = tls_node(server_config(&stranger, "localhost", 4000), b"bad").await;
    let upstream = json!({
        "scheme": "https", "pass_host": "rewrite", "upstream_host": "localhost:8443",
        "nodes": { good.to_string(): 1, bad.to_string(): 1 }, "checks": { "active": active(json!({ "type": "https" })) },
    });
    let gateway = Gateway::start(vec![put("route/r", json!({ "uri": "/*", "upstream": upstream }))]);
    let mut client = Client::connect(gateway.http).await;
    let (started, mut row) = (Instant::now(), 0);
    while row < 20 {
        assert!(started.elapsed() < DEADLINE, "the stranger is never left out alone");
        row = if client.get("/").await.expect("an answer").body == "good" { row + 1 } else { 0 };
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    gateway.stop().await;
}

/// While no node is healthy all serve, and the one that is well again is found out by its answers.
#[tokio::test]
async fn passive_successes_bring_a_node_back() {
    for successes in [2, 6] {
        let (ways, other) = (Ways::new(500, 200, Duration::ZERO), Ways::new(500, 200, Duration::ZERO));
        let (node, beside) = (ways.node().await, other.node().await);
        let passive = json!({ "healthy": { "successes": successes }, "unhealthy": { "http_failures": 1 } });
        let checks = json!({ "active": hardly_active(), "passive": passive });
        let gateway = gateway(&[&node, &beside], json!({ "checks": checks }));
        let mut client = Client::connect(gateway.http).await;
        for _ in 0..6 {
            assert_eq!(client.get("/").await.expect("an answer").status, 500);
        }
        ways.requests.store(200, SeqCst);
        let (well, ill) = (ways.requests(), other.requests());
        for _ in 0..40 {
            client.get("/").await.expect("an answer");
        }
        let (well, ill) = (ways.requests() - well, other.requests() - ill);
        assert!((successes - 1..=successes + 1).contains(&ill), "{successes}: the other one was asked {ill} times");
        assert_eq!(well + ill, 40);
        gateway.stop().await;
    }
}
