//! `flotilla up`: one command gives everything, and takes it away again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use support::{Process, command, directory, get, soon, upstream};
use tokio::io::AsyncWriteExt;

fn up(dir: &Path) -> Process {
    Process::start(up_command(dir))
}

fn up_command(dir: &Path) -> Command {
    let any = "127.0.0.1:0";
    let mut command = command(&["up", "--http-listen", any, "--https-listen", any, "--status-listen", any]);
    command.args(["--metrics-listen", any, "--api-http-listen", "127.0.0.1:0", "--api-https-listen", any]);
    command.args(["--channel-listen", any, "--workers", "1", "--data-dir"]).arg(dir);
    command
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

/// What `up` printed behind these words.
fn told<'p>(process: &'p Process, label: &str) -> &'p str {
    let line = process.before.iter().find_map(|line| line.trim_start().strip_prefix(label));
    line.unwrap_or_else(|| panic!("no {label} in {:?}", process.before)).trim()
}

/// The user, password and address of the line to try.
fn curl(line: &str) -> (String, Option<String>, String) {
    let words: Vec<_> = line.split_whitespace().collect();
    let ["curl", "-u", who, url] = words[..] else { panic!("{line:?} is no such line") };
    let (user, password) =
        who.split_once(':').map_or((who, None), |(user, password)| (user, Some(password.to_owned())));
    (user.to_owned(), password, url.to_owned())
}

async fn list(url: &str, user: &str, password: &str) -> (u16, Value) {
    let answer = support::client().get(url).basic_auth(user, Some(password)).send().await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

#[tokio::test]
async fn what_it_prints_is_true_and_the_first_admin_gets_in_with_a_password_that_was_made_up() {
    let dir = directory();
    let mut command = up_command(dir.path());
    command.env_remove("FLOTILLA_ADMIN_PASSWORD");
    let process = Process::start(command);
    let (user, password, url) = curl(told(&process, "try"));
    let password = password.expect("a password that was made up is printed");
    assert_eq!(told(&process, "first admin"), format!("{user} / {password}"));
    assert!(password.len() >= 16, "{password:?} can be guessed");
    assert_eq!(list(&url, &user, "another").await.0, 401);
    let (status, groups) = list(&url, &user, &password).await;
    assert_eq!((status, &groups["list"][0]["name"]), (200, &json!("default")), "{groups}");

    let addresses = ["API", "gateway", "config channel"].map(|label| told(&process, label).to_owned());
    assert!(addresses[0].contains(url.trim_end_matches("/api/gateway_groups")), "{addresses:?}");
    assert!(addresses[1].contains(&format!("http://{}", process.http())), "{addresses:?}");
    assert!(addresses[2].starts_with("https://127.0.0.1:"), "{addresses:?}");
    let instances = url.replace("/gateway_groups", "/instances");
    let begun = std::time::Instant::now();
    loop {
        let (_, known) = list(&instances, &user, &password).await;
        assert_eq!((&known["total"], &known["list"][0]["gateway_group_id"]), (&json!(1), &json!("default")), "{known}");
        if known["list"][0]["status"] == "healthy" {
            break;
        }
        assert!(begun.elapsed() < std::time::Duration::from_secs(30), "{known}");
    }

    // As Ctrl-C does it.
    let gateway = process.http();
    process.signal(libc::SIGINT);
    assert!(process.end().success());
    assert!(get(&support::client(), gateway, "/").await.is_none(), "the gateway ended with the rest");

    // It is printed once.
    let mut command = up_command(dir.path());
    command.env_remove("FLOTILLA_ADMIN_PASSWORD");
    let process = Process::start(command);
    assert!(!process.before.iter().any(|line| line.contains(&password)), "{:?}", process.before);
    assert!(process.stop().success());
}

#[tokio::test]
async fn a_password_that_was_given_is_taken_and_not_printed() {
    let dir = directory();
    let process = up(dir.path());
    let (user, password, url) = curl(told(&process, "try"));
    assert_eq!(password, None);
    assert!(!process.before.iter().any(|line| line.contains(support::PASSWORD)), "{:?}", process.before);
    assert_eq!(list(&url, &user, support::PASSWORD).await.0, 200);
    assert!(process.stop().success());
}

#[tokio::test]
async fn ctrl_c_lets_requests_under_way_end() {
    let dir = directory();
    let slow = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("an address");
    let process = up(dir.path());
    let (server, token) = api(dir.path());
    let http = support::client();
    let nodes = json!({ slow.local_addr().expect("an address").to_string(): 1 });
    let body = json!({ "name": "s", "paths": ["/slow"], "upstream": { "nodes": nodes } });
    // What came after it is there, so it is, too.
    let there = json!({ "name": "t", "paths": ["/there"], "plugins": { "mocking": { "response_example": "yes" } } });
    for (id, body) in [("slow", body), ("there", there)] {
        let url = format!("{server}/apisix/admin/routes/{id}?gateway_group_id=default");
        let written = http.put(url).header("X-API-KEY", &token).json(&body).send().await.expect("an answer");
        assert!(written.status().is_success(), "{written:?}");
    }
    let gateway = process.http();
    support::soon_status(&http, gateway, "/there", 200).await;
    let asked = tokio::spawn({
        let http = http.clone();
        async move { get(&http, gateway, "/slow").await }
    });
    let (mut node, _) = slow.accept().await.expect("the request");
    process.signal(libc::SIGINT);
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    node.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone").await.expect("sent");
    assert_eq!(asked.await.expect("no panic"), Some((200, "done".into())));
    assert!(process.end().success());
}
