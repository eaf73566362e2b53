//! A server that plugins send their entries to: it reads bodies and says 200.

use std::io::{self, ErrorKind, Write};

use mio::net::TcpStream;

use super::server::{Conversation, read_all};
use crate::answer::header;

const HEAD_LIMIT: usize = 8 * 1024;
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

#[derive(Default)]
pub(super) struct Sink {
    /// The beginning of a head.
    head: Vec<u8>,
    /// Bytes of the body still to come.
    left: usize,
}

impl Conversation for Sink {
    fn serve(&mut self, stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<bool> {
        read_all(stream, buffer, |stream, bytes| self.take(bytes, || stream.write_all(ANSWER)))
    }
}

impl Sink {
    /// Calls `answer` for each request that is whole.
    fn take(&mut self, mut bytes: &[u8], mut answer: impl FnMut() -> io::Result<()>) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.left == 0 {
                bytes = self.take_head(bytes)?;
            }
            if !self.head.is_empty() {
                return Ok(());
            }
            let (skipped, rest) = bytes.split_at(self.left.min(bytes.len()));
            self.left -= skipped.len();
            bytes = rest;
            if self.left == 0 {
                answer()?;
            }
        }
        Ok(())
    }

    /// What follows the head, which is kept until it is whole.
    fn take_head<'a>(&mut self, bytes: &'a [u8]) -> io::Result<&'a [u8]> {
        let before = self.head.len();
        self.head.extend_from_slice(bytes);
        let Some(end) = self.head.windows(4).position(|window| window == b"\r\n\r\n") else {
            return if self.head.len() > HEAD_LIMIT { Err(ErrorKind::InvalidData.into()) } else { Ok(&[]) };
        };
        let mut lines = self.head.get(..end).unwrap_or_default().split(|byte| *byte == b'\n');
        let length = lines.find_map(|line| header(line.trim_ascii_end(), b"content-length:"));
        let length = length.and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
        self.left = length.ok_or(ErrorKind::InvalidData)?;
        self.head.clear();
        Ok(bytes.get((end + 4).saturating_sub(before)..).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_whole_request_is_answered_however_it_is_cut() {
        let requests = b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcPOST / HTTP/1.1\r\ncontent-length: 1\r\n\r\nd";
        for size in 1..requests.len() {
            let (mut sink, mut answers) = (Sink::default(), 0);
            for piece in requests.chunks(size) {
                let answered = sink.take(piece, || {
                    answers += 1;
                    Ok(())
                });
                answered.unwrap();
            }
            assert_eq!(answers, 2, "in pieces of {size}");
        }
    }
}
