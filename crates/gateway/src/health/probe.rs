//! Active checks, on one thread of the instance with its own runtime.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use model::resource::{ActiveCheck, CheckType};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, LocalOptions};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use super::book::HealthBook;
use super::watched::{Seen, Watched, WatchedNode};
use crate::settings::Dns;
use crate::upstream::{Names, server_name, trust};

/// How exactly intervals, which are whole seconds, are kept.
const TICK: Duration = Duration::from_millis(100);

/// Starts the thread; it ends when told to stop.
pub(crate) fn probe(book: Arc<HealthBook>, dns: Dns, stop: CancellationToken) -> io::Result<()> {
    std::thread::Builder::new().name("health".into()).spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
        let outcome = runtime.map(|runtime| {
            runtime.block_on(async {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = run(&book, Rc::new(Names::new(&dns))) => {}
                }
            });
        });
        if let Err(error) = outcome {
            tracing::error!(%error, "nodes are not probed");
        }
    })?;
    Ok(())
}

async fn run(book: &HealthBook, names: Rc<Names>) {
    let started = Instant::now();
    loop {
        let watched = book.all();
        if watched.is_empty() {
            book.changed.notified().await;
            continue;
        }
        let now = 1 + started.elapsed().as_millis() as u64;
        watched.iter().for_each(|upstream| probe_due(upstream, &names, now));
        tokio::time::sleep(TICK).await;
    }
}

/// Starts the probes that are due, as many as may run at once; the others' turn comes with the next tick.
fn probe_due(upstream: &Arc<Watched>, names: &Rc<Names>, now: u64) {
    for (at, node) in upstream.nodes.iter().enumerate() {
        if !is_due(upstream, node, now) || node.health.is_probing.load(Relaxed) {
            continue;
        }
        let Ok(permit) = upstream.probes.clone().try_acquire_owned() else {
            return;
        };
        node.health.is_probing.store(true, Relaxed);
        node.health.probed.store(now, Relaxed);
        let (upstream, names) = (upstream.clone(), names.clone());
        tokio::task::spawn_local(async move {
            if let Some(node) = upstream.nodes.get(at) {
                let seen = look(&upstream.checks.active, node, &names).await;
                upstream.report_actively(at, seen);
                node.health.is_probing.store(false, Relaxed);
            }
            drop(permit);
        });
    }
}

/// Whether the interval of what the node is now has passed: traffic may have turned it since its last probe.
fn is_due(upstream: &Watched, node: &WatchedNode, now: u64) -> bool {
    let probed = node.health.probed.load(Relaxed);
    probed == 0 || probed + interval_ms(upstream, node) <= now
}

fn interval_ms(upstream: &Watched, node: &WatchedNode) -> u64 {
    let active = &upstream.checks.active;
    let seconds = if node.health.get().serves() {
        active.healthy.clone().unwrap_or_default().interval
    } else {
        active.unhealthy.clone().unwrap_or_default().interval
    };
    u64::from(seconds) * 1000
}

async fn look(check: &ActiveCheck, node: &WatchedNode, names: &Names) -> Seen {
    let limit = Duration::from_secs_f64(f64::from(check.timeout).clamp(0.001, 86_400.0));
    match tokio::time::timeout(limit, exchange(check, node, names)).await {
        Err(_) => Seen::Timeout,
        Ok(Err(_)) => Seen::Failure,
        Ok(Ok(seen)) => seen,
    }
}

async fn exchange(check: &ActiveCheck, node: &WatchedNode, names: &Names) -> io::Result<Seen> {
    let stream = TcpStream::connect(address(node, names).await?).await?;
    let host = &*node.asked_for;
    match check.check_type {
        CheckType::Tcp => Ok(Seen::Connected),
        CheckType::Http => ask(stream, check, host).await,
        CheckType::Https => {
            let config = match check.https_verify_certificate {
                true => trust::verifying().await?,
                false => trust::trusting()?,
            };
            let name = server_name(host.as_bytes()).unwrap_or_else(|| host.into());
            let server = ServerName::try_from(name.into_string()).map_err(io::Error::other)?;
            ask(TlsConnector::from(config).connect(server, stream).await?, check, host).await
        }
    }
}

async fn address(node: &WatchedNode, names: &Names) -> io::Result<SocketAddr> {
    if let Some(socket) = node.socket {
        return Ok(socket);
    }
    let ip = names.of(&node.host).address().await.map_err(io::Error::other)?;
    Ok(SocketAddr::new(ip, node.port))
}

/// Sends the probe and reads no further than the status.
async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, check: &ActiveCheck, host: &str) -> io::Result<Seen> {
    stream.write_all(request(check, host).as_bytes()).await?;
    stream.flush().await?;
    let mut start = [0; 12];
    stream.read_exact(&mut start).await?;
    let status = start.strip_prefix(b"HTTP/1.").and_then(|rest| std::str::from_utf8(rest.get(2..)?).ok());
    Ok(status.and_then(|digits| digits.parse().ok()).map_or(Seen::Garbage, Seen::Status))
}

fn request(check: &ActiveCheck, host: &str) -> String {
    let ActiveCheck { http_method, http_path, http_req_body, .. } = check;
    let mut text = format!("{http_method} {http_path} HTTP/1.1\r\nConnection: close\r\n");
    for header in check.headers() {
        text.push_str(header.trim());
        text.push_str("\r\n");
    }
    if !http_req_body.is_empty() {
        text.push_str(&format!("Content-Length: {}\r\n", http_req_body.len()));
    }
    text.push_str(&format!("Host: {host}\r\n\r\n{http_req_body}"));
    text
}
