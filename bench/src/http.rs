//! A blocking HTTP client of one keep-alive connection: for the API's calls, for asking a gateway hot, and for idle connections.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use rustls_pki_types::ServerName;
use serde_json::Value;

use crate::answer;
use crate::load::SERVER_NAME;

const CONNECT_LIMIT: Duration = Duration::from_secs(2);
/// A connection idle for longer may be about to be closed by the server: a new one is made instead.
const REUSE_LIMIT: Duration = Duration::from_secs(1);
const READ_LIMIT: Duration = Duration::from_secs(120);

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// A header's value; `name` with its colon.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let mut lines = self.head.split(|byte| *byte == b'\n');
        let value = lines.find_map(|line| answer::header(line, name.as_bytes()))?;
        Some(String::from_utf8_lossy(value).into_owned())
    }
}

/// Connects when needed, and anew after a failure.
pub(crate) struct Connection {
    address: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
    stream: Option<Stream>,
    used: Instant,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, tls: None, stream: None, used: Instant::now(), buffer: Vec::new() }
    }

    /// Over TLS.
    pub(crate) fn with_tls(self, config: Arc<ClientConfig>) -> Self {
        Self { tls: Some(config), ..self }
    }

    /// Whether the connection of the last answer is still there.
    pub(crate) fn is_open(&self) -> bool {
        let Some(stream) = &self.stream else { return false };
        let socket = match stream {
            Stream::Plain(socket) => socket,
            Stream::Tls(stream) => &stream.sock,
        };
        let mut byte = [0];
        let peeked = socket.set_nonblocking(true).and_then(|()| socket.peek(&mut byte));
        let is_blocking_again = socket.set_nonblocking(false).is_ok();
        let is_silent = peeked.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
        is_blocking_again && (is_silent || peeked.is_ok_and(|bytes| bytes > 0))
    }

    pub(crate) fn get(&mut self, path: &str, headers: &[&str]) -> io::Result<Answer> {
        self.ask("GET", path, headers, &[])
    }

    /// One request and its answer.
    pub(crate) fn ask(&mut self, method: &str, path: &str, headers: &[&str], body: &[u8]) -> io::Result<Answer> {
        let lines: String = headers.iter().flat_map(|line| [line, "\r\n"]).collect();
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: bench.test\r\nContent-Length: {length}\r\n{lines}\r\n");
        if self.used.elapsed() > REUSE_LIMIT {
            self.stream = None;
        }
        let outcome = self.exchange(&[head.as_bytes(), body].concat());
        self.used = Instant::now();
        if outcome.is_err() {
            self.stream = None;
        }
        outcome
    }

    fn exchange(&mut self, request: &[u8]) -> io::Result<Answer> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => none.insert(connect(self.address, self.tls.as_ref())?),
        };
        stream.write_all(request)?;
        self.buffer.clear();
        let mut chunk = [0; 16 * 1024];
        loop {
            let read = stream.read(&mut chunk)?;
            if read == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.buffer.extend(chunk.iter().take(read));
            match answer::read(&self.buffer) {
                answer::Answer::Incomplete => {}
                answer::Answer::Unreadable => return Err(io::Error::other("an answer that cannot be read")),
                answer::Answer::Whole(whole) => {
                    let (status, body) = (whole.status, whole.body.to_vec());
                    let (head, closes) = (whole.head, whole.closes);
                    if closes {
                        self.stream = None;
                    }
                    self.buffer.truncate(head);
                    return Ok(Answer { status, head: std::mem::take(&mut self.buffer), body });
                }
            }
        }
    }
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

fn connect(address: SocketAddr, tls: Option<&Arc<ClientConfig>>) -> io::Result<Stream> {
    let stream = TcpStream::connect_timeout(&address, CONNECT_LIMIT)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(READ_LIMIT))?;
    let Some(config) = tls else { return Ok(Stream::Plain(stream)) };
    let name = ServerName::try_from(SERVER_NAME).map_err(io::Error::other)?;
    let tls = ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
    Ok(Stream::Tls(Box::new(StreamOwned::new(tls, stream))))
}

impl Stream {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Stream::Plain(stream) => stream.write_all(bytes),
            Stream::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(stream) => stream.read(buffer),
            Stream::Tls(stream) => stream.read(buffer),
        }
    }
}

/// A JSON API behind one connection and one key.
pub(crate) struct Api {
    connection: Connection,
    headers: Vec<String>,
}

impl Api {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { connection: Connection::new(address), headers: vec!["Content-Type: application/json".to_owned()] }
    }

    /// Sends this header line with all further requests.
    pub(crate) fn with_header(mut self, line: String) -> Self {
        self.headers.push(line);
        self
    }

    /// The answer's body; an error with the API's words when it is not a success.
    pub(crate) fn call(&mut self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let what = || format!("{method} {path}");
        let headers: Vec<&str> = self.headers.iter().map(String::as_str).collect();
        let body = if body.is_null() { Vec::new() } else { serde_json::to_vec(body)? };
        let answer = self.connection.ask(method, path, &headers, &body).with_context(what)?;
        if !(200..300).contains(&answer.status) {
            bail!("{}: {} {}", what(), answer.status, String::from_utf8_lossy(&answer.body));
        }
        if answer.body.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_slice(&answer.body)?) }
    }
}
