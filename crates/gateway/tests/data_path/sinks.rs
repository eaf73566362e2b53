//! A log's server that is gone, deaf or slow: no request waits for it, what it cannot take is dropped and counted.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Client, Echo, Gateway, Script, put, refused_port, settings, until};

/// Entries that did not come to their sink, as operators see it.
fn dropped() -> u64 {
    let page = plugins::prometheus::page().unwrap_or_default();
    let line = page.lines().find(|line| line.starts_with("flotilla_log_entries_dropped_total "));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_default()
}

fn gauges() -> plugins::prometheus::Gauges {
    plugins::prometheus::Gauges {
        hostname: String::new(),
        requests_total: 0,
        connections_accepted: 0,
        connections_handled: 0,
        connections_active: 0,
        requests_now: 0,
        config_revision: None,
        config_reachable: false,
        upstreams: Vec::new(),
    }
}

fn logging(uri: String) -> Value {
    json!({ "http-logger": { "uri": uri, "batch_max_size": 10, "timeout": 1, "max_retry_count": 0, "inactive_timeout": 1 } })
}

#[tokio::test]
async fn no_request_waits_for_a_log_and_what_is_lost_is_counted() {
    let echo = Echo::start().await;
    // One that takes a batch and never answers.
    let deaf = Script::start(|_, mut exchange| async move { exchange.closed().await }).await;
    let sinks = [("gone", refused_port().await), ("deaf", deaf.address.to_string())];
    let plain = put("route/plain", json!({ "uri": "/plain", "upstream": { "nodes": echo.nodes() } }));
    let routes = sinks.iter().map(|(id, sink)| {
        let plugins = logging(format!("http://{sink}/"));
        let route = json!({ "uri": format!("/{id}"), "plugins": plugins, "upstream": { "nodes": echo.nodes() } });
        put(&format!("route/{id}"), route)
    });
    let gateway = Gateway::start_with(settings(), plugins::registry(), routes.chain([plain]).collect());
    plugins::prometheus::publish(gauges);
    let before = dropped();
    let mut client = Client::connect(gateway.http).await;
    for path in ["/gone", "/deaf"] {
        for _ in 0..200 {
            let sent = Instant::now();
            assert_eq!(client.get(path).await.expect("an answer").status, 200);
            // The sink's own timeout is a second.
            assert!(sent.elapsed() < Duration::from_millis(800), "{path}: {:?}", sent.elapsed());
        }
    }
    until("all of the sink that is gone is counted", || dropped() >= before + 200).await;
    gateway.stop().await;
}
