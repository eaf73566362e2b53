//! One keep-alive connection of the load generator, plain or TLS.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use rustls::ClientConnection;
use rustls_pki_types::ServerName;

use super::{Request, Target};
use crate::answer::{self, Answer, Whole};

/// The name that certificates of a benchmark are for.
pub(crate) const SERVER_NAME: &str = "bench.test";
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const BUFFER: usize = 16 * 1024;

pub(super) struct Connection {
    pub(super) socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
    request: Request,
    buffer: Box<[u8]>,
    filled: usize,
    /// When the request under way was due; none when idle.
    pub(super) asked: Option<Instant>,
}

impl Connection {
    /// Connects, with the TLS handshake done, and is idle.
    pub(super) fn open(target: &Target) -> io::Result<Self> {
        let mut stream = std::net::TcpStream::connect_timeout(&target.address, CONNECT_LIMIT)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(CONNECT_LIMIT))?;
        let tls = target.tls.as_ref().map(|config| handshake(config, &mut stream)).transpose()?;
        stream.set_nonblocking(true)?;
        Ok(Self {
            socket: TcpStream::from_std(stream),
            tls,
            request: target.request.clone(),
            buffer: vec![0; BUFFER].into_boxed_slice(),
            filled: 0,
            asked: None,
        })
    }

    /// Sends a request that was due at `due`. It is small and nothing else is under way, so a full socket is an error.
    pub(super) fn ask(&mut self, due: Instant, random: u64) -> io::Result<()> {
        self.request.choose_route(random);
        self.asked = Some(due);
        match &mut self.tls {
            None => self.socket.write_all(&self.request.bytes),
            Some(tls) => {
                tls.writer().write_all(&self.request.bytes)?;
                while tls.wants_write() {
                    tls.write_tls(&mut self.socket)?;
                }
                Ok(())
            }
        }
    }

    /// Reads what has come; the answer, once it is whole.
    pub(super) fn read(&mut self) -> io::Result<Option<Whole>> {
        match self.tls {
            None => self.fill_plain()?,
            Some(_) => self.fill_tls()?,
        }
        match answer::read(self.buffer.get(..self.filled).unwrap_or_default()) {
            Answer::Incomplete if self.filled < BUFFER => Ok(None),
            Answer::Whole(whole) if whole.length == self.filled => {
                self.filled = 0;
                Ok(Some(whole))
            }
            _ => Err(io::Error::new(ErrorKind::InvalidData, "an answer that cannot be read")),
        }
    }

    fn fill_plain(&mut self) -> io::Result<()> {
        loop {
            let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
            let space = room.len();
            match self.socket.read(room) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
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
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) => tls.process_new_packets().map_err(io::Error::other)?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            match tls.reader().read(self.buffer.get_mut(self.filled..).unwrap_or_default()) {
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn handshake(
    config: &Arc<rustls::ClientConfig>,
    stream: &mut std::net::TcpStream,
) -> io::Result<Box<ClientConnection>> {
    let name = ServerName::try_from(SERVER_NAME).map_err(io::Error::other)?;
    let mut tls = ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
    while tls.is_handshaking() {
        tls.complete_io(stream)?;
    }
    Ok(Box::new(tls))
}
