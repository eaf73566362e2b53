//! The upstream behind every proxy: the same 129 bytes for every request, for as little work as possible.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Result;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use crate::cpu::{self, Cpu};

/// What every request is answered with.
pub(crate) const ANSWER: &[u8; 129] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nServer: upstream\r\n\
    Cache-Control: no-store\r\nContent-Length: 21\r\n\r\nA small, fixed answer";
/// The body's length within it.
pub(crate) const BODY_BYTES: usize = 21;

const LISTENER: Token = Token(usize::MAX);
/// How long a stop may go unnoticed.
const TICK: Duration = Duration::from_millis(50);

/// A running upstream; stops when dropped.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Upstream {
    pub(crate) fn start() -> Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let (address, stop) = (listener.local_addr()?, Arc::new(AtomicBool::new(false)));
        let stopped = stop.clone();
        let thread = std::thread::Builder::new().name("upstream".to_owned()).spawn(move || {
            cpu::pin_thread(Cpu::Load);
            Server::new(listener)?.run(&stopped)
        })?;
        Ok(Self { address, stop, thread: Some(thread) })
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(Err(_) | Ok(Err(_))) = self.thread.take().map(JoinHandle::join) {
            eprintln!("the upstream did not end well");
        }
    }
}

struct Server {
    poll: Poll,
    listener: TcpListener,
    connections: HashMap<usize, TcpStream>,
    next: usize,
}

impl Server {
    fn new(mut listener: TcpListener) -> io::Result<Self> {
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self { poll, listener, connections: HashMap::new(), next: 0 })
    }

    fn run(mut self, stop: &AtomicBool) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        let mut buffer = vec![0; 64 * 1024];
        while !stop.load(Ordering::Relaxed) {
            match self.poll.poll(&mut events, Some(TICK)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                other => other?,
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept()?,
                    Token(number) => self.serve(number, &mut buffer),
                }
            }
        }
        Ok(())
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            match self.listener.accept() {
                Ok((mut stream, _)) => {
                    stream.set_nodelay(true)?;
                    self.poll.registry().register(&mut stream, Token(self.next), Interest::READABLE)?;
                    self.connections.insert(self.next, stream);
                    self.next += 1;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn serve(&mut self, number: usize, buffer: &mut [u8]) {
        let Some(stream) = self.connections.get_mut(&number) else { return };
        if !matches!(answer_all(stream, buffer), Ok(true)) {
            self.connections.remove(&number);
        }
    }
}

/// Answers what there is to read; false at the connection's end.
fn answer_all(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<bool> {
    loop {
        let read = match stream.read(buffer) {
            Ok(0) => return Ok(false),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
            Err(error) => return Err(error),
        };
        // Requests have no bodies and a proxy sends each in one write, so a head is never split.
        let heads = buffer.get(..read).unwrap_or_default().windows(4).filter(|window| window == b"\r\n\r\n").count();
        for _ in 0..heads {
            stream.write_all(ANSWER)?;
        }
        // A short read has emptied the socket; asking again would cost a system call.
        if read < buffer.len() {
            return Ok(true);
        }
    }
}
