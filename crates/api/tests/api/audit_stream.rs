//! The audit log's stream to real sinks: that answer, are slow, refuse, are gone, and come back.
#![allow(clippy::expect_used)]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use api::audit_stream::{self, StreamPace};
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::fixture::{Fixture, admin, service};

const GOOD: u8 = 0;
const BROKEN: u8 = 1;
const SLOW: u8 = 2;

/// Quick, so that failures pass quickly.
fn pace() -> StreamPace {
    StreamPace {
        idle: Duration::from_millis(20),
        deadline: Duration::from_millis(400),
        first_wait: Duration::from_millis(20),
        longest_wait: Duration::from_millis(100),
        hold: Duration::from_secs(5),
        batch: 4,
    }
}

/// What a sink took.
#[derive(Default)]
struct Taken {
    mode: AtomicU8,
    rows: Mutex<Vec<Value>>,
    asked: Mutex<Vec<(String, String)>>,
}

impl Taken {
    fn rows(&self) -> Vec<Value> {
        self.rows.lock().expect("rows").clone()
    }

    /// Ids of the services written, as they arrived.
    fn services(&self) -> Vec<String> {
        let rows = self.rows();
        let services = rows.iter().filter(|row| row["event_type"] == "PutResource");
        services.filter_map(|row| Some(row["resource_id"].as_str()?.to_owned())).collect()
    }
}

async fn take(State(taken): State<Arc<Taken>>, headers: HeaderMap, body: String) -> StatusCode {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    taken.asked.lock().expect("asked").push((header("authorization"), header("content-type")));
    match taken.mode.load(Ordering::Relaxed) {
        BROKEN => return StatusCode::INTERNAL_SERVER_ERROR,
        SLOW => tokio::time::sleep(Duration::from_secs(60)).await,
        _ => {}
    }
    let values = serde_json::Deserializer::from_str(&body).into_iter::<Value>().filter_map(Result::ok);
    let values = values.flat_map(|value| match value {
        Value::Array(values) => values,
        value => vec![value],
    });
    taken.rows.lock().expect("rows").extend(values);
    StatusCode::NO_CONTENT
}

async fn webhook(address: SocketAddr, taken: Arc<Taken>) -> Result<(SocketAddr, JoinHandle<()>)> {
    let listener = TcpListener::bind(address).await?;
    let (address, router) = (listener.local_addr()?, Router::new().route("/in", post(take)).with_state(taken));
    Ok((address, tokio::spawn(async move { axum::serve(listener, router).await.expect("served") })))
}

async fn configure(api: &Fixture, stream: Value) -> Result<()> {
    api.put("/api/audit_logs/config", json!({ "stream": stream })).await?.good().map(drop)
}

fn to(address: SocketAddr) -> Value {
    json!({ "type": "webhook", "url": format!("http://{address}/in"), "header": { "name": "Authorization", "value": "Bearer hush" } })
}

/// A stream that ends with the test.
struct Streaming(CancellationToken, JoinHandle<()>);

impl Streaming {
    fn start(api: &Fixture) -> Self {
        Self::of(api.control.clone())
    }

    fn of(control: control::Control) -> Self {
        let stop = CancellationToken::new();
        Self(stop.clone(), tokio::spawn(audit_stream::run(control, pace(), stop)))
    }

    async fn end(self) -> Result<()> {
        self.0.cancel();
        Ok(self.1.await?)
    }
}

async fn write(api: &Fixture, ids: impl IntoIterator<Item = u32>) -> Result<()> {
    for n in ids {
        api.put(&admin(&format!("services/s{n}")), service(&format!("s{n}"))).await?.good()?;
    }
    Ok(())
}

