//! What the command line tells of instances that fall behind, fall silent or may not join, by real processes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::verbs::{Verbs, refusal};
use support::{client, control_plane, directory, gateway, gateway_command, soon, upstream};

const ANY: (&str, &str) = ("127.0.0.1:0", "127.0.0.1:0");
/// An instance counts as lost after thirty seconds of silence; the machine may be busy with other tests.
const LOST: Duration = Duration::from_secs(90);

/// How many instances of the group `default` are in sync, behind and lost.
fn counts(verbs: &Verbs) -> [u64; 3] {
    let status = verbs.json(&["status"]);
    ["in_sync", "behind", "lost"].map(|key| status[0][key].as_u64().expect("a number"))
}

fn until(verbs: &Verbs, wanted: [u64; 3]) {
    let started = Instant::now();
    while counts(verbs) != wanted {
        assert!(started.elapsed() < LOST, "{:?}, not {wanted:?}", counts(verbs));
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The ids of the instances with this status.
fn ids(verbs: &Verbs, status: &str) -> Vec<String> {
    let list = verbs.json(&["instance", "list", "--group", "default", "--status", status]);
    let id = |instance: &Value| instance["id"].as_str().expect("an id").to_owned();
    list.as_array().expect("a list").iter().map(id).collect()
}

#[tokio::test]
async fn who_stands_still_is_behind_then_lost_and_comes_back() {
    let dir = directory();
    let control = control_plane(&dir.path().join("control"), ANY);
    let verbs = Verbs::of(&control).await;
    let (one, two) = (upstream("one").await, upstream("two").await);
    control.api.route("default", "/x", one).await;
    let token = control.api.join_token("default").await;
    let start = |name: &str| gateway(&dir.path().join(name), &control.channel, Some(&token));
    let sleeper = start("sleeper");
    until(&verbs, [1, 0, 0]);
    let of_sleeper = ids(&verbs, "healthy");
    let (steady, gone) = (start("steady"), start("gone"));
    until(&verbs, [3, 0, 0]);

    sleeper.signal(libc::SIGSTOP);
    control.api.route("default", "/x", two).await;
    until(&verbs, [2, 1, 0]);
    assert_eq!(ids(&verbs, "out_of_sync"), of_sleeper);

    gone.kill();
    until(&verbs, [1, 0, 2]);
    let lost = ids(&verbs, "lost_connection");
    assert!(lost.len() == 2 && lost.contains(&of_sleeper[0]), "{lost:?}");
    let table = verbs.text(&["status"]);
    let row: Vec<_> = table.lines().last().expect("a row").split_whitespace().collect();
    assert_eq!(row[2..5], ["1", "0", "2"], "{table}");
    let listed = verbs.text(&["instance", "list", "--status", "lost_connection"]);
    assert!(listed.contains(&of_sleeper[0]) && listed.contains("lost_connection"), "{listed}");

    sleeper.signal(libc::SIGCONT);
    until(&verbs, [2, 0, 1]);
    let http = client();
    for instance in [&sleeper, &steady] {
        soon(&http, instance.http(), "/x", (200, "two")).await;
    }
}

#[tokio::test]
async fn a_token_that_does_not_hold_ends_the_start_with_its_reason() {
    let dir = directory();
    let control = control_plane(&dir.path().join("control"), ANY);
    let verbs = Verbs::of(&control).await;
    let short_lived = verbs.text(&["group", "token", "default", "--expires", "1s"]);
    let good = control.api.join_token("default").await;
    let (secret, fingerprint) = good.split_once('.').expect("a secret and a fingerprint");
    let unknown = format!("{}.{fingerprint}", secret.chars().rev().collect::<String>());
    // Ends of tokens are counted in whole seconds.
    std::thread::sleep(Duration::from_secs(3));
    let wrong = [
        (short_lived.trim(), "the join token has expired"),
        (&unknown, "the join token is not known or was revoked"),
        (&good[..good.len() - 1], "the join token's fingerprint is not 64 hexadecimal digits"),
        (secret, "a join token has the form <secret>.<fingerprint of the control plane's CA>"),
    ];
    for (token, reason) in wrong {
        let place = dir.path().join("refused");
        let said = refusal(gateway_command(&place, &control.channel, Some(token)));
        assert!(said.contains(reason), "{reason}: {said}");
        assert!(!said.contains(token), "a secret in the log: {said}");
    }
    let listed = control.api.call("GET", "/api/instances", None).await;
    assert_eq!(listed["list"], json!([]), "nobody has joined");
}
