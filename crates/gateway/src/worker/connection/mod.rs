//! One client connection: hyper's engine for its protocol, timed and drained by the worker.

mod patience;
mod tunnel;
mod watched;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use http::HeaderValue;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use plugin_api::Client;
use plugin_api::exchange::TlsInfo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use crate::request;
use crate::worker::OnWorker;
use crate::worker::local::Local;
use crate::worker::stream::{ClientStream, Tally};
use crate::worker::wheel::Timer;
use patience::Patience;
pub(crate) use tunnel::Tunnel;
use watched::{Engine, Left, Watched};

/// What is known of a client's connection.
pub(crate) struct ClientFacts {
    pub(crate) client: Rc<Client>,
    /// Header values that every request of the connection passes on.
    pub(crate) client_address: HeaderValue,
    pub(crate) local_port: HeaderValue,
}

impl ClientFacts {
    pub(crate) fn new(remote: SocketAddr, local: SocketAddr, tls: Option<Arc<TlsInfo>>) -> Self {
        let remote = SocketAddr::new(remote.ip().to_canonical(), remote.port());
        let local = SocketAddr::new(local.ip().to_canonical(), local.port());
        let text = |text: String| HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""));
        Self {
            client: Rc::new(Client { remote, peer: remote, local, tls }),
            client_address: text(remote.ip().to_string()),
            local_port: text(local.port().to_string()),
        }
    }
}

/// A request's view of its client's connection. Requests of HTTP/1 come one after another and share one; each of
/// HTTP/2 has its own.
pub(crate) struct Connection {
    pub(crate) facts: Rc<ClientFacts>,
    patience: Rc<Patience>,
    tally: Rc<Tally>,
    /// For the steps towards an upstream.
    pub(crate) steps: Timer,
    under_way: Cell<bool>,
    /// Whether the client has to do the next step: send a head, or take what is written to it.
    is_clients_turn: Cell<bool>,
    /// Whether the upload under way waits for the client.
    pub(crate) upload_waits: Cell<bool>,
    /// Whether the upload under way was longer than a plugin takes.
    pub(crate) upload_too_long: Cell<bool>,
    /// Set when the connection stops being HTTP: what it becomes.
    pub(crate) tunnel: RefCell<Option<Tunnel>>,
}

impl Connection {
    fn new(facts: &Rc<ClientFacts>, patience: &Rc<Patience>, tally: &Rc<Tally>) -> Rc<Self> {
        Rc::new(Self {
            facts: facts.clone(),
            patience: patience.clone(),
            tally: tally.clone(),
            steps: Timer::new(),
            under_way: Cell::new(false),
            is_clients_turn: Cell::new(true),
            upload_waits: Cell::new(false),
            upload_too_long: Cell::new(false),
            tunnel: RefCell::new(None),
        })
    }

    /// A request's head is here.
    pub(crate) fn begin(&self) {
        self.patience.begin();
        self.under_way.set(true);
        self.is_clients_turn.set(false);
        self.upload_waits.set(false);
        self.upload_too_long.set(false);
    }

    /// A piece of the response's body was handed over: it is for the client to take it.
    pub(crate) fn hand_over(&self, worker: &Local) {
        if self.is_clients_turn.replace(true) {
            self.patience.renew(&worker.limits);
        } else {
            self.patience.await_client(&worker.limits);
        }
    }

    /// The client has taken all there was; the upstream must send more.
    pub(crate) fn await_upstream(&self) {
        if self.is_clients_turn.replace(false) {
            self.patience.await_upstream();
        }
    }

    /// The response is finished, or its body has been dropped.
    pub(crate) fn finish(&self, worker: &Local) {
        if !self.under_way.replace(false) {
            return;
        }
        if !self.is_clients_turn.replace(true) {
            self.patience.await_client(&worker.limits);
        }
        self.patience.end(&worker.limits);
        self.tally.goes_on.set(true);
    }
}

/// Serves a connection until it closes. What a protocol needs is boxed, so that a connection does not carry the needs
/// of all of them. With TLS the handshake has told the protocol, else its first bytes do.
pub(crate) async fn serve<S>(worker: Rc<Local>, facts: ClientFacts, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let tally = Rc::new(Tally::default());
    let stream = ClientStream::new(stream, tally.clone());
    let patience = Rc::new(Patience::new(&worker.limits));
    let opened = Opened { worker, facts: Rc::new(facts), patience, tally };
    match &opened.facts.client.tls {
        Some(tls) if tls.is_http2 => Box::pin(opened.serve_http2(stream)).await,
        Some(_) => Box::pin(opened.serve_http1(stream)).await,
        None => opened.serve_unknown(stream).await,
    }
}

