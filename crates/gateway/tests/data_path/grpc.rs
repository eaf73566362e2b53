//! gRPC through the gateway: HTTP/2 on both sides, and trailers.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, Request, Response, Version};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::support::{Gateway, put, refused_port, soon};

type Pieces = StreamBody<ReceiverStream<Result<Frame<Bytes>, Infallible>>>;

/// A gRPC server that gives each message back `x-times` times and ends with `grpc-status: 0` and what it saw.
struct Server {
    address: SocketAddr,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let service = service_fn(|request| async { Ok::<_, Infallible>(serve(request)) });
                let served = http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service);
                tokio::spawn(served);
            }
        });
        Self { address }
    }

    /// One that is spoken to by TLS, and agrees to HTTP/2 alone.
    async fn encrypted(mut config: rustls::ServerConfig) -> Self {
        config.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(stream) = acceptor.accept(stream).await else { continue };
                assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]), "gRPC is asked for in the handshake");
                let service = service_fn(|request| async { Ok::<_, Infallible>(serve(request)) });
                let served = http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service);
                tokio::spawn(served);
            }
        });
        Self { address }
    }

    fn nodes(&self) -> Value {
        json!({ self.address.to_string(): 1 })
    }
}

fn serve(request: Request<Incoming>) -> Response<Pieces> {
    let (head, mut body) = request.into_parts();
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("none").to_owned();
    let times = header("x-times").parse().unwrap_or(1);
    let seen = format!("{:?} {} {}", head.version, header("te"), head.uri);
    let (pieces, stream) = mpsc::channel(8);
    tokio::spawn(async move {
        while let Some(Ok(frame)) = body.frame().await {
            let Ok(data) = frame.into_data() else { continue };
            for _ in 0..times {
                let _ = pieces.send(Ok(Frame::data(data.clone()))).await;
            }
        }
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().expect("a value"));
        trailers.insert("x-seen", seen.parse().expect("a value"));
        let _ = pieces.send(Ok(Frame::trailers(trailers))).await;
    });
    let response = Response::builder().header("content-type", "application/grpc");
    response.body(StreamBody::new(ReceiverStream::new(stream))).expect("a response")
}

async fn connect(to: SocketAddr) -> SendRequest<Pieces> {
    let stream = TcpStream::connect(to).await.expect("the gateway listens");
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("a connection");
    tokio::spawn(connection);
    sender
}

/// A call under way: messages go in one by one.
struct Call {
    messages: mpsc::Sender<Result<Frame<Bytes>, Infallible>>,
    response: Response<Incoming>,
}

async fn call(sender: &mut SendRequest<Pieces>, times: usize) -> Call {
    call_to(sender, "http://grpc.test/shop.Cart/Add", times).await
}

async fn call_to(sender: &mut SendRequest<Pieces>, uri: &str, times: usize) -> Call {
    let (messages, stream) = mpsc::channel(8);
    let request = Request::post(uri).version(Version::HTTP_2);
    let request = request.header("te", "trailers").header("content-type", "application/grpc").header("x-times", times);
    let request = request.body(StreamBody::new(ReceiverStream::new(stream))).expect("a request");
    let response = soon("the head", sender.send_request(request)).await.expect("an answer");
    Call { messages, response }
}

impl Call {
    async fn send(&self, message: &'static str) {
        self.messages.send(Ok(Frame::data(message.into()))).await.expect("the call is open");
    }

    async fn next(&mut self) -> Bytes {
        let frame = soon("a message", self.response.body_mut().frame()).await.expect("a frame").expect("no error");
        frame.into_data().expect("data")
    }

    /// The rest of the messages, and the trailers.
    async fn end(self) -> (String, HeaderMap) {
        drop(self.messages);
        let collected = soon("the end", self.response.into_body().collect()).await.expect("no error");
        let trailers = collected.trailers().cloned().unwrap_or_default();
        (String::from_utf8_lossy(&collected.to_bytes()).into_owned(), trailers)
    }
}

fn route(scheme: &str, nodes: Value) -> model::Change {
    put("route/r", json!({ "uri": "/shop.Cart/*", "upstream": { "scheme": scheme, "nodes": nodes } }))
}

#[tokio::test]
async fn all_four_kinds_of_call_pass() {
    let server = Server::start().await;
    let gateway = Gateway::start(vec![route("grpc", server.nodes())]);
    let mut sender = connect(gateway.http).await;
    // Unary, and a stream from the server.
    for (times, answer) in [(1, "one"), (3, "oneoneone")] {
        let call = call(&mut sender, times).await;
        call.send("one").await;
        let (messages, trailers) = call.end().await;
        assert_eq!(messages, answer);
        assert_eq!(trailers["grpc-status"], "0");
        assert_eq!(trailers["x-seen"], "HTTP/2.0 trailers http://grpc.test/shop.Cart/Add");
    }
    // A stream from the client.
    let upload = call(&mut sender, 1).await;
    upload.send("one").await;
    upload.send("two").await;
    assert_eq!(upload.end().await.0, "onetwo");
    // Both ways, in turns: an answer comes before the next question is asked.
    let mut talk = call(&mut sender, 1).await;
    for message in ["a", "b", "c"] {
        talk.send(message).await;
        assert_eq!(talk.next().await, message);
    }
    assert_eq!(talk.end().await.1["grpc-status"], "0");
    gateway.stop().await;
}