fn named(ids: impl IntoIterator<Item = u32>) -> Vec<String> {
    ids.into_iter().map(|n| format!("s{n}")).collect()
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds().await? {
        ensure!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

async fn state(api: &Fixture) -> Result<Value> {
    Ok(api.get("/api/audit_logs/config").await?.good()?.body["value"]["stream_state"].clone())
}

fn any() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// In order, and of what came more than once the first.
fn once(mut ids: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::BTreeSet::new();
    ids.retain(|id| seen.insert(id.clone()));
    ids
}

#[tokio::test]
async fn a_webhook_takes_every_row_in_order_with_the_secret() -> Result<()> {
    let api = Fixture::start().await?;
    write(&api, [100]).await?;
    for (format, content_type) in [("lines", "application/x-ndjson"), ("array", "application/json")] {
        let taken = Arc::new(Taken::default());
        let (address, _server) = webhook(any(), taken.clone()).await?;
        let mut target = to(address);
        target["format"] = format.into();
        configure(&api, Value::Null).await?;
        configure(&api, target).await?;
        let streaming = Streaming::start(&api);
        write(&api, 0..10).await?;
        until("all arrive", async || Ok(taken.services().len() >= 10)).await?;
        assert_eq!(taken.services(), named(0..10), "nothing from before, in order, once");
        let asked = taken.asked.lock().expect("asked").clone();
        assert!(asked.iter().all(|asked| *asked == ("Bearer hush".to_owned(), content_type.to_owned())), "{asked:?}");
        // The row is the same that the API shows.
        let row = taken.rows().into_iter().find(|row| row["resource_id"] == "s3").context("s3")?;
        let shown = api.get("/api/audit_logs?resource_id=s3").await?.good()?.body["list"][0].clone();
        assert_eq!(row, shown);
        streaming.end().await?;
        for n in 0..10 {
            api.delete(&admin(&format!("services/s{n}"))).await?.good()?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_sink_that_refuses_or_is_slow_loses_nothing() -> Result<()> {
    let api = Fixture::start().await?;
    let taken = Arc::new(Taken::default());
    let (address, _server) = webhook(any(), taken.clone()).await?;
    configure(&api, to(address)).await?;
    taken.mode.store(BROKEN, Ordering::Relaxed);
    let streaming = Streaming::start(&api);
    write(&api, 0..6).await?;
    until("refusals are counted", async || Ok(state(&api).await?["failures"].as_u64() >= Some(3))).await?;
    let refused = state(&api).await?;
    assert!(refused["last_error"].as_str().context("error")?.contains("500"), "{refused}");
    assert!(refused["waiting"].as_u64() >= Some(6), "{refused}");
    taken.mode.store(SLOW, Ordering::Relaxed);
    let told = "within";
    until("slowness is counted", async || {
        let error = state(&api).await?["last_error"].as_str().unwrap_or_default().to_owned();
        Ok(error.contains(told) || error.contains("timed out"))
    })
    .await?;
    taken.mode.store(GOOD, Ordering::Relaxed);
    until("it catches up", async || Ok(once(taken.services()).len() == 6)).await?;
    assert_eq!(once(taken.services()), named(0..6));
    until("nothing waits", async || Ok(state(&api).await?["waiting"] == 0)).await?;
    assert_eq!(state(&api).await?["last_error"], "");
    streaming.end().await
}

#[tokio::test]
async fn a_sink_that_is_gone_is_waited_for_across_restarts() -> Result<()> {
    let api = Fixture::start().await?;
    let address = TcpListener::bind(any()).await?.local_addr()?;
    configure(&api, to(address)).await?;
    let streaming = Streaming::start(&api);
    write(&api, 0..3).await?;
    until("failures are counted", async || Ok(state(&api).await?["failures"].as_u64() >= Some(2))).await?;
    // The process that sends ends; another goes on from the cursor in the database.
    streaming.end().await?;
    write(&api, 3..6).await?;
    let streaming = Streaming::start(&api);
    let taken = Arc::new(Taken::default());
    let (_, server) = webhook(address, taken.clone()).await?;
    until("all arrive", async || Ok(taken.services().len() >= 6)).await?;
    assert_eq!(once(taken.services()), named(0..6));
    // It goes away once more, while connected.
    server.abort();
    write(&api, 6..9).await?;
    let (_, _server) = again(address, &taken).await?;
    until("the rest arrives", async || Ok(once(taken.services()).len() >= 9)).await?;
    assert_eq!(once(taken.services()), named(0..9));
    streaming.end().await
}

async fn again(address: SocketAddr, taken: &Arc<Taken>) -> Result<(SocketAddr, JoinHandle<()>)> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match webhook(address, taken.clone()).await {
            Ok(served) => return Ok(served),
            Err(error) => ensure!(Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn of_many_senders_one_sends() -> Result<()> {
    let api = Fixture::start().await?;
    let taken = Arc::new(Taken::default());
    let (address, _server) = webhook(any(), taken.clone()).await?;
    configure(&api, to(address)).await?;
    let senders: Vec<Streaming> = (0..3).map(|_| Streaming::start(&api)).collect();
    write(&api, 0..20).await?;
    until("all arrive", async || Ok(taken.services().len() >= 20)).await?;
    assert_eq!(taken.services(), named(0..20), "each once");
    for sender in senders {
        sender.end().await?;
    }
    Ok(())
}

/// One message with octet counting (RFC 6587), and the row in it.
async fn message(stream: &mut BufReader<TcpStream>) -> Result<Value> {
    let mut length = Vec::new();
    stream.read_until(b' ', &mut length).await?;
    let length: usize = String::from_utf8(length)?.trim().parse()?;
    let mut text = vec![0; length];
    stream.read_exact(&mut text).await?;
    row(&String::from_utf8(text)?)
}

/// RFC 5424: the sixth space parts the header from structured data and text.
fn row(text: &str) -> Result<Value> {
    let parts: Vec<&str> = text.splitn(8, ' ').collect();
    let [priority, time, host, name, _, action, data, json] = parts[..] else { anyhow::bail!("{text}") };
    ensure!(priority == "<110>1" && time.ends_with('Z') && (host, name, data) == ("-", "flotilla", "-"), "{text}");
    let row: Value = serde_json::from_str(json)?;
    ensure!(row["event_type"] == action, "{text}");
    Ok(row)
}

#[tokio::test]
async fn syslog_over_tcp_outlives_a_server_that_hangs_up() -> Result<()> {
    let api = Fixture::start().await?;
    let listener = TcpListener::bind(any()).await?;
    let address = listener.local_addr()?.to_string();
    let streaming = Streaming::start(&api);
    configure(&api, json!({ "type": "syslog", "address": address })).await?;
    let mut seen = Vec::new();
    for round in 0..3u32 {
        write(&api, round * 3..round * 3 + 3).await?;
        let (stream, _) = tokio::time::timeout(Duration::from_secs(20), listener.accept()).await??;
        let mut stream = BufReader::new(stream);
        while once(seen.clone()).len() < round as usize * 3 + 3 {
            let row = tokio::time::timeout(Duration::from_secs(20), message(&mut stream)).await??;
            if row["event_type"] == "PutResource" {
                seen.push(row["resource_id"].as_str().context("id")?.to_owned());
            }
        }
        // Dropped here: the sender has to notice and come back.
    }
    assert_eq!(once(seen), named(0..9));
    streaming.end().await
}

#[tokio::test]
async fn syslog_over_udp_is_a_datagram_a_row() -> Result<()> {
    let api = Fixture::start().await?;
    let socket = UdpSocket::bind(any()).await?;
    let address = socket.local_addr()?.to_string();
    configure(&api, json!({ "type": "syslog", "address": address, "transport": "udp" })).await?;
    let streaming = Streaming::start(&api);
    // A body that no datagram holds.
    let long = json!({ "name": "long", "desc": "x".repeat(60_000), "upstream": { "nodes": { "127.0.0.1:1": 1 } } });
    let first = api.put(&admin("services/long"), long).await?;
    ensure!(first.status == 200, "{first:?}");
    write(&api, 0..3).await?;
    let (mut seen, mut bytes) = (Vec::new(), vec![0; 65_536]);
    while seen.len() < 4 {
        let length = tokio::time::timeout(Duration::from_secs(20), socket.recv(&mut bytes)).await??;
        let row = row(std::str::from_utf8(&bytes[..length])?)?;
        if row["event_type"] == "PutResource" {
            seen.push((
                row["resource_id"].as_str().unwrap_or_default().to_owned(),
                row["detail"]["omitted"].is_string(),
            ));
        }
    }
    let expected = [("long", true), ("s0", false), ("s1", false), ("s2", false)];
    assert_eq!(seen, expected.map(|(id, omitted)| (id.to_owned(), omitted)));
    streaming.end().await
}
