//! Two groups stay apart; a change reaches every instance of its group and no other; an instance outlives its control plane.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use support::{
    ControlPlane, Traffic, client, control_plane, control_plane_on, directory, gateway, gateway_command, get, soon,
    soon_status, upstream,
};
use testkit::postgres::Postgres;
use tokio::task::JoinHandle;

const ANY: (&str, &str) = ("127.0.0.1:0", "127.0.0.1:0");

async fn new_group(control: &ControlPlane, name: &str) -> String {
    let group = control
        .api
        .call("POST", "/api/gateway_groups", Some(json!({ "name": name, "labels": { "env": "prod" } })))
        .await;
    let id = group.pointer("/value/id").and_then(|id| id.as_str()).expect("an id");
    id.to_owned()
}

#[tokio::test]
async fn the_same_ids_in_two_groups_stay_apart_and_changes_reach_all_of_one() {
    let dir = directory();
    let (blue, green, red) = (upstream("blue").await, upstream("green").await, upstream("red").await);
    let control = control_plane(&dir.path().join("control"), ANY);
    let payment = new_group(&control, "payment-prod").await;
    control.api.route("default", "/x", blue).await;
    control.api.route(&payment, "/x", green).await;
    let token = control.api.join_token("default").await;
    let first = gateway(&dir.path().join("g1"), &control.channel, Some(&token));
    let second = gateway(&dir.path().join("g2"), &control.channel, Some(&token));
    let token = control.api.join_token(&payment).await;
    let other = gateway(&dir.path().join("g3"), &control.channel, Some(&token));
    let http = client();
    soon(&http, first.http(), "/x", (200, "blue")).await;
    soon(&http, second.http(), "/x", (200, "blue")).await;
    soon(&http, other.http(), "/x", (200, "green")).await;

    control.api.route("default", "/x", red).await;
    soon(&http, first.http(), "/x", (200, "red")).await;
    soon(&http, second.http(), "/x", (200, "red")).await;
    assert_eq!(get(&http, other.http(), "/x").await, Some((200, "green".into())), "another group is untouched");
}

#[tokio::test]
async fn an_instance_outlives_its_control_plane() {
    let dir = directory();
    let (one, two) = (upstream("one").await, upstream("two").await);
    let control = control_plane(&dir.path().join("control"), ANY);
    control.api.route("default", "/x", one).await;
    let token = control.api.join_token("default").await;
    let place = dir.path().join("g");
    let instance = gateway(&place, &control.channel, Some(&token));
    let http = client();
    soon(&http, instance.http(), "/x", (200, "one")).await;
    control.api.until_acknowledged("default").await;
    let channel = control.channel.clone();
    let (api, listen) = control.kill();

    assert_eq!(get(&http, instance.http(), "/x").await, Some((200, "one".into())));
    instance.kill();
    let instance = gateway(&place, &channel, None);
    assert_eq!(get(&http, instance.http(), "/x").await, Some((200, "one".into())), "from disk, once it is ready");

    let control = control_plane(&dir.path().join("control"), (&api, &listen));
    control.api.route("default", "/x", two).await;
    soon(&http, instance.http(), "/x", (200, "two")).await;
}

#[tokio::test]
async fn acknowledged_writes_survive_a_control_plane_killed_again_and_again() {
    let dir = directory();
    let place = dir.path().join("control");
    survive_kills(|listen| control_plane(&place, listen)).await;
}

#[tokio::test]
async fn they_survive_on_postgresql_too() {
    let dir = directory();
    let mut postgres = Postgres::start().expect("a server");
    let (database, place) = (postgres.database().expect("a database"), dir.path().join("control"));
    survive_kills(|listen| control_plane_on(&database, &place, listen)).await;
}