/// Many calls at once share a connection to the node.
#[tokio::test]
async fn calls_share_a_connection_to_the_node() {
    let server = Server::start().await;
    let gateway = Gateway::start(vec![route("grpc", server.nodes())]);
    let sender = connect(gateway.http).await;
    let calls = (0..50).map(|_| {
        let mut sender = sender.clone();
        async move {
            let call = call(&mut sender, 1).await;
            call.send("x").await;
            call.end().await.0
        }
    });
    let answers: Vec<_> = futures_util::stream::iter(calls).buffer_unordered(50).collect().await;
    assert!(answers.iter().all(|answer| answer == "x") && answers.len() == 50);
    gateway.stop().await;
}

#[tokio::test]
async fn a_node_that_is_away_or_speaks_http1_gives_502() {
    let away = refused_port().await;
    let echo = crate::support::Echo::start().await;
    for node in [away, echo.address.to_string()] {
        let gateway = Gateway::start(vec![route("grpc", json!({ node.as_str(): 1 }))]);
        let mut sender = connect(gateway.http).await;
        let call = call(&mut sender, 1).await;
        assert_eq!(call.response.status(), 502, "{node}");
        assert!(call.response.body().size_hint().lower() > 0);
        drop((call, sender));
        gateway.stop().await;
    }
}

#[tokio::test]
async fn encrypted_nodes_are_believed_as_their_certificates_allow() {
    use crate::tls_nodes::{authority, server_config, trust};
    let (known, stranger) = (authority(), authority());
    let _authorities = trust(&known);
    let servers = [
        ("good", Server::encrypted(server_config(&known, "localhost", 4000)).await, 200),
        ("other-name", Server::encrypted(server_config(&known, "elsewhere.test", 4000)).await, 502),
        ("stranger", Server::encrypted(server_config(&stranger, "localhost", 4000)).await, 502),
    ];
    let route = |id: &str, server: &Server, verify: bool| {
        let nodes = json!({ format!("localhost:{}", server.address.port()): 1 });
        let upstream = json!({ "scheme": "grpcs", "pass_host": "node", "nodes": nodes, "tls": { "verify": verify } });
        put(&format!("route/{id}-{verify}"), json!({ "uri": format!("/{id}.{verify}/*"), "upstream": upstream }))
    };
    let routes = servers.iter().flat_map(|(id, server, _)| [route(id, server, true), route(id, server, false)]);
    let gateway = Gateway::start(routes.collect());
    let mut sender = connect(gateway.http).await;
    for (id, _, verified) in &servers {
        for (verify, status) in [(true, *verified), (false, 200)] {
            let mut call = call_to(&mut sender, &format!("http://grpc.test/{id}.{verify}/Add"), 1).await;
            assert_eq!(call.response.status(), status, "{id}, verified: {verify}");
            if status == 200 {
                call.send("one").await;
                assert_eq!(call.next().await, "one", "{id}, verified: {verify}");
                let (_, trailers) = call.end().await;
                assert_eq!(trailers["grpc-status"], "0", "{id}, verified: {verify}");
                let seen = trailers["x-seen"].to_str().expect("text");
                assert!(seen.contains(" https://localhost"), "{seen}");
            }
        }
    }
    drop(sender);
    gateway.stop().await;
}

#[tokio::test]
async fn clients_call_over_tls() {
    let server = Server::start().await;
    let (trusted, ssl) = crate::tls::certificate("grpc", &["grpc.test"]);
    let gateway = Gateway::start(vec![route("grpc", server.nodes()), ssl]);
    let stream = crate::tls::tls_stream(gateway.https, "grpc.test", &trusted, &["h2"]).await.expect("a handshake");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("a connection");
    tokio::spawn(connection);
    let mut talk = call_to(&mut sender, "https://grpc.test/shop.Cart/Add", 1).await;
    for message in ["a", "b"] {
        talk.send(message).await;
        assert_eq!(talk.next().await, message);
    }
    let (_, trailers) = talk.end().await;
    assert_eq!(trailers["grpc-status"], "0");
    // The node is spoken to as its own scheme says.
    assert_eq!(trailers["x-seen"], "HTTP/2.0 trailers http://grpc.test/shop.Cart/Add");
    drop(sender);
    gateway.stop().await;
}
