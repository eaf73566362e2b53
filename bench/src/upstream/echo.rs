//! WebSockets whose messages come back (RFC 6455), for small messages that come one after another.

use std::io::{self, ErrorKind, Write};

use mio::net::TcpStream;

use super::server::{Conversation, read_all};

/// The example of RFC 6455, section 1.3: the only key that is taken, so that nothing need be hashed.
pub(crate) const SOCKET_KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// What proves that the key was read.
pub(crate) const SOCKET_ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Flags, length and mask of a client's message of less than 126 bytes (section 5.2).
const HEAD: usize = 6;
const MASKED: u8 = 0x80;
const LONGEST: u8 = 125;

#[derive(Default)]
pub(super) struct Echo {
    /// Read and not yet answered.
    pending: Vec<u8>,
    is_open: bool,
}

impl Conversation for Echo {
    fn serve(&mut self, stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<bool> {
        read_all(stream, buffer, |stream, bytes| {
            self.pending.extend_from_slice(bytes);
            if !self.is_open {
                self.open(stream)?;
            }
            while self.is_open
                && let Some(message) = take_message(&mut self.pending)?
            {
                stream.write_all(&message)?;
            }
            Ok(())
        })
    }
}

impl Echo {
    /// Answers the upgrade once its head is whole.
    fn open(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        let Some(end) = self.pending.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(()) };
        let head: Vec<u8> = self.pending.drain(..end + 4).collect();
        let head = String::from_utf8_lossy(&head);
        if !head.contains(SOCKET_KEY) || !head.to_ascii_lowercase().contains("upgrade: websocket") {
            return stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        }
        self.is_open = true;
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: {SOCKET_ACCEPT}\r\n\r\n"
        );
        stream.write_all(answer.as_bytes())
    }
}

/// The first message, as the server sends it: without the mask.
fn take_message(pending: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    let &[flags, length, ref mask @ ..] = pending.as_slice() else { return Ok(None) };
    let (masked, length) = (length & MASKED != 0, length & !MASKED);
    if !masked || length > LONGEST {
        return Err(ErrorKind::InvalidData.into());
    }
    let Some((mask, rest)) = mask.split_first_chunk::<4>() else { return Ok(None) };
    let Some(payload) = rest.get(..usize::from(length)) else { return Ok(None) };
    let unmasked = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
    let message = [flags, length].into_iter().chain(unmasked).collect();
    pending.drain(..HEAD + usize::from(length));
    Ok(Some(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_taken_when_it_is_whole_and_sent_back_without_its_mask() {
        let mut pending = vec![0x81, 0x82, 1, 2, 3, 4, b'a' ^ 1];
        assert_eq!(take_message(&mut pending).unwrap(), None);
        pending.extend([b'b' ^ 2, 0x81]);
        assert_eq!(take_message(&mut pending).unwrap(), Some(vec![0x81, 2, b'a', b'b']));
        assert_eq!(pending, [0x81]);
        assert!(take_message(&mut vec![0x81, 2]).is_err());
    }
}
