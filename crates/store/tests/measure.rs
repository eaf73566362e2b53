//! Figures, not rules: `cargo test --release -p flotilla-store --test measure -- --ignored --nocapture`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod support;

use std::time::{Duration, Instant};

use model::policy::Scope;
use model::{Change, Digest, Kind};
use store::access::GroupAccess;
use store::config::{Commit, ResourceFilter};
use store::{Page, Store};
use support::*;
use testkit::postgres::Postgres;

const RESOURCES: u64 = 100_000;
const COMMITS: u64 = 500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures"]
async fn sqlite() {
    let directory = tempfile::tempdir().unwrap();
    measure(&open(&sqlite_url(&directory)).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures"]
async fn postgres() {
    let mut server = Postgres::start().unwrap();
    measure(&open(&server.database().unwrap()).await).await;
}

async fn measure(store: &Store) {
    let g = create_group(store, "g").await;
    let began = Instant::now();
    for batch in 0..RESOURCES / 10_000 {
        let routes = (batch * 10_000..(batch + 1) * 10_000).map(route).collect();
        write(store, &g, batch, routes).await;
    }
    println!("{RESOURCES} resources in batches of 10,000: {:?}", began.elapsed());

    let began = Instant::now();
    let loaded = store.config().load(&g).await.unwrap().1.len();
    println!("load of {loaded}: {:?}", began.elapsed());

    let began = Instant::now();
    let page = ResourceFilter { page: Some(Page::new(1, 10)), ..ResourceFilter::new(Kind::Route) };
    store.config().list(&g, &page, &Scope::Everything).await.unwrap();
    println!("first page of ten: {:?}", began.elapsed());

    let first = store.config().head(&g).await.unwrap().revision;
    let mut times: Vec<Duration> = Vec::new();
    for n in 0..COMMITS {
        let began = Instant::now();
        write(store, &g, first + n, vec![route(n)]).await;
        times.push(began.elapsed());
    }
    times.sort();
    let at = |share: usize| times[times.len() * share / 100];
    println!("commit of one route: median {:?}, p99 {:?}", at(50), at(99));

    let began = Instant::now();
    let read = store.config().revisions_after(&g, first, 500).await.unwrap().len();
    println!("{read} revisions: {:?}", began.elapsed());
}

fn route(n: u64) -> Change {
    let json = format!(
        r#"{{"name":"route {n}","uris":["/api/v1/tenant-{n}/*"],"methods":["GET","POST"],"labels":{{"line":"l{}"}},"upstream":{{"nodes":{{"10.0.0.1:8080":1}},"type":"roundrobin"}}}}"#,
        n % 20
    );
    put(Kind::Route, &format!("r{n}"), &json)
}

async fn write(store: &Store, group: &GroupAccess, parent: u64, changes: Vec<Change>) {
    let commit = Commit {
        group: group.clone(),
        parent,
        changes,
        digest: Digest::default(),
        signature: vec![0; 64],
        author: "user:test".into(),
        audit: entry("PutRoute"),
    };
    store.config().commit(commit).await.unwrap();
}
