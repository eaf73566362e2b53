//! Upstreams: one that tells what it got, and one that does exactly as scripted.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// Answers with method, path, headers and body of the request as JSON.
pub(crate) struct Echo {
    pub(crate) address: SocketAddr,
    counts: Arc<Counts>,
    stop: CancellationToken,
}

#[derive(Default)]
struct Counts {
    connections: AtomicUsize,
    open: AtomicUsize,
    requests: AtomicUsize,
}

impl Echo {
    pub(crate) async fn start() -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0))).await.expect("a free port")
    }

    /// Fails when the address is taken.
    pub(crate) async fn start_at(address: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let counts = Arc::new(Counts::default());
        let stop = CancellationToken::new();
        tokio::spawn(stop.clone().run_until_cancelled_owned(accept(listener, address, counts.clone(), stop.clone())));
        Ok(Self { address, counts, stop })
    }

    /// Listens no more and closes its connections.
    pub(crate) fn stop(self) {
        self.stop.cancel();
    }

    /// How many connections were ever opened to it.
    pub(crate) fn connections(&self) -> usize {
        self.counts.connections.load(Ordering::SeqCst)
    }

    /// How many are open now.
    pub(crate) fn open(&self) -> usize {
        self.counts.open.load(Ordering::SeqCst)
    }

    pub(crate) fn requests(&self) -> usize {
        self.counts.requests.load(Ordering::SeqCst)
    }

    /// `{"host:port": 1}`
    pub(crate) fn nodes(&self) -> Value {
        json!({ self.address.to_string(): 1 })
    }
}

async fn accept(listener: TcpListener, address: SocketAddr, counts: Arc<Counts>, stop: CancellationToken) {
    while let Ok((stream, _)) = listener.accept().await {
        counts.connections.fetch_add(1, Ordering::SeqCst);
        counts.open.fetch_add(1, Ordering::SeqCst);
        let (counts, stop) = (counts.clone(), stop.clone());
        tokio::spawn(async move {
            let counted = counts.clone();
            let service = service_fn(move |request| {
                counted.requests.fetch_add(1, Ordering::SeqCst);
                async move { Ok::<_, Infallible>(echo(request, address).await) }
            });
            let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            let _ = stop.run_until_cancelled(serving).await;
            counts.open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

async fn echo(request: Request<Incoming>, node: SocketAddr) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return Response::new(Full::default());
    };
    let body = body.to_bytes();
    let mut headers = Map::new();
    for name in head.headers.keys() {
        let all: Vec<_> = head.headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("?")).collect();
        headers.insert(name.to_string(), all.join(" | ").into());
    }
    let got = json!({
        "node": node.to_string(),
        "method": head.method.as_str(),
        "uri": head.uri.to_string(),
        "headers": headers,
        "length": body.len(),
        "body": String::from_utf8_lossy(body.get(..body.len().min(1000)).unwrap_or_default()),
    });
    let response = Response::builder().header("x-upstream", "echo").header("connection", "x-private, keep-alive");
    let response = response.header("private", "kept").header("keep-alive", "timeout=5");
    response.body(Full::new(got.to_string().into())).expect("a response")
}

/// Runs `script` for each connection; the number counts connections from 0.
pub(crate) struct Script {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Script {
    pub(crate) async fn start<F>(script: impl Fn(usize, Exchange) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = connections.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(script(number, Exchange { stream }));
            }
        });
        Self { address, connections }
    }

    /// Each connection gets these bytes after the head of its first request, then is closed.
    pub(crate) async fn answering(answer: &'static str) -> Self {
        Self::start(move |_, mut exchange| async move {
            exchange.head().await;
            exchange.write(answer).await;
        })
        .await
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn nodes(&self) -> Value {
        json!({ self.address.to_string(): 1 })
    }
}

/// One scripted connection. Dropping it closes it.
pub(crate) struct Exchange {
    pub(crate) stream: TcpStream,
}

impl Exchange {
    /// Reads a request's head; empty when the gateway closed.
    pub(crate) async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match self.stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return String::new(),
            }
        }
        String::from_utf8_lossy(&head).into_owned()
    }

    pub(crate) async fn write(&mut self, bytes: &str) {
        let _ = self.stream.write_all(bytes.as_bytes()).await;
    }

    /// Waits until the gateway closes.
    pub(crate) async fn closed(&mut self) {
        let mut rest = [0; 4096];
        while self.stream.read(&mut rest).await.is_ok_and(|read| read > 0) {}
    }

    /// Closes with a reset.
    pub(crate) fn reset(self) {
        let _ = socket2::SockRef::from(&self.stream).set_linger(Some(std::time::Duration::ZERO));
    }
}

/// Nodes of which the second is asked when the first does not serve.
pub(crate) fn one_then(first: SocketAddr, second: SocketAddr) -> Value {
    let node =
        |at: SocketAddr, priority: u8| json!({ "host": at.ip(), "port": at.port(), "weight": 1, "priority": priority });
    json!([node(first, 1), node(second, 0)])
}

/// An address where nobody listens.
pub(crate) async fn refused_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    listener.local_addr().expect("an address").to_string()
}
