//! Nodes that are named, with a name server that tells what the test wants.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use gateway::{AddressFamilies, Dns, Settings};
use serde_json::{Value, json};
use testkit::name_server::{NameServer, RecordType, Told};

use crate::support::{Client, DEADLINE, Echo, Gateway, put, refused_port, registry, settings, soon};

const ONE: [u8; 4] = [127, 0, 0, 1];
const TWO: [u8; 4] = [127, 0, 0, 2];

fn addresses(ttl: u32, all: &[[u8; 4]]) -> Told {
    Told::Addresses(ttl, all.iter().map(|address| IpAddr::from(*address)).collect())
}

/// One echo on each of two addresses, at one port.
async fn two_echoes() -> (Echo, Echo) {
    loop {
        let one = Echo::start_at((ONE, 0).into()).await.expect("a free port");
        if let Ok(two) = Echo::start_at((TWO, one.address.port()).into()).await {
            return (one, two);
        }
    }
}

/// Asks this server alone, and knows nothing from files.
fn asking(server: &NameServer) -> Dns {
    let (resolv_conf, hosts_file) = ("/nonexistent/resolv.conf".into(), "/nonexistent/hosts".into());
    Dns { servers: vec![server.address], resolv_conf, hosts_file, ..Dns::default() }
}

fn start(dns: Dns, upstream: Value) -> Gateway {
    let route = put("route/r", json!({ "uri": "/*", "upstream": upstream }));
    Gateway::start_with(Settings { dns, ..settings() }, registry(), vec![route])
}

fn named(port: u16) -> Value {
    json!({ "nodes": { format!("api.test:{port}"): 1 } })
}

async fn node(client: &mut Client) -> String {
    let answer = client.get("/").await.expect("an answer");
    answer.json()["node"].as_str().expect("a node").to_owned()
}