/// A connection about to be served.
struct Opened {
    worker: Rc<Local>,
    facts: Rc<ClientFacts>,
    patience: Rc<Patience>,
    tally: Rc<Tally>,
}

impl Opened {
    async fn serve_unknown<S: AsyncRead + AsyncWrite + Unpin + 'static>(self, mut stream: ClientStream<S>) {
        let timer = Timer::new();
        let limit = self.worker.limits.client_idle;
        match timer.limit(limit, self.worker.drain.unless_begun(stream.has_preface())).await {
            Ok(Some(Ok(true))) => Box::pin(self.serve_http2(stream)).await,
            Ok(Some(Ok(false))) => Box::pin(self.serve_http1(stream)).await,
            _ => {}
        }
    }

    /// While the client idles there is no engine: it would keep twenty kilobytes for requests that may never come.
    async fn serve_http1<S: AsyncRead + AsyncWrite + Unpin + 'static>(self, mut stream: ClientStream<S>) {
        stream.guard();
        let connection = Connection::new(&self.facts, &self.patience, &self.tally);
        while let Some(resting) = Box::pin(self.run_http1(&connection, stream)).await {
            stream = resting;
            if !self.rest(&mut stream).await {
                let _ = connection.steps.limit(self.worker.limits.client_body, stream.shutdown()).await;
                return;
            }
        }
    }

    /// Waits for the client's next request; whether one comes.
    async fn rest<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: &mut ClientStream<S>) -> bool {
        let more = poll_fn(|context| {
            let is_over = self.patience.poll_passed(&self.worker.limits, context).is_ready();
            if is_over { Poll::Ready(false) } else { stream.poll_more(context) }
        });
        self.worker.drain.unless_begun(more).await == Some(true)
    }

    /// Serves until the connection ends, or gives its stream back when the client idles.
    async fn run_http1<S>(&self, connection: &Rc<Connection>, stream: ClientStream<S>) -> Option<ClientStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let service = {
            let (worker, connection) = (self.worker.clone(), connection.clone());
            service_fn(move |request| request::serve(worker.clone(), connection.clone(), request))
        };
        let limits = &self.worker.limits;
        let mut engine = http1::Builder::new();
        engine.max_buf_size(limits.head_bytes.max(8 * 1024)).max_headers(limits.headers).half_close(false);
        let mut engine = engine.serve_connection(TokioIo::new(stream), service);
        let left = self.run(&mut engine).await;
        let tunnel = connection.tunnel.take();
        if left != Left::Resting && tunnel.is_none() {
            return None;
        }
        let parts = engine.into_parts();
        let mut stream = parts.io.into_inner();
        let Some(tunnel) = tunnel else {
            stream.put_back(&parts.read_buf);
            return Some(stream);
        };
        stream.leave_http(&parts.read_buf);
        Box::pin(tunnel.run(stream, &self.tally)).await;
        None
    }

    async fn serve_http2<S: AsyncRead + AsyncWrite + Unpin + 'static>(self, mut stream: ClientStream<S>) {
        let service = {
            let (worker, facts) = (self.worker.clone(), self.facts.clone());
            let (patience, tally) = (self.patience.clone(), self.tally.clone());
            service_fn(move |request| {
                request::serve(worker.clone(), Connection::new(&facts, &patience, &tally), request)
            })
        };
        let limits = &self.worker.limits;
        stream.guard_http2(limits.idle_frames);
        let mut engine = http2::Builder::new(OnWorker);
        engine.enable_connect_protocol();
        engine.max_pending_accept_reset_streams(limits.pending_resets as usize);
        engine.max_local_error_reset_streams(limits.faulty_requests as usize);
        engine.max_concurrent_streams(limits.streams).max_header_list_size(limits.head_bytes as u32);
        let mut engine = pin!(engine.serve_connection(TokioIo::new(stream), service));
        let left = Watched::new(engine.as_mut(), self.worker.clone(), self.patience, self.tally).await;
        if left == Left::Broken {
            self.worker.breaches.count(self.facts.client.peer.ip(), Instant::now());
        }
    }

    /// Runs an engine to the end of HTTP on its connection, or until it may rest.
    async fn run<E: Engine + Unpin>(&self, engine: &mut E) -> Left {
        let (patience, tally) = (self.patience.clone(), self.tally.clone());
        Watched::new(Pin::new(engine), self.worker.clone(), patience, tally).await
    }
}
