//! What an instance tells of itself: on its own ports, and to the control plane.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Process, client, command, control_plane, directory, free, get, soon, soon_status, upstream};

const ANY: (&str, &str) = ("127.0.0.1:0", "127.0.0.1:0");
const DEADLINE: Duration = Duration::from_secs(40);

/// Where an instance listens.
struct Ports {
    http: SocketAddr,
    status: SocketAddr,
    metrics: SocketAddr,
}

fn instance(dir: &std::path::Path, channel: &str, token: &str, ports: &Ports) -> std::process::Command {
    let mut command = command(&["gateway", "--control-plane", channel, "--https-listen", "127.0.0.1:0"]);
    command.arg(format!("--http-listen={}", ports.http)).arg(format!("--status-listen={}", ports.status));
    command.arg(format!("--metrics-listen={}", ports.metrics)).args(["--workers", "1", "--data-dir"]).arg(dir);
    command.env("FLOTILLA_JOIN_TOKEN", token);
    command
}

async fn status(http: &reqwest::Client, ports: &Ports) -> Value {
    let (code, text) = get(http, ports.status, "/status").await.expect("a page");
    assert_eq!(code, 200);
    serde_json::from_str(&text).expect("JSON")
}

#[tokio::test]
async fn an_instance_is_ready_when_it_serves_and_tells_what_and_how_much() {
    let dir = directory();
    let node = upstream("up").await;
    let control = control_plane(&dir.path().join("control"), ANY);
    control.api.route("default", "/x", node).await;
    let down = json!({ "paths": ["/down"], "name": "down", "upstream": { "nodes": { free().to_string(): 1 } } });
    control.api.put("default", "routes/down", down).await;
    control.api.put("default", "global_rules/metrics", json!({ "plugins": { "prometheus": {} } })).await;
    let token = control.api.join_token("default").await;
    let channel = control.channel.clone();
    let (api, listen) = control.kill();

    // Without a control plane and without a configuration it is there, and serves nobody.
    let ports = Ports { http: free(), status: free(), metrics: free() };
    let starting = instance(&dir.path().join("g"), &channel, &token, &ports);
    let starting = std::thread::spawn(move || Process::start(starting));
    let http = client();
    soon_status(&http, ports.status, "/status/ready", 503).await;
    let told = status(&http, &ports).await;
    assert_eq!(
        (&told["status"], &told["connected"], &told["revision"]),
        (&json!("not ready"), &json!(false), &json!(null))
    );
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(500) {
        let answer = get(&http, ports.http, "/x").await;
        assert!(answer.as_ref().is_none_or(|(status, _)| *status == 503), "{answer:?}");
    }

    let control = control_plane(&dir.path().join("control"), (&api, &listen));
    let serving = loop {
        let answer = get(&http, ports.http, "/x").await;
        assert!(answer.as_ref().is_none_or(|(status, _)| [200, 503].contains(status)), "{answer:?}");
        if starting.is_finished() {
            break starting.join().expect("it has become ready");
        }
    };
    assert_eq!(get(&http, ports.status, "/status/ready").await.map(|(status, _)| status), Some(200));
    control.api.until_acknowledged("default").await;
    let (told, known) = (status(&http, &ports).await, control.api.call("GET", "/api/instances", None).await);
    let known = &known["list"][0];
    assert_eq!((&told["status"], &told["connected"]), (&json!("ok"), &json!(true)), "{told}");
    assert_eq!((&told["gateway_group_id"], &told["instance_id"]), (&json!("default"), &known["id"]), "{told}");
    assert_eq!(told["revision"], known["applied_revision"], "{told}");

    for _ in 0..5 {
        assert_eq!(get(&http, ports.http, "/x").await, Some((200, "up".into())));
    }
    assert_eq!(get(&http, ports.http, "/down").await.map(|(status, _)| status), Some(502));
    let (_, page) = get(&http, ports.metrics, "/apisix/prometheus/metrics").await.expect("a page");
    let counts = |start: &str, count: &str| {
        page.lines().any(|line| line.starts_with(start) && line.contains("route=\"r\"") && line.ends_with(count))
    };
    assert!(
        counts("apisix_http_status{code=\"200\"", " 5") || counts("apisix_http_status{code=\"200\"", " 6"),
        "{page}"
    );
    assert!(page.contains("apisix_http_status{code=\"502\""), "{page}");
    assert_eq!(get(&http, ports.metrics, "/other").await.map(|(status, _)| status), Some(404));

    let begun = Instant::now();
    loop {
        let known = control.api.call("GET", "/api/instances", None).await;
        let counters = &known["list"][0]["counters"];
        let count = |name: &str| counters[name].as_u64().unwrap_or_default();
        if count("requests") >= 6 && count("responses_5xx") >= 1 {
            break;
        }
        assert!(begun.elapsed() < DEADLINE, "its counters do not arrive: {}", known["list"][0]);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    soon(&http, ports.http, "/x", (200, "up")).await;
    assert!(serving.stop().success());
    assert!(get(&http, ports.status, "/status/ready").await.is_none());
}

#[tokio::test]
async fn an_instance_whose_configuration_is_damaged_serves_nobody_until_it_has_a_good_one() {
    let dir = directory();
    let node = upstream("up").await;
    let control = control_plane(&dir.path().join("control"), ANY);
    control.api.route("default", "/x", node).await;
    let token = control.api.join_token("default").await;
    let place = dir.path().join("g");
    let ports = Ports { http: free(), status: free(), metrics: free() };
    let serving = Process::start(instance(&place, &control.channel, &token, &ports));
    let http = client();
    soon(&http, ports.http, "/x", (200, "up")).await;
    control.api.until_acknowledged("default").await;
    assert!(serving.stop().success());
    let channel = control.channel.clone();
    let (api, listen) = control.kill();

    let mut damaged = 0;
    for file in std::fs::read_dir(&place).expect("a directory").flatten().map(|entry| entry.path()) {
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let mut bytes = std::fs::read(&file).expect("a file");
        if name.starts_with("last-good") && !bytes.is_empty() {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x55;
            std::fs::write(&file, bytes).expect("written");
            damaged += 1;
        }
    }
    assert!(damaged > 0, "{:?}", std::fs::read_dir(&place).expect("a directory").collect::<Vec<_>>());
    let starting = instance(&place, &channel, &token, &ports);
    let starting = std::thread::spawn(move || Process::start(starting));
    soon_status(&http, ports.status, "/status/ready", 503).await;
    let answer = get(&http, ports.http, "/x").await;
    assert!(answer.as_ref().is_none_or(|(status, _)| *status == 503), "{answer:?}");

    let _control = control_plane(&dir.path().join("control"), (&api, &listen));
    let _serving = starting.join().expect("it has become ready");
    soon(&http, ports.http, "/x", (200, "up")).await;
}
