//! One connection of the load generator with one request under way: HTTP/1.1 or a WebSocket, plain or TLS.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use rustls::ClientConnection;
use rustls_pki_types::ServerName;

use super::websocket::{self, Message};
use super::{Protocol, Request, Target, Which};
use crate::answer::{self, Answer};

/// The name that certificates of a benchmark are for.
pub(crate) const SERVER_NAME: &str = "bench.test";
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const BUFFER: usize = 16 * 1024;

pub(super) struct Connection {
    pub(super) socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
    talk: Talk,
    buffer: Box<[u8]>,
    filled: usize,
    /// When the request under way was due; none when idle.
    pub(super) asked: Option<Instant>,
    /// The server has closed it.
    pub(super) ended: bool,
}

enum Talk {
    Http(Box<Questions>),
    Messages(Box<Message>),
}

struct Questions {
    own: Request,
    other: Option<Request>,
    asked: Which,
}

impl Questions {
    fn asked(&mut self) -> &mut Request {
        match (&mut self.other, self.asked) {
            (Some(other), Which::Other) => other,
            _ => &mut self.own,
        }
    }
}

/// A whole answer.
pub(super) struct Reply {
    /// What is wrong with it.
    pub(super) fault: Option<String>,
    /// The server says that it closes the connection.
    pub(super) closes: bool,
}

impl Connection {
    /// Connects and is idle. The TLS handshake has been done, unless handshakes are what is measured: then it is
    /// part of the first request.
    pub(super) fn open(target: &Target) -> io::Result<Self> {
        let mut stream = std::net::TcpStream::connect_timeout(&target.address, CONNECT_LIMIT)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(CONNECT_LIMIT))?;
        let mut tls = target.tls.as_ref().map(client).transpose()?;
        if let (Some(tls), false) = (&mut tls, target.protocol == Protocol::Handshakes) {
            shake_hands(tls, &mut stream)?;
        }
        let talk = if target.protocol == Protocol::WebSocket {
            websocket::upgrade(&mut stream, &target.path)?;
            Talk::Messages(Box::new(Message::new()))
        } else {
            let (own, other) = (target.request.clone(), target.other.clone());
            Talk::Http(Box::new(Questions { own, other, asked: Which::Own }))
        };
        stream.set_nonblocking(true)?;
        let buffer = vec![0; BUFFER].into_boxed_slice();
        Ok(Self { socket: TcpStream::from_std(stream), tls, talk, buffer, filled: 0, asked: None, ended: false })
    }

    /// Sends a request that was due at `due`. It is small and nothing else is under way, so a full socket is an error.
    pub(super) fn ask(&mut self, due: Instant, random: u64, which: Which) -> io::Result<()> {
        self.asked = Some(due);
        let bytes = match &mut self.talk {
            Talk::Http(questions) => {
                questions.asked = which;
                let request = questions.asked();
                request.choose_route(random);
                &request.bytes[..]
            }
            Talk::Messages(message) => {
                message.choose(random);
                &message.frame[..]
            }
        };
        let Some(tls) = &mut self.tls else { return self.socket.write_all(bytes) };
        // Before the handshake is over this is kept until then.
        tls.writer().write_all(bytes)?;
        flush(tls, &mut self.socket)
    }

    /// Reads what has come; the answer, once it is whole.
    pub(super) fn read(&mut self) -> io::Result<Option<Reply>> {
        match self.tls {
            None => self.fill_plain()?,
            Some(_) => self.fill_tls()?,
        }
        let reply = self.reply()?;
        if reply.is_none() && self.ended {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        if reply.is_none() && self.filled == BUFFER {
            return Err(io::Error::new(ErrorKind::InvalidData, "an answer longer than any"));
        }
        Ok(reply)
    }

    fn reply(&mut self) -> io::Result<Option<Reply>> {
        let bytes = self.buffer.get(..self.filled).unwrap_or_default();
        let reply = match &mut self.talk {
            Talk::Messages(message) => message.is_back(bytes)?.then_some(Reply { fault: None, closes: false }),
            Talk::Http(questions) => match answer::read(bytes) {
                Answer::Incomplete => None,
                Answer::Whole(whole) if whole.length == bytes.len() => {
                    Some(Reply { fault: questions.asked().fault(whole.status, &whole.body), closes: whole.closes })
                }
                _ => return Err(io::Error::new(ErrorKind::InvalidData, "an answer that cannot be read")),
            },
        };
        if reply.is_some() {
            self.filled = 0;
        }
        Ok(reply)
    }

    fn fill_plain(&mut self) -> io::Result<()> {
        loop {
            let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
            let space = room.len();
            match self.socket.read(room) {
                Ok(0) => {
                    self.ended = space > 0;
                    return Ok(());
                }
                Ok(read) => {
                    self.filled += read;
                    // A short read has emptied the socket; asking again would cost a system call.
                    if read < space {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn fill_tls(&mut self) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        loop {
            match tls.read_tls(&mut self.socket) {
                Ok(0) => {
                    self.ended = true;
                    return Ok(());
                }
                Ok(_) => tls.process_new_packets().map_err(io::Error::other)?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            flush(tls, &mut self.socket)?;
            match tls.reader().read(self.buffer.get_mut(self.filled..).unwrap_or_default()) {
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn client(config: &Arc<rustls::ClientConfig>) -> io::Result<Box<ClientConnection>> {
    let name = ServerName::try_from(SERVER_NAME).map_err(io::Error::other)?;
    Ok(Box::new(ClientConnection::new(config.clone(), name).map_err(io::Error::other)?))
}

fn shake_hands(tls: &mut ClientConnection, stream: &mut std::net::TcpStream) -> io::Result<()> {
    while tls.is_handshaking() {
        tls.complete_io(stream)?;
    }
    Ok(())
}

fn flush(tls: &mut ClientConnection, socket: &mut TcpStream) -> io::Result<()> {
    while tls.wants_write() {
        tls.write_tls(socket)?;
    }
    Ok(())
}
