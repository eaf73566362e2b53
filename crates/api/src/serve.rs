//! The API's listeners: bind, accept, serve, and end in order.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use control::Control;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::apisix_admin;
use crate::router;
use crate::tls::{self, TlsError};

/// A client that has not sent a request's head, or finished its TLS handshake, by then is dropped.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);
/// Open connections of one listener; further ones wait to be accepted.
const MAX_CONNECTIONS: usize = 4096;
/// Requests that one HTTP/2 connection may have under way.
const MAX_STREAMS: u32 = 128;

/// Where and how the API is served.
#[derive(Debug)]
pub struct ApiSettings {
    /// Address for HTTP; port 0 takes a free one.
    pub http: Option<SocketAddr>,
    /// Address for HTTPS; port 0 takes a free one.
    pub https: Option<SocketAddr>,
    /// Address of the Apache APISIX Admin API; port 0 takes a free one.
    pub apisix_admin: Option<SocketAddr>,
    /// Certificate of the HTTPS listener.
    pub certificate: ServerCertificate,
    /// Longest request body in bytes; a longer one is answered 413.
    pub body_limit_bytes: usize,
    /// Requests a second that one address, and one key or session, may send; more are answered 429. 0: any number.
    pub requests_per_second: u32,
    /// Proxies whose `X-Forwarded-For` says where a request comes from; that of anybody else is passed over.
    pub trusted_proxies: Vec<IpNet>,
    /// Longest time for one request; a longer one is answered 503.
    pub request_deadline: Duration,
    /// Longest time that requests under way are given at shutdown.
    pub shutdown_grace: Duration,
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self {
            http: None,
            https: None,
            apisix_admin: None,
            certificate: ServerCertificate::OwnCa,
            body_limit_bytes: 8 * 1024 * 1024,
            requests_per_second: 1000,
            trusted_proxies: Vec::new(),
            request_deadline: Duration::from_secs(30),
            shutdown_grace: Duration::from_secs(10),
        }
    }
}

/// Which certificate the HTTPS listener shows.
pub enum ServerCertificate {
    /// One of the control plane's own CA, for the names in its settings.
    OwnCa,
    /// One that is given, as PEM texts.
    Given {
        /// The chain, leaf first.
        chain_pem: String,
        /// The key: PKCS #8, PKCS #1 or SEC 1.
        key_pem: String,
    },
}

impl std::fmt::Debug for ServerCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::OwnCa => f.write_str("OwnCa"),
            // The key is a secret.
            Self::Given { .. } => f.write_str("Given"),
        }
    }
}

/// Why the API cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken, or not ours.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The HTTPS listener has no usable certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// The API being served.
#[derive(Debug)]
pub struct Running {
    /// Where HTTP is served.
    pub http: Option<SocketAddr>,
    /// Where HTTPS is served.
    pub https: Option<SocketAddr>,
    /// Where the Apache APISIX Admin API is served.
    pub apisix_admin: Option<SocketAddr>,
    listeners: Vec<JoinHandle<()>>,
}

impl Running {
    /// Waits until the listeners have ended and the requests under way are answered.
    pub async fn wait(self) {
        for listener in self.listeners {
            if let Err(error) = listener.await {
                tracing::error!(%error, "a listener of the API ended badly");
            }
        }
    }
}

