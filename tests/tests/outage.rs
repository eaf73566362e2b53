//! PostgreSQL goes away for ten seconds: the API says so, traffic goes on, and soon after all is well again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Api, Traffic, client, command, control_plane_on, directory, gateway, soon, upstream};
use testkit::postgres::Postgres;

const ANY: (&str, &str) = ("127.0.0.1:0", "127.0.0.1:0");
/// How long the database is away.
const OUTAGE: Duration = Duration::from_secs(10);
/// How soon the API says that it cannot.
const ANSWERED: Duration = Duration::from_secs(4);
/// How soon after its return every instance must be at the head.
const BACK_IN_SYNC: Duration = Duration::from_secs(5);

/// What `flotilla status` tells of the group `default`.
fn status(api: &Api, token: &str) -> Value {
    serde_json::from_str(&status_as(api, token, "json")).expect("json")
}

fn status_as(api: &Api, token: &str, output: &str) -> String {
    let mut command = command(&["status", "--output", output, "--server", &api.base]);
    let output = command.env("FLOTILLA_TOKEN", token).output().expect("ran");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// The API says that it cannot, and soon.
async fn refused(api: &Api, method: &str, path: &str, body: Option<Value>) {
    let asked = Instant::now();
    let (status, answer) = api.try_call(method, path, body).await.expect("the API answers");
    assert_eq!(status, 503, "{method} {path}: {answer}");
    assert!(answer["error_msg"].as_str().is_some_and(|text| !text.is_empty()), "{answer}");
    assert!(asked.elapsed() < ANSWERED, "{method} {path} took {:?}", asked.elapsed());
}

async fn token_of(api: &Api) -> String {
    let token = api.call("POST", "/api/tokens", Some(json!({ "name": "status", "expires_at": 0 }))).await;
    token.pointer("/value/token").and_then(Value::as_str).expect("a token").to_owned()
}

#[tokio::test]
async fn traffic_goes_on_without_the_database_and_all_is_in_sync_after_it() {
    let dir = directory();
    let mut postgres = Postgres::start().expect("a server");
    let control = control_plane_on(&postgres.database().expect("a database"), &dir.path().join("control"), ANY);
    let (one, two) = (upstream("one").await, upstream("two").await);
    control.api.route("default", "/x", one).await;
    let token = control.api.join_token("default").await;
    let instances = ["g1", "g2"].map(|name| gateway(&dir.path().join(name), &control.channel, Some(&token)));
    let http = client();
    for instance in &instances {
        soon(&http, instance.http(), "/x", (200, "one")).await;
    }

    postgres.stop().expect("stopped");
    let gone = Instant::now();
    let traffic = instances.each_ref().map(|instance| Traffic::start(instance.http(), "/x", "one"));
    let mut rounds = 0;
    while gone.elapsed() < OUTAGE {
        let body = json!({ "name": "lost", "paths": ["/lost"], "service_id": "s" });
        tokio::join!(
            refused(&control.api, "PUT", "/apisix/admin/routes/lost?gateway_group_id=default", Some(body)),
            refused(&control.api, "GET", "/apisix/admin/routes?gateway_group_id=default&service_id=s", None),
            refused(&control.api, "GET", "/apisix/admin/routes/r?gateway_group_id=default", None),
            refused(&control.api, "GET", "/api/gateway_groups", None),
        );
        rounds += 1;
    }
    assert!(rounds >= 2, "the API answered {rounds} times in {OUTAGE:?}");
    for traffic in traffic {
        assert!(traffic.stop().await > 100, "hardly anything was asked");
    }

    postgres.start_again().expect("started");
    let back = Instant::now();
    let changed = loop {
        let upstream = json!({ "name": "s", "upstream": { "nodes": { two.to_string(): 1 } } });
        let path = "/apisix/admin/services/s?gateway_group_id=default";
        if matches!(control.api.try_call("PUT", path, Some(upstream)).await, Ok((200..300, _))) {
            break back.elapsed();
        }
        assert!(back.elapsed() < BACK_IN_SYNC, "the API does not come back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    for instance in &instances {
        soon(&http, instance.http(), "/x", (200, "two")).await;
    }
    assert!(back.elapsed() < BACK_IN_SYNC, "writable after {changed:?}, served after {:?}", back.elapsed());
    let token = token_of(&control.api).await;
    let in_sync = |status: &Value| status[0]["in_sync"] == 2 && status[0]["lost"] == 0;
    while !in_sync(&status(&control.api, &token)) {
        assert!(back.elapsed() < BACK_IN_SYNC, "writable after {changed:?}, {}", status(&control.api, &token));
    }
    assert!(back.elapsed() < BACK_IN_SYNC, "in sync after {:?}", back.elapsed());
    let (told, table) = (status(&control.api, &token), status_as(&control.api, &token, "table"));
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["GROUP", "REVISION", "IN", "SYNC", "BEHIND", "LOST", "DIGEST"], "{table}");
    let row = ["default", &told[0]["revision"].to_string(), "2", "0", "0"].map(str::to_owned);
    assert_eq!(lines[1][..5], row, "{table}");
    let lost = control.api.try_call("GET", "/apisix/admin/routes/lost?gateway_group_id=default", None).await;
    assert_eq!(lost.expect("an answer").0, 404, "what was refused was not done");
}
