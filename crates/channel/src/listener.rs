//! Accepts connections and shakes hands with many at once, within bounds.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::line::{Line, LineInfo};
use crate::tls::holder_of;

/// A handshake that takes longer is dropped.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);
/// Without a certificate a connection is there for one `Join`, and lives no longer than this.
const ANONYMOUS_LIFE: Duration = Duration::from_secs(30);
/// Handshakes at once; more wait in the kernel's backlog.
const HANDSHAKES: usize = 256;
/// Pause after a failed accept (out of file descriptors): it would fail again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

pub(crate) struct Listener {
    pub(crate) tcp: TcpListener,
    pub(crate) tls: TlsAcceptor,
    pub(crate) trust_domain: Arc<str>,
    /// Cuts every connection.
    pub(crate) cut: CancellationToken,
}

impl Listener {
    /// Accepts until `stop`; connections that passed the handshake go to `lines`.
    pub(crate) async fn run(self, lines: mpsc::Sender<io::Result<Line>>, stop: CancellationToken) {
        let handshakes = Arc::new(Semaphore::new(HANDSHAKES));
        while let Some(permit) = stop.run_until_cancelled(handshakes.clone().acquire_owned()).await {
            let Ok(permit) = permit else { return };
            match stop.run_until_cancelled(self.tcp.accept()).await {
                Some(Ok((tcp, _))) => self.greet(tcp, permit, lines.clone()),
                Some(Err(error)) => {
                    tracing::warn!(%error, "config channel: cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
                None => return,
            }
        }
    }

    fn greet(&self, tcp: TcpStream, permit: OwnedSemaphorePermit, lines: mpsc::Sender<io::Result<Line>>) {
        let (tls, trust_domain, cut) = (self.tls.clone(), self.trust_domain.clone(), self.cut.child_token());
        tokio::spawn(async move {
            match tokio::time::timeout(HANDSHAKE_DEADLINE, shake_hands(tcp, tls, &trust_domain, cut)).await {
                Ok(Ok(line)) => drop(lines.send(Ok(line)).await),
                Ok(Err(error)) => tracing::debug!(%error, "config channel: TLS handshake failed"),
                Err(_) => tracing::debug!("config channel: TLS handshake took too long"),
            }
            drop(permit);
        });
    }
}

async fn shake_hands(tcp: TcpStream, tls: TlsAcceptor, trust_domain: &str, cut: CancellationToken) -> io::Result<Line> {
    // A delta is one small write; waiting for more would cost its latency.
    tcp.set_nodelay(true)?;
    let address = tcp.peer_addr()?.ip();
    let stream = tls.accept(tcp).await?;
    let leaf = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let holder = leaf.and_then(|leaf| holder_of(leaf, trust_domain));
    // A certificate is checked once, but a stream may last for months: it ends with the certificate.
    let life = holder.as_ref().map_or(ANONYMOUS_LIFE, |holder| remaining(holder.expires_at));
    cut_after(cut.clone(), life);
    Ok(Line::new(stream, LineInfo { identity: holder.map(|holder| holder.identity), address, cut }))
}

fn remaining(until: SystemTime) -> Duration {
    until.duration_since(SystemTime::now()).unwrap_or_default()
}

/// Cuts a connection in a while, unless it is gone by then.
pub(crate) fn cut_after(cut: CancellationToken, delay: Duration) {
    tokio::spawn(async move {
        if cut.run_until_cancelled(tokio::time::sleep(delay)).await.is_some() {
            cut.cancel();
        }
    });
}