/// Asks until the node with this address answers.
async fn until_served_by(client: &mut Client, echo: &Echo) {
    let started = Instant::now();
    while node(client).await != echo.address.to_string() {
        assert!(started.elapsed() < DEADLINE, "waited in vain for {}", echo.address);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn when_the_time_to_live_is_over_the_new_address_is_used_even_on_a_kept_connection() {
    let ((one, two), server) = (two_echoes().await, NameServer::start().await.expect("a name server"));
    server.tell("api.test", addresses(2, &[ONE]));
    let gateway = start(asking(&server), named(one.address.port()));
    let mut client = Client::connect(gateway.http).await;
    let first = Instant::now();
    assert_eq!(node(&mut client).await, one.address.to_string());
    server.tell("api.test", addresses(2, &[TWO]));
    for _ in 0..10 {
        assert_eq!(node(&mut client).await, one.address.to_string(), "its time is not over");
    }
    assert_eq!(server.asked("api.test"), 1, "an answer is kept");
    until_served_by(&mut client, &two).await;
    assert!((Duration::from_millis(1800)..Duration::from_secs(4)).contains(&first.elapsed()), "{:?}", first.elapsed());
    gateway.stop().await;
}

#[tokio::test]
async fn the_bounds_of_the_settings_stand_above_the_records() {
    let ((one, two), server) = (two_echoes().await, NameServer::start().await.expect("a name server"));
    server.tell("api.test", addresses(86_400, &[ONE]));
    let dns = Dns { ttl_max: Duration::from_millis(300), ttl_min: Duration::ZERO, ..asking(&server) };
    let gateway = start(dns, named(one.address.port()));
    let mut client = Client::connect(gateway.http).await;
    assert_eq!(node(&mut client).await, one.address.to_string());
    server.tell("api.test", addresses(86_400, &[TWO]));
    until_served_by(&mut client, &two).await;
    gateway.stop().await;
    server.tell("api.test", addresses(0, &[ONE]));
    let gateway = start(Dns { ttl_min: Duration::from_secs(60), ..asking(&server) }, named(one.address.port()));
    let mut client = Client::connect(gateway.http).await;
    let before = server.asked("api.test");
    for _ in 0..20 {
        assert_eq!(node(&mut client).await, one.address.to_string());
    }
    assert_eq!(server.asked("api.test") - before, 1);
    gateway.stop().await;
}

#[tokio::test]
async fn many_addresses_take_turns() {
    let ((one, two), server) = (two_echoes().await, NameServer::start().await.expect("a name server"));
    server.tell("api.test", addresses(60, &[ONE, TWO]));
    let gateway = start(asking(&server), named(one.address.port()));
    let mut client = Client::connect(gateway.http).await;
    for _ in 0..20 {
        node(&mut client).await;
    }
    assert_eq!((one.requests(), two.requests()), (10, 10));
    assert_eq!((one.connections(), two.connections()), (1, 1), "connections are kept for each address");
    gateway.stop().await;
}

#[tokio::test]
async fn traffic_goes_on_when_the_name_server_dies_and_for_no_longer_than_it_may() {
    let (echo, server) = (Echo::start().await, NameServer::start().await.expect("a name server"));
    server.tell("api.test", addresses(1, &[ONE]));
    let dns = Dns { timeout: Duration::from_millis(400), stale: Duration::from_secs(2), ..asking(&server) };
    let gateway = start(dns, named(echo.address.port()));
    let mut client = Client::connect(gateway.http).await;
    let began = Instant::now();
    assert_eq!(client.get("/").await.expect("an answer").status, 200);
    server.tell("api.test", Told::Silence);
    let mut slowest = Duration::ZERO;
    while began.elapsed() < Duration::from_millis(2500) {
        let sent = Instant::now();
        assert_eq!(client.get("/").await.expect("an answer").status, 200, "after {:?}", began.elapsed());
        slowest = slowest.max(sent.elapsed());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(server.asked("api.test") > 2, "it is asked again");
    assert!(slowest < Duration::from_millis(700), "nobody waits for the dead server for long: {slowest:?}");
    while client.get("/").await.expect("an answer").status != 503 {
        assert!(began.elapsed() < DEADLINE, "addresses are kept for ever");
    }
    server.tell("api.test", addresses(1, &[ONE]));
    while client.get("/").await.expect("an answer").status != 200 {
        assert!(began.elapsed() < DEADLINE, "the server came back in vain");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_503_and_asked_for_once_in_a_while() {
    let (echo, server) = (Echo::start().await, NameServer::start().await.expect("a name server"));
    server.tell("api.test", Told::NoName(60));
    let gateway = start(asking(&server), named(echo.address.port()));
    let mut client = Client::connect(gateway.http).await;
    for _ in 0..5 {
        let answer = client.get("/").await.expect("an answer");
        assert_eq!((answer.status.as_u16(), answer.header("x-apisix-upstream-status")), (503, None));
        assert!(answer.text().contains("<center><h1>503 Service Temporarily Unavailable</h1></center>"));
    }
    assert_eq!(server.asked("api.test"), 1, "that there is no such name is kept, and is said of both families");
    server.tell("api.test", addresses(60, &[ONE]));
    let started = Instant::now();
    while client.get("/").await.expect("an answer").status != 200 {
        assert!(started.elapsed() < Duration::from_secs(10), "it is kept for seconds, not for a minute");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_name_that_goes_away_takes_its_node_along() {
    let ((one, two), server) = (two_echoes().await, NameServer::start().await.expect("a name server"));
    server.tell("api.test", addresses(1, &[ONE]));
    let nodes = json!({ format!("api.test:{}", one.address.port()): 1, two.address.to_string(): 1 });
    let gateway = start(asking(&server), json!({ "nodes": nodes, "retries": 0 }));
    let mut client = Client::connect(gateway.http).await;
    until_served_by(&mut client, &one).await;
    server.tell("api.test", Told::NoName(60));
    let (started, mut row) = (Instant::now(), 0);
    while row < 6 {
        assert!(started.elapsed() < DEADLINE, "its addresses are still used");
        let answer = client.get("/").await.expect("an answer");
        assert_eq!(answer.status, 200, "without retries, too, a node that has no address is no failure");
        row = if answer.json()["node"] == two.address.to_string() { row + 1 } else { 0 };
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_node_without_an_address_does_not_hide_what_the_other_did() {
    let server = NameServer::start().await.expect("a name server");
    let nodes = json!([
        { "host": "127.0.0.1", "port": refused_port().await.rsplit(':').next().unwrap().parse::<u16>().unwrap(), "weight": 1, "priority": 1 },
        { "host": "gone.test", "port": 80, "weight": 1 },
    ]);
    let gateway = start(asking(&server), json!({ "nodes": nodes }));
    assert_eq!(Client::connect(gateway.http).await.get("/").await.expect("an answer").status, 502);
    gateway.stop().await;
}

#[tokio::test]
async fn requests_that_come_at_once_wait_for_one_lookup() {
    let (echo, server) = (Echo::start().await, NameServer::start().await.expect("a name server"));
    server.tell("api.test", addresses(60, &[ONE]));
    let gateway = start(asking(&server), named(echo.address.port()));
    let all = (0..30).map(|_| {
        let to = gateway.http;
        tokio::spawn(async move { Client::connect(to).await.get("/").await.expect("an answer").status.as_u16() })
    });
    for one in all.collect::<Vec<_>>() {
        assert_eq!(soon("an answer", one).await.expect("no panic"), 200);
    }
    assert_eq!(server.asked("api.test"), 1);
    gateway.stop().await;
}

#[tokio::test]
async fn aliases_are_followed_and_the_hosts_file_and_search_domains_are_honoured() {
    let ((one, two), server) = (two_echoes().await, NameServer::start().await.expect("a name server"));
    let directory = tempfile::tempdir().expect("a directory");
    let (resolv_conf, hosts_file) = (directory.path().join("resolv.conf"), directory.path().join("hosts"));
    std::fs::write(&resolv_conf, "search svc.test\nnameserver 127.0.0.1\n").expect("written");
    std::fs::write(&hosts_file, "127.0.0.2 from-file.test # and nowhere else\n").expect("written");
    server.tell("alias.test", Told::Alias(60, "real.test".into()));
    server.tell("real.test", addresses(60, &[ONE]));
    server.tell("short.svc.test", addresses(60, &[TWO]));
    let dns = Dns { resolv_conf, hosts_file, ..asking(&server) };
    let port = one.address.port();
    let route = |name: &str| {
        let nodes = json!({ format!("{name}:{port}"): 1 });
        put(&format!("route/{name}"), json!({ "uri": format!("/{name}"), "upstream": { "nodes": nodes } }))
    };
    let changes = ["alias.test", "from-file.test", "short"].map(route);
    let gateway = Gateway::start_with(Settings { dns, ..settings() }, registry(), changes.into());
    let mut client = Client::connect(gateway.http).await;
    for (name, echo) in [("alias.test", &one), ("from-file.test", &two), ("short", &two)] {
        let answer = client.get(&format!("/{name}")).await.expect("an answer");
        assert_eq!(answer.json()["node"], echo.address.to_string(), "{name}");
    }
    assert_eq!(server.asked("from-file.test"), 0);
    gateway.stop().await;
}

#[tokio::test]
async fn active_checks_find_a_named_node_where_its_name_leads_them() {
    let ((one, two), server) = (two_echoes().await, NameServer::start().await.expect("a name server"));
    server.tell("api.test", addresses(1, &[ONE]));
    let checks = json!({ "active": {
        "type": "tcp", "healthy": { "interval": 1, "successes": 1 }, "unhealthy": { "interval": 1, "tcp_failures": 1 },
    } });
    let nodes = json!({ format!("api.test:{}", one.address.port()): 1 });
    let gateway = start(asking(&server), json!({ "nodes": nodes, "checks": checks }));
    let mut client = Client::connect(gateway.http).await;
    assert_eq!(node(&mut client).await, one.address.to_string());
    let probed = |echo: &Echo| echo.connections();
    crate::support::until("the node is probed", || probed(&one) > 1).await;
    assert_eq!(probed(&two), 0);
    server.tell("api.test", addresses(1, &[TWO]));
    crate::support::until("the probes follow the name", || probed(&two) > 0).await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_change_of_the_upstream_keeps_its_connections() {
    let (echo, server) = (Echo::start().await, NameServer::start().await.expect("a name server"));
    server.tell("api.test", addresses(60, &[ONE]));
    for node in [format!("api.test:{}", echo.address.port()), echo.address.to_string()] {
        let upstream = |desc: &str| json!({ "nodes": { node.as_str(): 1 }, "desc": desc });
        let mut gateway = start(asking(&server), upstream("before"));
        let mut client = Client::connect(gateway.http).await;
        let before = echo.connections();
        for desc in ["a", "b", "c"] {
            assert_eq!(client.get("/").await.expect("an answer").status, 200);
            gateway.apply(vec![put("route/r", json!({ "uri": "/*", "upstream": upstream(desc) }))]);
        }
        assert_eq!(client.get("/").await.expect("an answer").status, 200);
        assert_eq!(echo.connections() - before, 1, "{node}");
        gateway.stop().await;
    }
}

#[tokio::test]
async fn families_decide_what_is_asked_for() {
    let server = NameServer::start().await.expect("a name server");
    let port = refused_port().await.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    server.tell("api.test", Told::Addresses(60, vec!["::1".parse().expect("an address")]));
    let cases = [
        (AddressFamilies::Ipv4, 503, vec![RecordType::A]),
        (AddressFamilies::Ipv6, 502, vec![RecordType::AAAA]),
        (AddressFamilies::Ipv4First, 502, vec![RecordType::A, RecordType::AAAA]),
        (AddressFamilies::Ipv6First, 502, vec![RecordType::AAAA]),
    ];
    for (families, status, asked) in cases {
        let before = server.all_asked().len();
        let gateway = start(Dns { families, ..asking(&server) }, named(port));
        // Nobody listens there: what counts is whether there is an address.
        assert_eq!(crate::support::get(gateway.http, "/").await.status, status, "{families:?}");
        let all: Vec<_> = server.all_asked().split_off(before).into_iter().map(|(_, record)| record).collect();
        assert_eq!(all, asked, "{families:?}");
        gateway.stop().await;
    }
}

#[tokio::test]
async fn a_name_server_in_trouble_takes_no_address_away_and_the_next_one_is_asked() {
    let (echo, server) = (Echo::start().await, NameServer::start().await.expect("a name server"));
    server.tell("api.test", addresses(1, &[ONE]));
    let gateway = start(asking(&server), named(echo.address.port()));
    let mut client = Client::connect(gateway.http).await;
    assert_eq!(client.get("/").await.expect("an answer").status, 200);
    server.tell("api.test", Told::Failure);
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(2) {
        assert_eq!(client.get("/").await.expect("an answer").status, 200);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    gateway.stop().await;
    let next = NameServer::start().await.expect("a name server");
    next.tell("api.test", addresses(60, &[ONE]));
    for told in [Told::Silence, Told::Failure] {
        server.tell("api.test", told.clone());
        let servers = vec![server.address, next.address];
        let dns = Dns { servers, timeout: Duration::from_secs(2), ..asking(&server) };
        let gateway = start(dns, named(echo.address.port()));
        assert_eq!(crate::support::get(gateway.http, "/").await.status, 200, "the first one: {told:?}");
        gateway.stop().await;
    }
}
