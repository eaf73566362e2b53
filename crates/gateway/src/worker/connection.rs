//! One client connection: hyper's HTTP/1.1 engine, timed and drained by the worker.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::Future;
use std::io;
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
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::request;
use crate::worker::local::Local;
use crate::worker::wheel::Timer;

/// What is known of a connection, and its timers. Requests on it come one after another.
pub(crate) struct Connection {
    pub(crate) client: Client,
    /// Header values that every request of the connection passes on.
    pub(crate) client_address: HeaderValue,
    pub(crate) local_port: HeaderValue,
    /// Runs while the client has to do the next step.
    patience: Timer,
    /// For the steps towards an upstream.
    pub(crate) steps: Timer,
    under_way: Cell<bool>,
    /// Whether the client has to do the next step: send a head, or take what is written to it.
    is_clients_turn: Cell<bool>,
    /// Whether the upload under way waits for the client.
    pub(crate) upload_waits: Cell<bool>,
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
            patience: Timer::new(),
            steps: Timer::new(),
            under_way: Cell::new(false),
            is_clients_turn: Cell::new(true),
            upload_waits: Cell::new(false),
        }
    }

    /// A request's head is here.
    pub(crate) fn begin(&self) {
        self.under_way.set(true);
        self.is_clients_turn.set(false);
        self.upload_waits.set(false);
    }

    /// A piece of the response's body was handed over: it is for the client to take it.
    pub(crate) fn hand_over(&self, worker: &Local) {
        self.is_clients_turn.set(true);
        self.patience.arm(worker.limits.client_body);
    }

    /// The client has taken all there was; the upstream must send more.
    pub(crate) fn await_upstream(&self) {
        self.is_clients_turn.set(false);
    }

    /// The response is finished, or its body has been dropped.
    pub(crate) fn finish(&self, worker: &Local) {
        self.under_way.set(false);
        self.is_clients_turn.set(true);
        self.patience.arm(worker.limits.client_idle);
    }
}

/// Serves a connection until it closes.
pub(crate) async fn serve<S>(worker: Rc<Local>, connection: Connection, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let connection = Rc::new(connection);
    connection.patience.arm(worker.limits.client_idle);
    let service = {
        let (worker, connection) = (worker.clone(), connection.clone());
        service_fn(move |request| {
            let (worker, connection) = (worker.clone(), connection.clone());
            async move { Ok::<_, Infallible>(request::serve(worker, connection, request).await) }
        })
    };
    let mut engine = http1::Builder::new();
    engine.max_buf_size(worker.limits.head_bytes.max(8 * 1024)).max_headers(worker.limits.headers).half_close(false);
    let written = Rc::new(Cell::new(0));
    let stream = Counted { stream, written: written.clone() };
    let engine = engine.serve_connection(TokioIo::new(stream), service);
    let served = Served { engine: Box::pin(engine), connection, worker, written, seen: 0, waker: None, closing: false };
    // A broken connection is the client's affair; what was lost on it is in the access log.
    let _ = served.await;
}

/// The engine, watched: a client that is silent, or takes nothing, for too long is closed; draining and it ends
/// after the request under way.
struct Served<E> {
    engine: Pin<Box<E>>,
    connection: Rc<Connection>,
    worker: Rc<Local>,
    /// Bytes that the client's socket took.
    written: Rc<Cell<u64>>,
    /// As many of them as there were when the client's time began.
    seen: u64,
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
        if let Poll::Ready(outcome) = this.engine.as_mut().poll(context) {
            return Poll::Ready(outcome);
        }
        // After the engine has read what is there: a request that has arrived is under way.
        if this.worker.drain.has_begun() && !this.closing {
            this.closing = true;
            this.engine.as_mut().end_after_request();
            if let Poll::Ready(outcome) = this.engine.as_mut().poll(context) {
                return Poll::Ready(outcome);
            }
        }
        this.poll_patience(context).map(Ok)
    }
}

impl<E> Served<E> {
    /// Ready when the client had its time and used none of it. Bytes that it took give it new time.
    fn poll_patience(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let connection = &self.connection;
        let limits = &self.worker.limits;
        let time = if connection.under_way.get() { limits.client_body } else { limits.client_idle };
        let took_some = self.written.get() != self.seen;
        if took_some {
            self.seen = self.written.get();
            connection.patience.arm(time);
        }
        while connection.patience.poll_fired(context).is_ready() {
            if connection.is_clients_turn.get() {
                return Poll::Ready(());
            }
            connection.patience.arm(time);
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

/// Counts what the client takes.
struct Counted<S> {
    stream: S,
    written: Rc<Cell<u64>>,
}

impl<S> Counted<S> {
    fn count(&self, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(taken)) = &outcome {
            self.written.set(self.written.get() + *taken as u64);
        }
        outcome
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.count(outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.count(outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
