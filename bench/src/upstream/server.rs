//! The loop of an upstream: one thread, all its connections.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicBool, Ordering};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use super::TICK;

const LISTENER: Token = Token(usize::MAX);
const BUFFER: usize = 64 * 1024;

/// What one connection says, from its beginning.
pub(super) trait Conversation: Default {
    /// Reads what there is and answers it; false at the connection's end. `buffer` is anybody's.
    fn serve(&mut self, stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<bool>;
}

/// Serves until told to stop.
pub(super) fn run<C: Conversation>(listener: std::net::TcpListener, stop: &AtomicBool) -> io::Result<()> {
    let mut server = Server::<C>::new(TcpListener::from_std(listener))?;
    let mut events = Events::with_capacity(1024);
    let mut buffer = vec![0; BUFFER];
    while !stop.load(Ordering::Relaxed) {
        match server.poll.poll(&mut events, Some(TICK)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            other => other?,
        }
        for event in &events {
            match event.token() {
                LISTENER => server.accept()?,
                Token(number) => server.serve(number, &mut buffer),
            }
        }
    }
    Ok(())
}

struct Server<C> {
    poll: Poll,
    listener: TcpListener,
    connections: HashMap<usize, (TcpStream, C)>,
    next: usize,
}

impl<C: Conversation> Server<C> {
    fn new(mut listener: TcpListener) -> io::Result<Self> {
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self { poll, listener, connections: HashMap::new(), next: 0 })
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            match self.listener.accept() {
                Ok((mut stream, _)) => {
                    stream.set_nodelay(true)?;
                    self.poll.registry().register(&mut stream, Token(self.next), Interest::READABLE)?;
                    self.connections.insert(self.next, (stream, C::default()));
                    self.next += 1;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn serve(&mut self, number: usize, buffer: &mut [u8]) {
        let Some((stream, conversation)) = self.connections.get_mut(&number) else { return };
        if !matches!(conversation.serve(stream, buffer), Ok(true)) {
            self.connections.remove(&number);
        }
    }
}

/// Hands every piece there is to `take`; false at the connection's end.
pub(super) fn read_all(
    stream: &mut TcpStream,
    buffer: &mut [u8],
    mut take: impl FnMut(&mut TcpStream, &[u8]) -> io::Result<()>,
) -> io::Result<bool> {
    use std::io::Read;
    loop {
        let read = match stream.read(buffer) {
            Ok(0) => return Ok(false),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
            Err(error) => return Err(error),
        };
        take(stream, buffer.get(..read).unwrap_or_default())?;
        // A short read has emptied the socket; asking again would cost a system call.
        if read < buffer.len() {
            return Ok(true);
        }
    }
}