/// Serves the API until `shutdown`. The listeners are bound when this returns, so the addresses are known.
///
/// # Errors
/// When an address cannot be bound or the certificate cannot be used.
pub async fn serve(
    settings: ApiSettings,
    control: Control,
    shutdown: CancellationToken,
) -> Result<Running, ServeError> {
    let tasks = TaskTracker::new();
    let router = router::build(&settings, control.clone(), tasks.clone());
    let mut running = Running { http: None, https: None, apisix_admin: None, listeners: Vec::new() };
    let endpoint = |listener, tls, router: &Router| Endpoint {
        listener,
        tls,
        router: router.clone(),
        shutdown: shutdown.clone(),
        grace: settings.shutdown_grace,
        tasks: tasks.clone(),
    };
    if let Some(address) = settings.http {
        let listener = bind(address).await?;
        running.http = listener.local_addr().ok();
        running.listeners.push(tokio::spawn(endpoint(listener, None, &router).run()));
    }
    if let Some(address) = settings.https {
        let acceptor = tls::acceptor(&settings.certificate, &control)?;
        let listener = bind(address).await?;
        running.https = listener.local_addr().ok();
        running.listeners.push(tokio::spawn(endpoint(listener, Some(acceptor), &router).run()));
    }
    if let Some(address) = settings.apisix_admin {
        let admin = apisix_admin::router(&settings, control.clone(), tasks.clone());
        let listener = bind(address).await?;
        running.apisix_admin = listener.local_addr().ok();
        running.listeners.push(tokio::spawn(endpoint(listener, None, &admin).run()));
    }
    Ok(running)
}

async fn bind(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|source| ServeError::Bind { address, source })
}

/// What a handler may ask about the connection its request came by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Connection {
    /// The other end: a client, or a proxy before it.
    pub(crate) peer: SocketAddr,
    /// The client's address, see [`crate::client_address`].
    pub(crate) client: IpAddr,
    /// Whether it is encrypted.
    pub(crate) secure: bool,
}

/// One listener with all its connections.
struct Endpoint {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    shutdown: CancellationToken,
    grace: Duration,
    tasks: TaskTracker,
}

impl Endpoint {
    async fn run(self) {
        let graceful = GracefulShutdown::new();
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        while let Some((stream, peer)) = self.next_connection().await {
            let place = tokio::select! {
                place = places.clone().acquire_owned() => place,
                () = self.shutdown.cancelled() => break,
            };
            let connection = Connection { peer, client: peer.ip(), secure: self.tls.is_some() };
            let (tls, router, watcher) = (self.tls.clone(), self.router.clone(), graceful.watcher());
            self.tasks.spawn(async move {
                let _place = place;
                serve_connection(stream, tls, router, connection, watcher).await;
            });
        }
        // No listener any more: a client that comes now is refused at once instead of waiting in the backlog.
        drop(self.listener);
        self.tasks.close();
        let drained = async {
            graceful.shutdown().await;
            self.tasks.wait().await;
        };
        if tokio::time::timeout(self.grace, drained).await.is_err() {
            tracing::warn!("requests were still under way when the shutdown grace ended");
        }
    }

    async fn next_connection(&self) -> Option<(TcpStream, SocketAddr)> {
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = self.shutdown.cancelled() => return None,
            };
            match accepted {
                Ok(accepted) => return Some(accepted),
                // Out of file descriptors, or a client gone before its turn: neither may end the listener.
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }
}

async fn serve_connection(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    router: Router,
    connection: Connection,
    watcher: Watcher,
) {
    // Answers are small: waiting to fill a packet only delays them.
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else {
        return serve_http(stream, router, connection, watcher).await;
    };
    match tokio::time::timeout(HEAD_DEADLINE, tls.accept(stream)).await {
        Ok(Ok(stream)) => serve_http(stream, router, connection, watcher).await,
        Ok(Err(error)) => tracing::debug!(%error, peer = %connection.peer, "TLS handshake failed"),
        Err(_) => tracing::debug!(peer = %connection.peer, "TLS handshake took too long"),
    }
}

async fn serve_http<IO>(stream: IO, router: Router, connection: Connection, watcher: Watcher)
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = tower::service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(connection);
        let router = router.clone();
        async move { Ok::<_, Infallible>(router.oneshot(request).await.unwrap_or_else(|never| match never {})) }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_DEADLINE);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(MAX_STREAMS).keep_alive_interval(HEAD_DEADLINE);
    let served = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)).into_owned();
    if let Err(error) = watcher.watch(served).await {
        tracing::debug!(%error, peer = %connection.peer, "connection ended early");
    }
}
