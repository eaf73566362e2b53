//! Clients: one that speaks HTTP well, and one that sends bytes as they are.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::{DEADLINE, soon};

/// A whole response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    /// What the echo upstream says it got.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// A keep-alive connection.
pub(crate) struct Client {
    sender: SendRequest<Full<Bytes>>,
}

impl Client {
    pub(crate) async fn connect(to: SocketAddr) -> Self {
        Self::connect_from(to.ip(), to).await
    }

    /// From another address of loopback.
    pub(crate) async fn connect_from(from: IpAddr, to: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((from, 0).into()).expect("a free port");
        let stream = socket.connect(to).await.expect("the gateway listens");
        let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("a connection");
        tokio::spawn(connection);
        Self { sender }
    }

    /// Whether the gateway has closed it.
    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> hyper::Result<Answer> {
        soon("an answer", async {
            self.sender.ready().await?;
            let (head, body) = self.sender.send_request(request).await?.into_parts();
            Ok(Answer { status: head.status, headers: head.headers, body: body.collect().await?.to_bytes() })
        })
        .await
    }

    pub(crate) async fn get(&mut self, target: &str) -> hyper::Result<Answer> {
        let request = Request::get(target).header("host", "example.test");
        self.send(request.body(Full::default()).expect("a request")).await
    }

    pub(crate) async fn post(&mut self, target: &str, body: impl Into<Bytes>) -> hyper::Result<Answer> {
        let request = Request::post(target).header("host", "example.test");
        self.send(request.body(Full::new(body.into())).expect("a request")).await
    }
}

/// One GET on its own connection.
pub(crate) async fn get(to: SocketAddr, target: &str) -> Answer {
    Client::connect(to).await.get(target).await.expect("an answer")
}

/// Sends bytes and gives all that comes back until the gateway closes.
pub(crate) async fn raw(to: SocketAddr, request: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(to).await.expect("the gateway listens");
    stream.write_all(request.as_ref()).await.expect("sent");
    let mut answer = Vec::new();
    let read = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut answer)).await;
    let read = read.unwrap_or_else(|_| panic!("not closed after {:?}", String::from_utf8_lossy(&answer)));
    // A reset after the answer is an end as well.
    if let Err(error) = read {
        assert!(!answer.is_empty(), "{error}");
    }
    String::from_utf8_lossy(&answer).into_owned()
}
