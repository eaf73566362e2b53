//! Configuration changes under load: no request fails, each is served by one plan.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::support::{Client, Echo, Gateway, delete, get, put};

#[tokio::test]
async fn two_hundred_swaps_under_load_lose_nothing() {
    let (one, two) = (Echo::start().await, Echo::start().await);
    let route = |echo: &Echo| put("route/r", json!({ "uri": "/*", "upstream": { "nodes": echo.nodes() } }));
    let mut gateway = Gateway::start(vec![route(&one)]);
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let (address, stop) = (gateway.http, stop.clone());
            tokio::spawn(async move {
                let mut client = Client::connect(address).await;
                let mut answered = 0;
                while !stop.load(Ordering::Relaxed) {
                    let answer = client.get("/").await.expect("no connection is lost");
                    assert_eq!(answer.status, 200);
                    answered += 1;
                }
                answered
            })
        })
        .collect();
    for turn in 0..200 {
        gateway.apply(vec![route(if turn % 2 == 0 { &two } else { &one })]);
        // A request of our own between two swaps sees the new plan at once.
        let expected = if turn % 2 == 0 { &two } else { &one };
        assert_eq!(get(gateway.http, "/").await.json()["node"], expected.address.to_string());
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        assert!(client.await.expect("a client without failures") > 0);
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_removed_route_is_gone_and_a_refused_change_leaves_all_as_it_was() {
    let echo = Echo::start().await;
    let route = put("route/r", json!({ "uri": "/*", "upstream": { "nodes": echo.nodes() } }));
    let mut gateway = Gateway::start(vec![route]);
    let bad = [delete("route/r"), put("route/bad", json!({ "uri": "/x", "service_id": "missing" }))];
    let rejection = gateway.slot.apply(&bad).expect_err("a dangling reference");
    assert_eq!((rejection.key.to_string().as_str(), rejection.pointer.as_str()), ("route/bad", "/service_id"));
    assert_eq!(get(gateway.http, "/").await.status, 200);
    gateway.apply(vec![delete("route/r")]);
    assert_eq!(get(gateway.http, "/").await.status, 404);
    gateway.stop().await;
}

#[tokio::test]
async fn without_a_plan_the_answer_is_503_and_never_404() {
    let slot = gateway::PlanSlot::new(crate::support::registry());
    let bound = gateway::Bound::new(crate::support::settings()).expect("addresses");
    let running = bound.serve(&slot.plans()).expect("workers");
    assert_eq!(get(running.http[0], "/").await.status, 503);
    running.stop().await.expect("workers end well");
}
