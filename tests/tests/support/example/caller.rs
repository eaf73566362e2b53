//! Makes an example's requests: each on a connection of its own.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::{BufMut, Bytes};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use hyper::http::request::Builder;
use hyper::{HeaderMap, Request, Response, StatusCode, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use serde_json::Value;

use super::answer::Answer;
use super::connection::{Connection, encrypted, plain, tls_config};
use super::format::{Kind, Step};
use super::names::Names;
use super::signatures;
use super::websocket::{self, Side};

const DEADLINE: Duration = Duration::from_secs(30);
/// A gRPC message begins with a flag and its length. Source: gRPC over HTTP/2, "Length-Prefixed-Message".
const GRPC_PREFIX: usize = 5;

/// Where the gateway listens.
#[derive(Debug, Clone, Copy)]
pub struct Gateway {
    pub http: SocketAddr,
    pub https: SocketAddr,
}

/// A request that is ready to be sent.
pub struct Call {
    step: Step,
    address: SocketAddr,
    uri: Uri,
    request: Request<Full<Bytes>>,
    tls: Option<ClientConfig>,
}

impl Call {
    pub fn prepare(step: &Step, gateway: Gateway, names: &mut Names) -> anyhow::Result<Self> {
        let (method, target) = step.request.split_once(' ').context("a request is `METHOD path` or `METHOD URL`")?;
        let is_whole = target.contains("://");
        let whole = if is_whole { target.to_owned() } else { format!("http://{}{target}", gateway.http) };
        let uri: Uri = whole.parse().context("no URL")?;
        let authority = uri.authority().context("no host")?;
        let is_encrypted = uri.scheme_str() == Some("https");
        // A URL with an address goes there; names are the gateway's.
        let address = match authority.as_str().parse() {
            Ok(address) => address,
            Err(_) if is_encrypted => gateway.https,
            Err(_) => gateway.http,
        };
        let body = body_of(step);
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let builder =
            Request::builder().method(method).uri(if step.kind == Kind::Grpc { whole.as_str() } else { path });
        let mut builder = with_headers(builder, step);
        if step.kind != Kind::Grpc && !has_header(step, HOST.as_str()) {
            builder = builder.header(HOST, authority.as_str());
        }
        let jwt = step.jwt.as_ref().map(|jwt| signatures::bearer(jwt, names)).transpose()?;
        let signed = step.signature.as_ref().map(|signature| signatures::signed(signature, method, path, &body));
        for (name, value) in jwt.into_iter().chain(signed.transpose()?).flatten() {
            builder = builder.header(name, value);
        }
        let request = builder.body(Full::new(Bytes::from(body)))?;
        let tls = is_encrypted.then(|| tls_config(step.client_certificate.as_deref(), names)).transpose()?;
        Ok(Self { step: step.clone(), address, uri, request, tls })
    }

    /// An error where there is no answer: the connection was refused or broken off.
    pub async fn make(self) -> anyhow::Result<Answer> {
        tokio::time::timeout(DEADLINE, self.make_in_time()).await.context("no answer in time")?
    }

    async fn make_in_time(self) -> anyhow::Result<Answer> {
        let connection = match self.tls {
            Some(config) => encrypted(self.address, self.uri.host().unwrap_or_default(), &self.step, config).await?,
            None => plain(self.address, self.step.from).await?,
        };
        match self.step.kind {
            Kind::Grpc => grpc(connection, self.request).await,
            Kind::Http | Kind::WebSocket => http(connection, self.request, &self.step.messages).await,
        }
    }
}

fn body_of(step: &Step) -> Vec<u8> {
    let body = match &step.body {
        None => Vec::new(),
        Some(Value::String(text)) => text.clone().into_bytes(),
        Some(other) => other.to_string().into_bytes(),
    };
    if step.kind != Kind::Grpc {
        return body;
    }
    let mut framed = vec![0];
    framed.put_u32(u32::try_from(body.len()).expect("a short message"));
    framed.extend(body);
    framed
}

fn has_header(step: &Step, name: &str) -> bool {
    step.headers.keys().any(|own| own.eq_ignore_ascii_case(name))
}

/// The step's headers, and those that its kind needs.
fn with_headers(builder: Builder, step: &Step) -> Builder {
    let builder = step.headers.iter().fold(builder, |builder, (name, value)| builder.header(name, value));
    let is_json = step.body.as_ref().is_some_and(|body| !body.is_string());
    match step.kind {
        Kind::Grpc => builder.header(CONTENT_TYPE, "application/grpc").header("te", "trailers"),
        Kind::WebSocket => builder
            .header(CONNECTION, "upgrade")
            .header(UPGRADE, "websocket")
            .header(SEC_WEBSOCKET_VERSION, "13")
            .header(SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="),
        Kind::Http if is_json && !has_header(step, "content-type") => builder.header(CONTENT_TYPE, "application/json"),
        Kind::Http => builder,
    }
}

async fn http(connection: Connection, request: Request<Full<Bytes>>, messages: &[String]) -> anyhow::Result<Answer> {
    let (mut sender, driver) = http1::handshake(TokioIo::new(connection.io)).await?;
    tokio::spawn(driver.with_upgrades());
    let mut response = sender.send_request(request).await?;
    let mut said = Vec::new();
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let upgraded = hyper::upgrade::on(&mut response).await?;
        said = talk(TokioIo::new(upgraded), messages).await?;
    }
    let mut answer = collected(response).await?;
    (answer.messages, answer.certificate) = (said, connection.certificate);
    Ok(answer)
}

/// Says one message after another and hears an answer to each.
async fn talk(mut stream: TokioIo<hyper::upgrade::Upgraded>, messages: &[String]) -> anyhow::Result<Vec<String>> {
    let mut said = Vec::new();
    for message in messages {
        websocket::send(&mut stream, Side::Client, message).await?;
        said.push(websocket::receive(&mut stream).await?.context("closed too early")?);
    }
    websocket::close(&mut stream, Side::Client).await?;
    if let Some(more) = websocket::receive(&mut stream).await? {
        bail!("said `{more}` instead of closing");
    }
    Ok(said)
}

async fn grpc(connection: Connection, request: Request<Full<Bytes>>) -> anyhow::Result<Answer> {
    let (mut sender, driver) = http2::handshake(TokioExecutor::new(), TokioIo::new(connection.io)).await?;
    tokio::spawn(driver);
    let mut answer = collected(sender.send_request(request).await?).await?;
    answer.certificate = connection.certificate;
    if answer.header("content-type").as_deref() == Some("application/grpc") {
        answer.body.drain(..GRPC_PREFIX.min(answer.body.len()));
    }
    Ok(answer)
}

async fn collected(response: Response<hyper::body::Incoming>) -> anyhow::Result<Answer> {
    let (head, body) = response.into_parts();
    let body = body.collect().await?;
    let trailers = body.trailers().cloned().unwrap_or_else(HeaderMap::new);
    let body = body.to_bytes().to_vec();
    let (messages, certificate) = (Vec::new(), None);
    Ok(Answer { status: head.status.as_u16(), headers: head.headers, trailers, body, messages, certificate })
}
