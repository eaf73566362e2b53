//! A WebSocket as the load sees it: an upgrade, then messages of which each must come back (RFC 6455).

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;

use crate::upstream::{SOCKET_ACCEPT, SOCKET_KEY};

/// Bytes of a message.
const LENGTH: usize = 32;
/// Flags and length; then the mask of what a client sends (section 5.2).
const HEAD: usize = 2;
const MASK: [u8; 4] = [0x3c, 0xa5, 0x96, 0x0f];
/// A whole text message.
const TEXT: u8 = 0x81;
/// Said of a length: a mask follows it.
const MASKED: u8 = 0x80;
/// No answer to an upgrade is longer.
const HEAD_LIMIT: usize = 8 * 1024;

/// One message, each time another.
pub(super) struct Message {
    /// As it is sent.
    pub(super) frame: [u8; HEAD + MASK.len() + LENGTH],
    /// As it must come back.
    echo: [u8; HEAD + LENGTH],
}

impl Message {
    pub(super) fn new() -> Self {
        let mut message = Self { frame: [0; HEAD + MASK.len() + LENGTH], echo: [b' '; HEAD + LENGTH] };
        message.frame[..HEAD].copy_from_slice(&[TEXT, MASKED | LENGTH as u8]);
        message.frame[HEAD..HEAD + MASK.len()].copy_from_slice(&MASK);
        message.echo[..HEAD].copy_from_slice(&[TEXT, LENGTH as u8]);
        message.choose(0);
        message
    }

    /// Makes it the message with this number.
    pub(super) fn choose(&mut self, number: u64) {
        let mut left = number;
        for byte in self.echo.iter_mut().skip(HEAD) {
            *byte = b'a' + (left % 16) as u8;
            left /= 16;
        }
        let masked = self.echo.iter().skip(HEAD).zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask);
        self.frame.iter_mut().skip(HEAD + MASK.len()).zip(masked).for_each(|(to, from)| *to = from);
    }

    /// Whether `bytes` are all of its echo; an error when they are something else.
    pub(super) fn is_back(&self, bytes: &[u8]) -> io::Result<bool> {
        if !self.echo.starts_with(bytes) {
            return Err(io::Error::new(ErrorKind::InvalidData, "a message came back changed"));
        }
        Ok(bytes.len() == self.echo.len())
    }
}

/// Makes a WebSocket of a fresh connection.
pub(super) fn upgrade(stream: &mut TcpStream, path: &str) -> io::Result<()> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: bench.test\r\nUser-Agent: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {SOCKET_KEY}\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let (mut head, mut chunk) = (Vec::new(), [0; 1024]);
    while !head.ends_with(b"\r\n\r\n") {
        let read = stream.read(&mut chunk)?;
        head.extend(chunk.iter().take(read));
        if read == 0 || head.len() > HEAD_LIMIT {
            return Err(io::Error::new(ErrorKind::InvalidData, "no head in answer to an upgrade"));
        }
    }
    let head = String::from_utf8_lossy(&head);
    if head.starts_with("HTTP/1.1 101 ") && head.contains(SOCKET_ACCEPT) {
        return Ok(());
    }
    Err(io::Error::new(ErrorKind::InvalidData, format!("not upgraded: {}", head.lines().next().unwrap_or_default())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_masked_and_must_come_back_whole_and_unchanged() {
        let mut message = Message::new();
        message.choose(0x21);
        let unmasked: Vec<u8> =
            message.frame[6..].iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        assert!(unmasked.starts_with(b"bca"));
        let echo = [&[TEXT, 32][..], &unmasked].concat();
        assert!(message.is_back(&echo).unwrap());
        assert!(!message.is_back(&echo[..10]).unwrap());
        message.choose(0x22);
        assert!(message.is_back(&echo).is_err());
    }
}
