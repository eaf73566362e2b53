//! One client connection: hyper's HTTP/1.1 engine, timed and drained by the worker.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::HeaderValue;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use plugin_api::Client;
use plugin_api::exchange::TlsInfo;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::request;
use crate::worker::local::Local;
use crate::worker::wheel::Timer;

/// What is known of a connection, and its timers. Requests on it come one after another.
pub(crate) struct Connection {
    pub(crate) client: Client,
    /// Header values that every request of the connection passes on.
    pub(crate) client_address: HeaderValue,
    pub(crate) local_port: HeaderValue,
    /// Runs while no request is under way.
    idle: Timer,
    /// For the steps towards an upstream.
    pub(crate) steps: Timer,
    under_way: Cell<bool>,
}

impl Connection {
    pub(crate) fn new(remote: SocketAddr, local: SocketAddr, tls: Option<Arc<TlsInfo>>) -> Self {
        let remote = SocketAddr::new(remote.ip().to_canonical(), remote.port());
        let local = SocketAddr::new(local.ip().to_canonical(), local.port());
        let text = |text: String| HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""));
        Self {
            client: Client { remote, peer: remote, local, tls },
            client_address: text(remote.ip().to_string()),
            local_port: text(local.port().to_string()),
            idle: Timer::new(),
            steps: Timer::new(),
            under_way: Cell::new(false),
        }
    }

    /// A request's head is here.
    pub(crate) fn begin(&self) {
        self.under_way.set(true);
    }

    /// The response is finished, or its body has been dropped.
    pub(crate) fn finish(&self, worker: &Local) {
        self.under_way.set(false);
        self.idle.arm(worker.limits.client_idle);
    }
}

/// Serves a connection until it closes.
pub(crate) async fn serve<S>(worker: Rc<Local>, connection: Connection, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let connection = Rc::new(connection);
    connection.idle.arm(worker.limits.client_idle);
    let service = {
        let (worker, connection) = (worker.clone(), connection.clone());
        service_fn(move |request| {
            let (worker, connection) = (worker.clone(), connection.clone());
            async move { Ok::<_, Infallible>(request::serve(worker, connection, request).await) }
        })
    };
    let mut engine = http1::Builder::new();
    engine.max_buf_size(worker.limits.head_bytes.max(8 * 1024)).max_headers(worker.limits.headers).half_close(false);
    let engine = engine.serve_connection(TokioIo::new(stream), service);
    let served = Served { engine: Box::pin(engine), connection, worker, waker: None, closing: false };
    // A broken connection is the client's affair; what was lost on it is in the access log.
    let _ = served.await;
}

/// The engine, watched: idle too long and it closes; draining and it ends after the request under way.
struct Served<E> {
    engine: Pin<Box<E>>,
    connection: Rc<Connection>,
    worker: Rc<Local>,
    waker: Option<usize>,
    closing: bool,
}

/// What hyper's connection types share.
trait Engine: Future<Output = hyper::Result<()>> {
    fn end_after_request(self: Pin<&mut Self>);
}

impl<I, B, S> Engine for http1::Connection<I, S>
where
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: hyper::body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn end_after_request(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<E: Engine> Future for Served<E> {
    type Output = hyper::Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.waker.is_none() {
            this.waker = Some(this.worker.drain.register(context.waker().clone()));
        }
        if this.worker.drain.has_begun() && !this.closing {
            this.closing = true;
            this.engine.as_mut().end_after_request();
        }
        if let Poll::Ready(outcome) = this.engine.as_mut().poll(context) {
            return Poll::Ready(outcome);
        }
        if !this.connection.under_way.get() && this.connection.idle.poll_fired(context).is_ready() {
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }
}

impl<E> Drop for Served<E> {
    fn drop(&mut self) {
        if let Some(waker) = self.waker {
            self.worker.drain.unregister(waker);
        }
    }
}
