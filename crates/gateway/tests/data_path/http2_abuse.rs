//! Clients of HTTP/2 that keep to its frames and not to its sense.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gateway::{Limits, Settings};
use http::{Request, StatusCode, Version};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::http2::handshake;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use testkit::http2::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEAD, HEADERS, PING, PREFACE, PRIORITY, RST_STREAM, SETTINGS,
    connect_from, frame, resets,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_stream::wrappers::ReceiverStream;

use crate::support::{DEADLINE, Echo, Gateway, Script, put, registry, settings, soon, until};

/// Of a client that says that we disturb it.
fn goes_away() -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 11])
}

fn ping() -> Vec<u8> {
    frame(PING, 0, 0, &[0; 8])
}

/// A connection whose frames the test writes, and the frames that came back.
struct Raw {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Raw {
    async fn connect(to: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(to).await.expect("the gateway listens");
        stream.set_nodelay(true).expect("a socket");
        stream.write_all(PREFACE).await.expect("sent");
        Self { stream, read: Vec::new() }
    }

    /// Whether it was taken.
    async fn send(&mut self, frames: &[u8]) -> bool {
        self.stream.write_all(frames).await.is_ok()
    }

    /// The next frame's type, flags, stream and payload; `None` when the gateway has closed.
    async fn next(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        loop {
            if let Some(header) = self.read.get(..9) {
                let length = usize::from(header[0]) << 16 | usize::from(header[1]) << 8 | usize::from(header[2]);
                if self.read.len() >= 9 + length {
                    let (kind, flags) = (header[3], header[4]);
                    let stream = u32::from_be_bytes([header[5], header[6], header[7], header[8]]);
                    let payload = self.read[9..9 + length].to_vec();
                    self.read.drain(..9 + length);
                    return Some((kind, flags, stream, payload));
                }
            }
            match soon("a frame", self.stream.read_buf(&mut self.read)).await {
                Ok(1..) => {}
                _ => return None,
            }
        }
    }

    /// Reads on until a frame of this type came; whether one did.
    async fn until(&mut self, wanted: u8) -> bool {
        while let Some((kind, flags, ..)) = self.next().await {
            if kind == wanted && (kind != SETTINGS || flags == 0) {
                return true;
            }
        }
        false
    }

