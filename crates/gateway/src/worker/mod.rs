//! A worker: one thread, one runtime, its own listeners, connections and pools.

mod breaches;
mod client_certificate;
pub(crate) mod connection;
pub(crate) mod counters;
mod drain;
mod executor;
mod frame_guard;
mod head_guard;
mod listener;
pub(crate) mod local;
pub(crate) mod stream;
mod tls;
pub(crate) mod wheel;

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};
use tokio_util::sync::CancellationToken;

use crate::access_log::AccessLogWriter;
use crate::plan_slot::Plans;
use crate::settings::Settings;
use crate::upstream::Names;
#[cfg(feature = "fuzzing")]
pub(crate) use client_certificate::read as read_client_certificate;
use connection::ClientFacts;
use counters::WorkerCounters;
pub(crate) use executor::OnWorker;
#[cfg(feature = "fuzzing")]
pub(crate) use frame_guard::FrameGuard;
#[cfg(feature = "fuzzing")]
pub(crate) use head_guard::HeadGuard;
pub(crate) use head_guard::chunk_size;
pub(crate) use listener::{bind, listen};
use local::Local;

/// How often pools and logs are tidied up.
const TIDY: Duration = Duration::from_secs(1);
/// A pause after the process ran out of file descriptors, so that the worker does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a worker starts with.
pub(crate) struct Start {
    pub(crate) http: Vec<std::net::TcpListener>,
    pub(crate) https: Vec<std::net::TcpListener>,
    pub(crate) plans: Plans,
    pub(crate) counters: Arc<WorkerCounters>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) stop: CancellationToken,
}

/// Runs a worker on this thread until it was told to stop and its connections have ended.
pub(crate) fn run(start: Start) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(serve(start))
}

async fn serve(start: Start) -> io::Result<()> {
    let access_log = AccessLogWriter::open(&start.settings.access_log, &start.settings.access_log_format)?;
    let names = Names::new(&start.settings.dns);
    let worker = Local::new(start.plans, names, access_log, &start.settings, start.counters);
    tokio::task::spawn_local(wheel::drive());
    tokio::task::spawn_local(tidy(worker.clone(), start.settings.give_back));
    let mut accepting = Vec::new();
    for (listeners, tls) in [(start.http, false), (start.https, true)] {
        for listener in listeners {
            let listener = TcpListener::from_std(listener)?;
            accepting.push(tokio::task::spawn_local(accept(worker.clone(), listener, tls, start.stop.clone())));
        }
    }
    start.stop.cancelled().await;
    for task in accepting {
        // What was waiting in the listener's queue has been taken in before it closed.
        let _ = task.await;
    }
    drain(&worker, start.settings.drain).await;
    worker.tidy();
    Ok(())
}

async fn accept(worker: Rc<Local>, listener: TcpListener, tls: bool, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            biased;
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return accept_the_rest(&worker, listener, tls),
        };
        match accepted {
            Ok((stream, client)) => open(&worker, stream, client, tls),
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Connections that the kernel has already completed would be reset when the listener closes.
fn accept_the_rest(worker: &Rc<Local>, listener: TcpListener, tls: bool) {
    let Ok(listener) = listener.into_std() else {
        return;
    };
    while let Ok((stream, client)) = listener.accept() {
        if stream.set_nonblocking(true).is_ok()
            && let Ok(stream) = TcpStream::from_std(stream)
        {
            open(worker, stream, client, tls);
        }
    }
}

/// Errors of a connection that was gone before it was accepted, against those of the listener.
fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

fn open(worker: &Rc<Local>, stream: TcpStream, client: SocketAddr, tls: bool) {
    let breaks_rules = worker.breaches.are_too_many(client.ip(), Instant::now());
    if breaks_rules {
        // Reset, so that the kernel keeps nothing of it.
        let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    }
    if breaks_rules || worker.counters.connections_now() >= worker.limits.connections as u64 {
        worker.counters.connection_refused();
        return;
    }
    worker.counters.connection_opens();
    let worker = worker.clone();
    tokio::task::spawn_local(async move {
        let counted = Counted(worker.clone());
        serve_stream(worker, stream, tls).await;
        drop(counted);
    });
}

/// One connection of the worker, for as long as it lives.
struct Counted(Rc<Local>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.counters.connection_closes();
    }
}

async fn serve_stream(worker: Rc<Local>, stream: TcpStream, tls: bool) {
    let (Ok(remote), Ok(local), Ok(())) = (stream.peer_addr(), stream.local_addr(), stream.set_nodelay(true)) else {
        return;
    };
    if !tls {
        return connection::serve(worker, ClientFacts::new(remote, local, None), stream).await;
    }
    if let Some((stream, info)) = Box::pin(tls::accept(&worker, stream)).await {
        let facts = ClientFacts::new(remote, local, Some(Arc::new(info)));
        connection::serve(worker, facts, stream).await;
    }
}

async fn tidy(worker: Rc<Local>, give_back: fn()) {
    let mut turns = tokio::time::interval(TIDY);
    let mut requests = 0;
    loop {
        turns.tick().await;
        worker.tidy();
        let before = std::mem::replace(&mut requests, worker.counters.requests());
        if before == requests {
            give_back();
        }
    }
}

/// Ends every connection after its request, and waits for them.
async fn drain(worker: &Local, limit: Duration) {
    // A few turns of the event loop, so that what clients have sent by now is read and counts as under way.
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
    worker.drain.begin();
    let ended = async {
        while worker.counters.connections_now() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    if tokio::time::timeout(limit, ended).await.is_err() {
        tracing::warn!(open = worker.counters.connections_now(), "connections are cut off: they did not end in time");
    }
}
