//! Clients that flood do not slow others down.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use socket2::{Domain, Socket, Type};

use crate::support::{Echo, Gateway, put};

/// Below this, latencies of a machine that runs other things besides are noise.
const NOISE: Duration = Duration::from_millis(5);
/// Between two connections of a flood. What is measured is how long the gateway is held up by one; without a pause it would be how
/// the machine shares its cores among a gateway and clients that all want one.
const PAUSE: Duration = Duration::from_millis(5);
/// Not the address of the others: who floods is not served for a while.
const FLOODS_FROM: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const REQUESTS: usize = 400;
/// At most; the first that shows it is enough.
const ROUNDS: usize = 10;
/// What begins a connection of HTTP/2: the preface, and settings that set nothing.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

/// So many requests that are reset as soon as they are opened.
pub(crate) fn resets(count: u32) -> Vec<u8> {
    let mut frames = PREFACE.to_vec();
    for stream in (1..2 * count).step_by(2) {
        // HEADERS with END_STREAM and END_HEADERS: GET http / and :authority a; then RST_STREAM(CANCEL).
        let block = [0x82, 0x86, 0x84, 0x41, 0x01, b'a'];
        frames.extend_from_slice(&[0, 0, block.len() as u8, 1, 5]);
        frames.extend_from_slice(&stream.to_be_bytes());
        frames.extend_from_slice(&block);
        frames.extend_from_slice(&[0, 0, 4, 3, 0]);
        frames.extend_from_slice(&stream.to_be_bytes());
        frames.extend_from_slice(&[0, 0, 0, 8]);
    }
    frames
}

/// A head that never ends.
fn continuations() -> Vec<u8> {
    let mut frames = PREFACE.to_vec();
    frames.extend_from_slice(&[0, 0, 4, 1, 1, 0, 0, 0, 1, 0x82, 0x86, 0x84, 0x84]);
    let field: Vec<u8> = [&[0x00, 0x01, b'x', 0x7f, 0x81, 0x07][..], &[b'y'; 256]].concat();
    for _ in 0..2_000 {
        frames.extend_from_slice(&[0, (field.len() >> 8) as u8, field.len() as u8, 9, 0, 0, 0, 0, 1]);
        frames.extend_from_slice(&field);
    }
    frames
}

/// A connection of a client at `address`.
pub(crate) fn connect_from(address: Ipv4Addr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((address, 0)).into())?;
    socket.connect(&to.into())?;
    Ok(socket.into())
}

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
                let Ok(mut stream) = connect_from(FLOODS_FROM, to) else { continue };
                // Longer than the gateway needs to send the client away.
                stream.set_write_timeout(Some(Duration::from_secs(5))).expect("a socket");
                stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a socket");
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
    let to = gateway.http;
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
    others_feel_nothing_of(continuations()).await;
}