    /// Sends `frame` again and again until the gateway closes; after how long.
    async fn insist(mut self, every: Duration, frame: Vec<u8>) -> Duration {
        let started = Instant::now();
        let mut piece = [0; 4096];
        loop {
            assert!(started.elapsed() < DEADLINE, "it is never closed");
            match tokio::time::timeout(every, self.stream.read(&mut piece)).await {
                Ok(Ok(1..)) => {}
                Ok(_) => return started.elapsed(),
                Err(_) if frame.is_empty() => {}
                Err(_) => {
                    if !self.send(&frame).await {
                        return started.elapsed();
                    }
                }
            }
        }
    }
}

fn to(node: serde_json::Value) -> Vec<model::Change> {
    vec![put("route/r", json!({ "uri": "/*", "upstream": { "nodes": node } }))]
}

fn limited(limits: Limits, changes: Vec<model::Change>) -> Gateway {
    Gateway::start_with(Settings { limits, ..settings() }, registry(), changes)
}

async fn is_served(to: SocketAddr) -> bool {
    crate::support::get(to, "/").await.status == 200
}

#[tokio::test]
async fn frames_that_ask_for_nothing_end_their_connection_and_no_other() {
    let echo = Echo::start().await;
    let gateway = Gateway::start(to(echo.nodes()));
    let cases = [
        ("pings", ping()),
        ("answers to pings that nobody asked for", frame(PING, 1, 0, &[0; 8])),
        ("settings", frame(SETTINGS, 0, 0, &[])),
        ("priorities", frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 9])),
        ("frames of no known type", frame(0xfa, 0, 0, b"x")),
        ("bodies' frames with nothing in them", frame(DATA, 0, 1, &[])),
    ];
    for (what, one) in cases {
        let mut raw = Raw::connect(gateway.http).await;
        // A request whose body may come.
        raw.send(&frame(HEADERS, END_HEADERS, 1, &[&[0x83], &HEAD[1..]].concat())).await;
        let (mut read, mut write) = raw.stream.into_split();
        let answers = tokio::spawn(async move {
            let mut answers = Vec::new();
            let _ = read.read_to_end(&mut answers).await;
            answers.len()
        });
        let (mut sent, batch) = (0, one.repeat(100));
        while sent < 100_000 && write.write_all(&batch).await.is_ok() {
            sent += 100;
        }
        let answered = soon(what, answers).await.expect("no panic");
        assert!(answered < 30_000, "{what}: {answered} bytes were answered, {sent} frames were taken");
        assert!(is_served(gateway.http).await, "{what}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn who_takes_answers_may_ping_between_them() {
    let echo = Echo::start().await;
    let gateway = limited(Limits { idle_frames: 50, ..Limits::default() }, to(echo.nodes()));
    let mut raw = Raw::connect(gateway.http).await;
    for stream in (1..60).step_by(2) {
        raw.send(&frame(HEADERS, END_STREAM | END_HEADERS, stream, HEAD)).await;
        assert!(raw.until(DATA).await, "request {stream} is answered");
        raw.send(&ping().repeat(10)).await;
        assert!(raw.until(PING).await, "request {stream}");
    }
    // Without answers in between it is over soon.
    raw.send(&ping().repeat(500)).await;
    let mut pings = 0;
    while let Some((kind, ..)) = raw.next().await {
        pings += usize::from(kind == PING);
    }
    assert!(pings <= 60, "{pings} more were answered");
    gateway.stop().await;
}

/// Each is taken in before it is reset, so that the engine's bound on those it has not taken in never counts.
#[tokio::test]
async fn opening_and_resetting_ends_the_connection_however_slowly() {
    let slow = Script::start(|_, mut exchange| async move { exchange.closed().await }).await;
    let gateway = limited(Limits { idle_frames: 100, ..Limits::default() }, to(slow.nodes()));
    let mut raw = Raw::connect(gateway.http).await;
    let mut opened = 0;
    for stream in (1..1001).step_by(2) {
        raw.send(&frame(HEADERS, END_STREAM | END_HEADERS, stream, HEAD)).await;
        // The answer to a ping says that what came before it is taken in.
        raw.send(&ping()).await;
        if !raw.until(PING).await {
            break;
        }
        opened += 1;
        raw.send(&frame(RST_STREAM, 0, stream, &8u32.to_be_bytes())).await;
    }
    assert!((45..=55).contains(&opened), "{opened} were opened, at two frames each");
    gateway.stop().await;
}

/// Whether a client at `from` that breaks the rules in this way is served before it does.
async fn breaks(from: IpAddr, to: SocketAddr, frames: Vec<u8>) -> bool {
    let stream = match connect_from(from, to, DEADLINE) {
        // It was sent away as soon as it was there.
        Err(error) if error.kind() == ErrorKind::ConnectionReset => return false,
        connected => connected.expect("the gateway listens"),
    };
    stream.set_nonblocking(true).expect("a socket");
    let mut raw = Raw { stream: TcpStream::from_std(stream).expect("a socket"), read: Vec::new() };
    raw.send(PREFACE).await;
    let is_served = raw.until(SETTINGS).await;
    raw.send(&frames).await;
    while raw.next().await.is_some() {}
    is_served
}

#[tokio::test]
async fn an_address_that_breaks_the_rules_again_and_again_is_let_in_once_a_second() {
    const BREAKER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
    let echo = Echo::start().await;
    let ways = [
        ("resets", resets(2_000)),
        ("pings", ping().repeat(2_000)),
        ("a head that never ends", [frame(HEADERS, 0, 1, HEAD), frame(CONTINUATION, 0, 1, &[]).repeat(2_000)].concat()),
        ("a body of no request", frame(DATA, 0, 0, b"x")),
        ("a frame that is too large", vec![0xff; 9]),
    ];
    for (what, frames) in ways {
        let gateway = limited(Limits { breaches: 2, ..Limits::default() }, to(echo.nodes()));
        let started = Instant::now();
        let served =
            [breaks(BREAKER, gateway.http, frames.clone()).await, breaks(BREAKER, gateway.http, frames.clone()).await];
        assert_eq!(served, [true; 2], "{what}");
        while started.elapsed() < Duration::from_millis(900) {
            assert!(!breaks(BREAKER, gateway.http, frames.clone()).await, "{what}: after {:?}", started.elapsed());
            assert!(is_served(gateway.http).await, "{what}: others");
        }
        assert!(gateway.refused() > 0, "{what}");
        while !breaks(BREAKER, gateway.http, goes_away()).await {
            assert!(started.elapsed() < DEADLINE, "{what}: none is forgiven");
        }
        gateway.stop().await;
    }
}

#[tokio::test]
async fn a_client_that_leaves_or_idles_or_is_trusted_breaks_nothing() {
    const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
    let echo = Echo::start().await;
    let limits = Limits { breaches: 1, client_idle: Duration::from_millis(100), ..Limits::default() };
    let gateway = limited(limits.clone(), to(echo.nodes()));
    let half = frame(HEADERS, END_STREAM | END_HEADERS, 1, HEAD)[..12].to_vec();
    for (what, frames) in [("nothing", Vec::new()), ("GOAWAY", goes_away()), ("half a head", half)] {
        for _ in 0..3 {
            assert!(breaks(CLIENT, gateway.http, frames.clone()).await, "{what}");
        }
    }
    gateway.stop().await;

    let trusted = "127.0.0.2".parse().expect("a list");
    let gateway = Gateway::start_with(Settings { limits, trusted, ..settings() }, registry(), to(echo.nodes()));
    for _ in 0..3 {
        assert!(breaks(CLIENT, gateway.http, ping().repeat(2_000)).await);
    }
    gateway.stop().await;
}

/// A page that is left resets all its requests at once; more than twenty that the engine has not taken in are a flood.
#[tokio::test]
async fn a_few_resets_at_once_are_no_flood() {
    let echo = Echo::start().await;
    let gateway = Gateway::start(to(echo.nodes()));
    let mut raw = Raw::connect(gateway.http).await;
    raw.send(&resets(20)).await;
    raw.send(&frame(HEADERS, END_STREAM | END_HEADERS, 101, HEAD)).await;
    assert!(raw.until(DATA).await, "the connection goes on");
    drop(raw);
    gateway.stop().await;
}

#[tokio::test]
async fn requests_that_break_the_rules_are_reset_and_too_many_end_the_connection() {
    const LIMIT: u32 = 1024;
    let echo = Echo::start().await;
    let gateway = Gateway::start(to(echo.nodes()));
    let mut raw = Raw::connect(gateway.http).await;
    // A header of HTTP/1 only (RFC 9113, section 8.2.2): `connection: a`.
    let bad = [HEAD, &[0x00, 10], b"connection", &[1, b'a']].concat();
    let mut reset = 0;
    for stream in (1..4 * LIMIT).step_by(2) {
        raw.send(&frame(HEADERS, END_STREAM | END_HEADERS, stream, &bad)).await;
        match raw.until(RST_STREAM).await {
            true => reset += 1,
            false => break,
        }
    }
    assert_eq!(reset, LIMIT);
    assert_eq!(echo.requests(), 0);
    gateway.stop().await;
}

#[tokio::test]
async fn a_head_has_the_idle_time_however_it_comes() {
    let slow = Script::start(|_, mut exchange| async move { exchange.closed().await }).await;
    let limits = Limits { client_idle: Duration::from_millis(300), ..Limits::default() };
    let gateway = limited(limits, to(slow.nodes()));
    let other = frame(HEADERS, END_STREAM | END_HEADERS, 1, HEAD);
    let begun = frame(HEADERS, END_STREAM, 3, HEAD);
    let half = begun[..12].to_vec();
    let more = frame(CONTINUATION, 0, 3, &[0x00, 1, b'x', 1, b'y']);
    let cases = [
        ("half a frame", half.clone(), Vec::new()),
        ("a head without an end", begun.clone(), Vec::new()),
        ("a head in drops", begun.clone(), more.clone()),
        ("half a frame beside a request", [&other[..], &half].concat(), Vec::new()),
        ("a head in drops beside a request", [&other[..], &begun].concat(), more),
    ];
    for (what, first, then) in cases {
        let mut raw = Raw::connect(gateway.http).await;
        raw.send(&first).await;
        // Fewer than the engine takes of one head.
        let took = raw.insist(Duration::from_millis(100), then).await;
        assert!(took >= Duration::from_millis(250), "{what}: closed after {took:?}");
        assert!(took < Duration::from_secs(5), "{what}: closed after {took:?}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn pings_give_a_client_no_time() {
    let large = Script::start(|_, mut exchange| async move {
        exchange.head().await;
        exchange.write("HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n").await;
        exchange.write(&"x".repeat(1_000_000)).await;
        exchange.closed().await;
    })
    .await;
    let time = Duration::from_millis(300);
    let limits = Limits { client_idle: time, client_body: time, ..Limits::default() };
    let gateway = limited(limits, to(large.nodes()));
    // SETTINGS_INITIAL_WINDOW_SIZE of 0: it takes the head of an answer, and nothing of its body.
    let no_window = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let asks = [&no_window[..], &frame(HEADERS, END_STREAM | END_HEADERS, 1, HEAD)].concat();
    for (what, first) in [("a client that idles", Vec::new()), ("one that takes nothing", asks)] {
        let mut raw = Raw::connect(gateway.http).await;
        raw.send(&first).await;
        let took = raw.insist(Duration::from_millis(20), ping()).await;
        assert!((Duration::from_millis(250)..Duration::from_secs(5)).contains(&took), "{what}: closed after {took:?}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_body_that_stalls_is_answered_408_and_other_requests_go_on() {
    let slow = Script::start(|_, mut exchange| async move { exchange.closed().await }).await;
    let echo = Echo::start().await;
    let limits = Limits { client_body: Duration::from_millis(200), ..Limits::default() };
    let gateway = limited(
        limits,
        vec![
            put("route/slow", json!({ "uri": "/streamed", "upstream": { "nodes": slow.nodes() } })),
            put(
                "route/whole",
                json!({ "uri": "/whole", "plugins": { "probe-low": { "request_limit": 1000 } }, "upstream": { "nodes": slow.nodes() } }),
            ),
            put("route/r", json!({ "uri": "/*", "upstream": { "nodes": echo.nodes() } })),
        ],
    );
    let stream = TcpStream::connect(gateway.http).await.expect("the gateway listens");
    let (mut sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("a connection");
    tokio::spawn(connection);
    for path in ["/streamed", "/whole"] {
        let (pieces, body) = tokio::sync::mpsc::channel::<Result<Frame<Bytes>, Infallible>>(8);
        let request = Request::post(format!("http://shop.test{path}")).version(Version::HTTP_2);
        let request = request.body(StreamBody::new(ReceiverStream::new(body)).boxed()).expect("a request");
        let answer = tokio::spawn(sender.send_request(request));
        pieces.send(Ok(Frame::data("half".into()))).await.expect("the request is open");
        let answer = soon("an answer", answer).await.expect("no panic").expect("an answer");
        assert_eq!(answer.status(), StatusCode::REQUEST_TIMEOUT, "{path}");
        let request = Request::post("http://shop.test/").version(Version::HTTP_2);
        let request = request.body(Full::new("whole".into()).boxed()).expect("a request");
        let answer = soon("an answer", sender.send_request(request)).await.expect("an answer");
        assert_eq!(answer.status(), 200, "beside {path}");
    }
    gateway.stop().await;
}

/// RFC 9113, section 8.3.1.
#[tokio::test]
async fn a_host_header_that_contradicts_the_authority_is_refused() {
    let echo = Echo::start().await;
    let upstream = json!({ "nodes": echo.nodes() });
    let gateway = Gateway::start(vec![
        put("route/a", json!({ "uri": "/*", "hosts": ["shop.test"], "upstream": upstream })),
        put("route/b", json!({ "uri": "/*", "hosts": ["other.test"], "upstream": upstream })),
    ]);
    let stream = TcpStream::connect(gateway.http).await.expect("the gateway listens");
    let (mut sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("a connection");
    tokio::spawn(connection);
    for (authority, host, status) in [
        ("shop.test", Some("shop.test"), 200),
        ("shop.test", Some("Shop.TEST"), 200),
        ("shop.test", Some("shop.test:80"), 200),
        ("shop.test:80", Some("shop.test"), 200),
        ("shop.test:8080", Some("shop.test:8080"), 200),
        ("shop.test", None, 200),
        ("shop.test", Some("other.test"), 400),
        ("shop.test", Some("shop.test:8080"), 400),
        ("shop.test", Some("shop.test:443"), 400),
        ("shop.test", Some(""), 400),
        ("shop.test", Some("shop.test/a"), 400),
        ("other.test", Some("shop.test"), 400),
    ] {
        let mut request = Request::get(format!("http://{authority}/")).version(Version::HTTP_2);
        if let Some(host) = host {
            request = request.header("host", host);
        }
        let answer = sender.send_request(request.body(Full::<Bytes>::default()).expect("a request"));
        let answer = soon("an answer", answer).await.expect("an answer");
        assert_eq!(answer.status(), status, "{authority} with host {host:?}");
        if status == 200 {
            let body = answer.into_body().collect().await.expect("a body").to_bytes();
            let got: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
            assert_eq!(got["headers"]["host"], authority, "the node gets one host");
        }
    }
    until("all of them came to the node", || echo.requests() == 6).await;
    gateway.stop().await;
}
