//! The same 129 bytes for every request.

use std::io::{self, Write};

use mio::net::TcpStream;

use super::server::{Conversation, read_all};

/// What every request is answered with.
const ANSWER: &[u8; 129] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nServer: upstream\r\n\
    Cache-Control: no-store\r\nContent-Length: 21\r\n\r\nA small, fixed answer";
/// The body within it.
pub(crate) const BODY: &[u8] = b"A small, fixed answer";

#[derive(Default)]
pub(super) struct Plain;

impl Conversation for Plain {
    fn serve(&mut self, stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<bool> {
        read_all(stream, buffer, |stream, bytes| {
            // A proxy sends each head in one write, so it is never split; bodies hold no empty line.
            let heads = bytes.windows(4).filter(|window| window == b"\r\n\r\n").count();
            (0..heads).try_for_each(|_| stream.write_all(ANSWER))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_ends_with_its_body() {
        assert!(ANSWER.ends_with(&[b"\r\n\r\n", BODY].concat()));
    }
}
