//! A control plane on SQLite is killed while it commits: every acknowledged commit stands afterwards, and
//! none stands by half.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use model::{Change, Kind, Revision};
use support::*;

/// Tells the child process which database to write to.
const URL: &str = "FLOTILLA_KILL_TEST_URL";
const ACKNOWLEDGED: &str = "acknowledged ";

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9() {
    let directory = tempfile::tempdir().unwrap();
    let url = sqlite_url(&directory);
    create_group(&open(&url).await, "g").await;
    let mut acknowledged = 0;
    for round in 1..=6 {
        // Each round dies at another moment of the loop.
        acknowledged = commit_until_killed(&url, 5 * round).max(acknowledged);
        let store = open(&url).await;
        let head = assert_log_is_whole(&store, &group("g")).await;
        assert!(head >= acknowledged, "revision {acknowledged} was acknowledged, the head is {head}");
        assert!(head <= acknowledged + 1, "one commit at most was under way");
        acknowledged = head;
    }
}

/// Lets a child commit in a loop and kills it after some acknowledgements; returns the last one.
fn commit_until_killed(url: &str, count: usize) -> Revision {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "commits_in_a_loop", "--ignored", "--nocapture", "--test-threads=1"])
        .env(URL, url)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut revisions = lines.by_ref().filter_map(|line| line.rsplit_once(ACKNOWLEDGED)?.1.parse().ok());
    let seen: Option<Revision> = revisions.by_ref().take(count).last();
    child.kill().unwrap();
    child.wait().unwrap();
    // What it acknowledged between our last look and its death counts as well.
    revisions.last().or(seen).expect("the child acknowledged nothing")
}

#[tokio::test]
#[ignore = "the child process of what_was_acknowledged_survives_kill_9"]
async fn commits_in_a_loop() {
    let Ok(url) = std::env::var(URL) else { return };
    let (store, g) = (open(&url).await, group("g"));
    loop {
        let parent = store.config().head(&g).await.unwrap().revision;
        let json = format!(r#"{{"name":"n{parent}","labels":{{"n":"{parent}"}}}}"#);
        let changes = vec![
            put(Kind::Route, &format!("r{}", parent % 7), &json),
            put(Kind::Service, &format!("s{parent}"), &json),
            Change::Delete(key(Kind::Service, &format!("s{}", parent.saturating_sub(3)))),
        ];
        let revision = commit(&store, &g, parent, changes).await.unwrap();
        println!("{ACKNOWLEDGED}{revision}");
        std::io::stdout().flush().unwrap();
    }
}
