//! Clients that flood do not slow others down.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use testkit::http2::{PREFACE, connect_from, continuations, resets};

use crate::support::{Echo, Gateway, put};

/// Below this, latencies of a machine that runs other things besides are noise.
const NOISE: Duration = Duration::from_millis(5);
/// Between two connections of a flood. What is measured is how long the gateway is held up by one; without a pause it would be how
/// the machine shares its cores among a gateway and clients that all want one.
const PAUSE: Duration = Duration::from_millis(5);
/// Not the address of the others: who floods is not served for a while.
const FLOODS_FROM: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
/// Longer than the gateway needs to send a client away.
const PATIENCE: Duration = Duration::from_secs(5);
const REQUESTS: usize = 400;
/// At most; the first that shows it is enough.
const ROUNDS: usize = 10;
/// Opens a connection, sends all that is taken, and begins anew, until told to stop.
struct Flood {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicUsize>,
    thread: std::thread::JoinHandle<()>,
}

impl Flood {
    fn start(to: SocketAddr, frames: Vec<u8>) -> Self {
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (stopped, counted) = (stop.clone(), sent.clone());
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let Ok(mut stream) = connect_from(FLOODS_FROM, to, PATIENCE) else { continue };
                stream.set_write_timeout(Some(PATIENCE)).expect("a socket");
                stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
                if stream.write_all(&frames).is_ok() {
                    let _ = stream.read(&mut [0; 1024]);
                }
                let _ = stream.shutdown(Shutdown::Both);
                counted.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(PAUSE);
            }
        });
        Self { stop, sent, thread }
    }

    /// How many connections it had.
    fn stop(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the flood ends");
        self.sent.load(Ordering::Relaxed)
    }
}

/// The 99th percentile of the times that a client's requests take, one after another on one connection.
fn p99(to: SocketAddr) -> Duration {
    let mut stream = TcpStream::connect(to).expect("the gateway listens");
    stream.set_nodelay(true).expect("a socket");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
    let mut taken: Vec<_> = (0..REQUESTS).map(|_| one(&mut stream)).collect();
    taken.sort();
    taken[REQUESTS * 99 / 100]
}

fn one(stream: &mut TcpStream) -> Duration {
    let started = Instant::now();
    stream.write_all(b"GET /x HTTP/1.1\r\nhost: a\r\n\r\n").expect("sent");
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    while !answer.ends_with(b"}") {
        let read = stream.read(&mut piece).expect("an answer");
        assert!(read > 0, "closed in the middle of {:?}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&piece[..read]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 "));
    started.elapsed()
}

async fn off_runtime<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("no panic")
}

/// Both are measured in turns, and the quietest round of each counts, for the machine does other things besides.
async fn others_feel_nothing_of(frames: Vec<u8>) {
    let echo = Echo::start().await;
    let route = json!({ "uri": "/*", "upstream": { "nodes": echo.nodes() } });
    let gateway = Gateway::start(vec![put("route/r", route)]);
    let (to, frames) = (gateway.http, [PREFACE, &frames].concat());
    off_runtime(move || p99(to)).await;
    let (mut quiet, mut flooded) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        quiet = quiet.min(off_runtime(move || p99(to)).await);
        let flood = Flood::start(to, frames.clone());
        flooded = flooded.min(off_runtime(move || p99(to)).await);
        assert!(off_runtime(|| flood.stop()).await > 0, "it has flooded");
        if flooded < quiet * 2 {
            break;
        }
    }
    assert!(flooded < (quiet * 2).max(NOISE), "{flooded:?} beside a flood, {quiet:?} alone");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_resets_slows_no_other_client() {
    others_feel_nothing_of(resets(2_000)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_continuations_slows_no_other_client() {
    others_feel_nothing_of(continuations(2_000)).await;
}
