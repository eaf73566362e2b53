//! An upstream that shows what reached it, over HTTP/1.1, HTTP/2, gRPC and WebSocket, and can be steered.
//!
//! | Path | What it does |
//! |---|---|
//! | `/-/sick`, `/-/well` | from now on everything but these answers 503, or again as before |
//! | `/-/held`, `/-/release` | how many requests with the header `x-hold` wait here; answers them |
//! | `/-/received` | bodies of the requests that came |

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_TYPE, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::{Map, Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::signatures::websocket_accept;
use super::websocket::{self, Side};

type Body = UnsyncBoxBody<Bytes, Infallible>;

#[derive(Clone)]
pub struct Upstream {
    pub address: SocketAddr,
    state: Arc<State>,
}

struct State {
    name: &'static str,
    is_sick: AtomicBool,
    /// Each held request has a receiver.
    gate: watch::Sender<()>,
    received: Mutex<Vec<String>>,
}

impl Upstream {
    pub async fn start(name: &'static str) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let is_sick = AtomicBool::new(false);
        let state = Arc::new(State { name, is_sick, gate: watch::Sender::new(()), received: Mutex::default() });
        let shared = state.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, shared.clone()));
            }
        });
        Ok(Self { address, state })
    }

    /// As it was at the start.
    pub fn reset(&self) {
        self.state.is_sick.store(false, Ordering::SeqCst);
        self.state.gate.send_replace(());
        self.state.received.lock().expect("no panic").clear();
    }
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    let service = service_fn(move |request| {
        let state = state.clone();
        async move { Ok::<_, Infallible>(state.answer(request).await) }
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    // A client that goes away is no failure here.
    let _ = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
}

impl State {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        if let Some(order) = request.uri().path().strip_prefix("/-/") {
            return self.obey(order);
        }
        if self.is_sick.load(Ordering::SeqCst) {
            return answer(StatusCode::SERVICE_UNAVAILABLE, self.name, "sick".to_owned());
        }
        let headers = request.headers();
        if headers.get(UPGRADE).is_some_and(|to| to == "websocket") {
            return self.talk(request);
        }
        if headers.contains_key("x-hold") {
            let mut gate = self.gate.subscribe();
            let _ = gate.changed().await;
        }
        let is_grpc = headers.get(CONTENT_TYPE).is_some_and(|kind| kind == "application/grpc");
        if is_grpc { self.call(request).await } else { self.show(request).await }
    }

    fn obey(&self, order: &str) -> Response<Body> {
        let told = match order {
            "sick" | "well" => {
                self.is_sick.store(order == "sick", Ordering::SeqCst);
                json!({ "sick": order == "sick" })
            }
            "held" => json!({ "held": self.gate.receiver_count() }),
            "release" => {
                self.gate.send_replace(());
                json!({ "released": true })
            }
            "received" => json!({ "received": *self.received.lock().expect("no panic") }),
            _ => return answer(StatusCode::NOT_FOUND, self.name, "no such order".to_owned()),
        };
        answer(StatusCode::OK, self.name, told.to_string())
    }

    /// The request as it came. `size` in the query asks for so many bytes more.
    async fn show(&self, request: Request<Incoming>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let body = text_of(body).await;
        self.received.lock().expect("no panic").push(body.clone());
        let query = head.uri.query().unwrap_or_default();
        let size = query.split('&').find_map(|pair| pair.strip_prefix("size=")).and_then(|size| size.parse().ok());
        let path = head.uri.path_and_query().map(|path| path.as_str());
        let seen = json!({
            "upstream": self.name,
            "method": head.method.as_str(),
            "path": path,
            "headers": headers_as_json(&head.headers),
            "body": body,
            "padding": "x".repeat(size.unwrap_or(0)),
        });
        answer(StatusCode::OK, self.name, seen.to_string())
    }

    /// A unary call's message comes back as it is.
    async fn call(&self, request: Request<Incoming>) -> Response<Body> {
        let message = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let trailers = async {
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", "0".parse().expect("a value"));
            Some(Ok(trailers))
        };
        let mut response = Response::new(Full::new(message).with_trailers(trailers).boxed_unsync());
        response.headers_mut().insert(CONTENT_TYPE, "application/grpc".parse().expect("a value"));
        response.headers_mut().insert("x-upstream", self.name.parse().expect("a value"));
        response
    }

    /// Switches to WebSocket; every message is answered with the upstream's name before it.
    fn talk(&self, request: Request<Incoming>) -> Response<Body> {
        let name = self.name;
        let key = request.headers().get(SEC_WEBSOCKET_KEY).and_then(|key| key.to_str().ok()).unwrap_or_default();
        let response = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
        let response = response.header(CONNECTION, "upgrade").header(UPGRADE, "websocket");
        let response = response.header(SEC_WEBSOCKET_ACCEPT, websocket_accept(key));
        tokio::spawn(async move {
            let Ok(upgraded) = hyper::upgrade::on(request).await else { return };
            let mut stream = TokioIo::new(upgraded);
            while let Ok(Some(text)) = websocket::receive(&mut stream).await {
                if websocket::send(&mut stream, Side::Server, &format!("{name}: {text}")).await.is_err() {
                    return;
                }
            }
            let _ = websocket::close(&mut stream, Side::Server).await;
        });
        response.body(Full::default().boxed_unsync()).expect("a response")
    }
}

async fn text_of(body: Incoming) -> String {
    let bytes = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn headers_as_json(headers: &HeaderMap) -> Map<String, Value> {
    let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.to_string(), text(value).into())).collect()
}

fn answer(status: StatusCode, name: &str, body: String) -> Response<Body> {
    let response = Response::builder().status(status).header(CONTENT_TYPE, "application/json");
    response.header("x-upstream", name).body(Full::from(body).boxed_unsync()).expect("a response")
}
