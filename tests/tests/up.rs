//! `flotilla up`: one command gives everything, and takes it away again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::Path;

use serde_json::json;
use support::{Process, command, directory, get, soon, upstream};

fn up(dir: &Path) -> Process {
    let any = "127.0.0.1:0";
    let mut command = command(&["up", "--http-listen", any, "--https-listen", any, "--status-listen", any]);
    command.args(["--metrics-listen", any, "--api-http-listen", "127.0.0.1:0", "--api-https-listen", any]);
    command.args(["--channel-listen", any, "--workers", "1", "--data-dir"]).arg(dir);
    Process::start(command)
}

/// The API's address, from the file that `up` leaves for the client verbs.
fn api(dir: &Path) -> (String, String) {
    let text = std::fs::read_to_string(dir.join("login.toml")).expect("login.toml");
    let field = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).expect("a field");
        line.split('"').nth(1).expect("a value").to_owned()
    };
    (field("server"), field("token"))
}

#[tokio::test]
async fn one_command_serves_limits_and_ends_without_leftovers() {
    let dir = directory();
    let node = upstream("hello").await;
    let process = up(dir.path());
    let gateway = process.http();
    let (server, token) = api(dir.path());
    let http = support::client();
    let put = |path: &str, body: serde_json::Value| {
        let url = format!("{server}/apisix/admin/{path}?gateway_group_id=default");
        http.put(url).header("X-API-KEY", token.clone()).json(&body).send()
    };
    let plugins = json!({ "key-auth": {}, "limit-count": { "count": 2, "time_window": 60, "rejected_code": 429 } });
    let resources = [
        ("services/s", json!({ "name": "s", "upstream": { "nodes": { node.to_string(): 1 } } })),
        ("routes/r", json!({ "name": "r", "paths": ["/hello"], "service_id": "s", "plugins": plugins })),
        ("consumers/jack", json!({ "username": "jack" })),
        ("consumers/jack/credentials/k", json!({ "name": "k", "plugins": { "key-auth": { "key": "jack-key" } } })),
    ];
    for (path, body) in resources {
        let answer = put(path, body).await.expect("an answer");
        assert!(answer.status().is_success(), "{path}: {}", answer.text().await.unwrap_or_default());
    }
    soon(&http, gateway, "/hello", (401, "{\"message\":\"Missing API key in request\"}\n")).await;
    soon(&http, gateway, "/hello?apikey=jack-key", (200, "hello")).await;
    assert_eq!(get(&http, gateway, "/hello?apikey=jack-key").await, Some((200, "hello".into())));
    let (status, page) = get(&http, gateway, "/hello?apikey=jack-key").await.expect("an answer");
    assert!(status == 429 && page.contains("<title>429 Too Many Requests</title>"), "{status} {page}");
    assert_eq!(get(&http, gateway, "/no").await, Some((404, "{\"error_msg\":\"404 Route Not Found\"}\n".into())));

    assert!(process.stop().success());
    assert!(get(&http, gateway, "/hello").await.is_none(), "the gateway ended with the rest");

    // The same directory, the same routes; the limit begins afresh with the process.
    let process = up(dir.path());
    soon(&http, process.http(), "/hello?apikey=jack-key", (200, "hello")).await;
    assert!(process.stop().success());
}