async fn survive_kills(start: impl Fn((&str, &str)) -> ControlPlane) {
    let dir = directory();
    let node = upstream("up").await;
    let mut control = start(ANY);
    control.api.route("default", "/x", node).await;
    let token = control.api.join_token("default").await;
    let instance = gateway(&dir.path().join("g"), &control.channel, Some(&token));
    let http = client();
    soon(&http, instance.http(), "/x", (200, "up")).await;
    let traffic = Traffic::start(instance.http(), "/x", "up");
    let (mut acknowledged, mut pairs) = (Vec::new(), BTreeSet::new());
    for round in 0..4 {
        let api = control.api.clone();
        let singles = Writes::start(move |n| {
            let (api, id) = (api.clone(), format!("k{round}-{n}"));
            async move {
                let path = format!("/apisix/admin/routes/{id}?gateway_group_id=default");
                let written = api.try_call("PUT", &path, Some(route(&id))).await;
                matches!(written, Ok((200..300, _))).then_some(id)
            }
        });
        let api = control.api.clone();
        // Two routes at once, of which there must never be one alone, acknowledged or not.
        let both = Writes::start(move |n| {
            let (api, id) = (api.clone(), format!("{round}-{n}"));
            async move {
                let put = |side: &str| {
                    let own = format!("{side}{id}");
                    json!({ "op": "put", "kind": "route", "id": own, "value": route(&own) })
                };
                let body = json!({ "changes": [put("left"), put("right")] });
                let written = api.try_call("POST", "/api/gateway_groups/default/batch", Some(body)).await;
                matches!(written, Ok((200..300, _))).then_some(id)
            }
        });
        singles.until(3).await;
        both.until(3).await;
        let (api, channel) = control.kill();
        acknowledged.extend(singles.end().await);
        pairs.extend(both.end().await);
        control = start((&api, &channel));
    }
    let answered = traffic.stop().await;
    assert!(answered > 20, "hardly anything was asked: {answered}");
    let all = control.api.call("GET", "/apisix/admin/routes?gateway_group_id=default&service_id=s", None).await;
    let stored: HashMap<&str, &str> = all["list"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|route| Some((route["id"].as_str()?, route["paths"][0].as_str()?)))
        .collect();
    for id in &acknowledged {
        assert_eq!(stored.get(id.as_str()), Some(&&*format!("/{id}")), "{id}");
    }
    let of =
        |side: &str| stored.keys().filter_map(|id| id.strip_prefix(side)).map(str::to_owned).collect::<BTreeSet<_>>();
    assert_eq!(of("left"), of("right"), "half a batch");
    assert!(of("left").is_superset(&pairs), "{pairs:?}");
    let history = control.api.call("GET", "/api/gateway_groups/default/revisions?page=1&page_size=10000", None).await;
    let mut revisions: Vec<_> =
        history["list"].as_array().expect("a list").iter().filter_map(|row| row["revision"].as_u64()).collect();
    revisions.sort_unstable();
    let expected: Vec<_> = (1..=revisions.len() as u64).collect();
    assert_eq!(revisions, expected, "revisions have no gaps");
    let last = acknowledged.last().expect("a write");
    soon(&http, instance.http(), &format!("/{last}"), (200, "up")).await;
    control.api.until_acknowledged("default").await;
    let head = control.api.call("GET", "/api/gateway_groups/default/status", None).await;
    let known = control.api.call("GET", "/api/instances", None).await;
    let digest = &head["value"]["digest"];
    assert!(digest.is_string() && *digest == known["list"][0]["applied_digest"], "{head} {}", known["list"][0]);
}

/// Writes one after another until one is refused.
struct Writes {
    written: Arc<AtomicUsize>,
    writing: JoinHandle<Vec<String>>,
}

impl Writes {
    /// `write` gives what was acknowledged.
    fn start<F>(write: impl Fn(usize) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Option<String>> + Send,
    {
        let written = Arc::new(AtomicUsize::new(0));
        let counted = written.clone();
        let writing = tokio::spawn(async move {
            let mut all = Vec::new();
            while let Some(id) = write(all.len()).await {
                all.push(id);
                counted.store(all.len(), Ordering::Relaxed);
            }
            all
        });
        Self { written, writing }
    }

    /// Waits until so many are acknowledged; more may be under way.
    async fn until(&self, count: usize) {
        while self.written.load(Ordering::Relaxed) < count {
            assert!(!self.writing.is_finished(), "a write was refused");
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }

    async fn end(self) -> Vec<String> {
        self.writing.await.expect("a writer")
    }
}

fn route(id: &str) -> Value {
    json!({ "name": id, "paths": [format!("/{id}")], "service_id": "s" })
}

#[tokio::test]
async fn a_revoked_instance_cannot_return_and_a_used_token_is_refused() {
    let dir = directory();
    let control = control_plane(&dir.path().join("control"), ANY);
    let path = "/api/gateway_groups/default/instance_token";
    let answer = control.api.call("POST", path, Some(json!({ "max_uses": 1 }))).await;
    let token = answer.pointer("/value/token_plain_text").or(answer.get("token_plain_text")).and_then(|t| t.as_str());
    let token = token.expect("a token").to_owned();
    let place = dir.path().join("g");
    let instance = gateway(&place, &control.channel, Some(&token));
    let refused = gateway_command(&dir.path().join("late"), &control.channel, Some(&token)).output().expect("ran");
    assert!(!refused.status.success());
    let reason = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(reason.contains("used up"), "{reason}");
    assert!(!reason.contains(&token), "a secret in the log");

    let list = control.api.call("GET", "/api/instances", None).await;
    let id = list["list"][0]["id"].as_str().expect("an instance").to_owned();
    control.api.call("DELETE", &format!("/api/gateway_groups/default/instances/{id}"), None).await;
    instance.kill();
    control.api.put("default", "routes/after", json!({ "name": "after", "paths": ["/after"], "plugins": {} })).await;
    let back = gateway(&place, &control.channel, None);
    let token = control.api.join_token("default").await;
    let fresh = gateway(&dir.path().join("fresh"), &control.channel, Some(&token));
    let http = client();
    // The route leads nowhere: 503 where it is known, 404 where it is not.
    soon_status(&http, fresh.http(), "/after", 503).await;
    let answer = get(&http, back.http(), "/after").await;
    assert_eq!(answer.map(|(status, _)| status), Some(404), "a revoked instance gets nothing new");
}
