//! The load over HTTP/2: few connections with many streams each; plain requests, or unary gRPC calls.
//!
//! A stream's place is a task that asks again as soon as it has its answer, so as many streams are open as there
//! are places. The `h2` crate does the protocol; hyper above it would cost a channel and a task per request.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use h2::RecvStream;
use h2::client::SendRequest;
use http::{HeaderMap, Request, Response};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};
use tokio_rustls::TlsConnector;

use super::outcome::{TICK, Tally};
use super::{Outcome, Pace, Protocol, Right, SERVER_NAME, STOPPING, Shared, Target};
use crate::grpc;

/// Few, as of clients that use HTTP/2 as it is meant.
const CONNECTIONS: usize = 4;
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Larger than all answers under way: flow control is not what is measured.
const WINDOW: u32 = 1 << 20;

/// Runs until the phase says stop.
pub(super) fn run(target: Target, pace: Pace, shared: Arc<Shared>) -> io::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tally = Rc::new(RefCell::new(Tally::new(shared)));
    let connections = CONNECTIONS.clamp(1, pace.connections.max(1));
    let place = Rc::new(Place { question: Question::of(&target)?, target, tally: tally.clone() });
    let all = LocalSet::new();
    for _ in 0..connections {
        all.spawn_local(keep_connected(place.clone(), pace.connections.div_ceil(connections)));
    }
    runtime.block_on(all.run_until(async {
        while tally.borrow().phase() != STOPPING {
            tokio::time::sleep(TICK).await;
        }
    }));
    let outcome = tally.borrow().outcome.clone();
    Ok(outcome)
}

/// What all streams know.
struct Place {
    target: Target,
    question: Question,
    tally: Rc<RefCell<Tally>>,
}

/// A request and its right answer.
struct Question {
    request: Request<()>,
    body: Option<Bytes>,
    right: Right,
    is_call: bool,
}

impl Question {
    fn of(target: &Target) -> io::Result<Self> {
        let is_call = target.protocol == Protocol::Grpc;
        let scheme = if target.tls.is_some() { "https" } else { "http" };
        let request = Request::builder().uri(format!("{scheme}://{SERVER_NAME}{}", target.path));
        let request = request.header("user-agent", "bench");
        let request = if is_call {
            request.method("POST").header("content-type", grpc::TYPE).header("te", "trailers")
        } else {
            request.header("accept", "*/*")
        };
        let right = Right { status: 200, body: grpc::REPLY.as_slice().into() };
        Ok(Self {
            request: request.body(()).map_err(io::Error::other)?,
            body: is_call.then(|| Bytes::from_static(grpc::CALL)),
            right: if is_call { right } else { Right::default() },
            is_call,
        })
    }

    /// What is wrong with an answer.
    fn fault(&self, head: &Response<RecvStream>, body: &[u8], trailers: Option<&HeaderMap>) -> Option<String> {
        let status = head.status().as_u16();
        if status != self.right.status || body != &*self.right.body {
            return Some(format!("status {status}, body {:?}", String::from_utf8_lossy(body)));
        }
        let grpc_status = trailers.and_then(|trailers| trailers.get(grpc::STATUS));
        let is_right = !self.is_call || grpc_status.is_some_and(|status| status == "0");
        (!is_right).then(|| format!("trailers {trailers:?}"))
    }
}

async fn keep_connected(place: Rc<Place>, streams: usize) {
    loop {
        if let Err(error) = connect(&place, streams).await {
            place.tally.borrow_mut().error(&format_args!("{error:#}"));
        }
        tokio::time::sleep(TICK).await;
    }
}

/// Connects and keeps all streams busy until the connection fails.
async fn connect(place: &Rc<Place>, streams: usize) -> Result<()> {
    let tcp = tokio::time::timeout(CONNECT_LIMIT, tcp(place.target.address)).await??;
    match &place.target.tls {
        None => serve(place, tcp, streams).await,
        Some(config) => {
            let name = ServerName::try_from(SERVER_NAME)?;
            let stream = TlsConnector::from(config.clone()).connect(name, tcp);
            let stream = tokio::time::timeout(CONNECT_LIMIT, stream).await?.context("TLS")?;
            if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
                bail!("the server does not take HTTP/2");
            }
            serve(place, stream, streams).await
        }
    }
}

async fn tcp(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn serve<S>(place: &Rc<Place>, stream: S, streams: usize) -> Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(WINDOW).initial_connection_window_size(WINDOW);
    let (sender, connection) = builder.handshake::<_, Bytes>(stream).await?;
    let mut tasks = JoinSet::new();
    tasks.spawn_local(async { Ok(connection.await?) });
    for _ in 0..streams {
        tasks.spawn_local(ask_on_and_on(place.clone(), sender.clone()));
    }
    drop(sender);
    // Whoever ends first tells why; all others end with the set.
    tasks.join_next().await.context("no stream")??
}

async fn ask_on_and_on(place: Rc<Place>, mut sender: SendRequest<Bytes>) -> Result<()> {
    let question = &place.question;
    loop {
        sender = sender.ready().await?;
        let asked = Instant::now();
        let (answer, mut body) = sender.send_request(question.request.clone(), question.body.is_none())?;
        if let Some(bytes) = &question.body {
            body.send_data(bytes.clone(), true)?;
        }
        let mut head = answer.await?;
        let (body, trailers) = read(head.body_mut()).await?;
        let fault = question.fault(&head, &body, trailers.as_ref());
        place.tally.borrow_mut().count(fault, Some(asked));
    }
}

/// The whole body and the trailers.
async fn read(stream: &mut RecvStream) -> Result<(Bytes, Option<HeaderMap>)> {
    let mut whole = Bytes::new();
    while let Some(chunk) = stream.data().await {
        let chunk = chunk?;
        stream.flow_control().release_capacity(chunk.len())?;
        whole = if whole.is_empty() { chunk } else { Bytes::from([whole, chunk].concat()) };
    }
    Ok((whole, stream.trailers().await?))
}
