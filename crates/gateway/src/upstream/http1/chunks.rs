//! The chunks of a response's body (RFC 9112, section 7.1), taken apart without I/O.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use memchr::{memchr, memmem};

use crate::worker::chunk_size;

/// Longest line with a chunk's size, extensions included.
const LONGEST_LINE: usize = 4096;
/// Most bytes of trailers.
const LONGEST_TRAILERS: usize = 16 * 1024;
/// Most trailers.
const MOST_TRAILERS: usize = 100;

/// Where in the body the next byte stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Chunks {
    Size,
    Data(u64),
    /// The line end after a chunk's data.
    DataEnd,
    Trailers,
    Over,
}

/// What comes next of a body.
#[derive(Debug, PartialEq)]
pub(super) enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
    /// The body is at its end.
    Over,
    /// More must be read first.
    Missing,
}

impl Chunks {
    /// Takes the next piece off what was read.
    ///
    /// # Errors
    /// How the body breaks the rules.
    pub(super) fn next(&mut self, read: &mut BytesMut) -> Result<Piece, &'static str> {
        loop {
            let is_there = match self {
                Chunks::Size => self.read_size(read)?,
                Chunks::Data(left) => {
                    let now = (*left).min(read.len() as u64);
                    *left -= now;
                    if *left == 0 {
                        *self = Chunks::DataEnd;
                    }
                    let data = read.split_to(now as usize).freeze();
                    return Ok(if now == 0 { Piece::Missing } else { Piece::Data(data) });
                }
                Chunks::DataEnd => self.read_data_end(read)?,
                Chunks::Trailers => return self.read_trailers(read),
                Chunks::Over => return Ok(Piece::Over),
            };
            if !is_there {
                return Ok(Piece::Missing);
            }
        }
    }

    fn read_size(&mut self, read: &mut BytesMut) -> Result<bool, &'static str> {
        let Some(end) = memchr(b'\n', read) else {
            return if read.len() > LONGEST_LINE { Err("the line of a chunk's size is too long") } else { Ok(false) };
        };
        let line = read.split_to(end + 1);
        let line = line.strip_suffix(b"\r\n").ok_or("a line ends without a carriage return")?;
        *self = match chunk_size(line).ok_or("a chunk's size is not a hexadecimal number")? {
            0 => Chunks::Trailers,
            size => Chunks::Data(size),
        };
        Ok(true)
    }

    fn read_data_end(&mut self, read: &mut BytesMut) -> Result<bool, &'static str> {
        if read.len() < 2 {
            return Ok(false);
        }
        if &*read.split_to(2) != b"\r\n" {
            return Err("a chunk is longer than its size");
        }
        *self = Chunks::Size;
        Ok(true)
    }

    fn read_trailers(&mut self, read: &mut BytesMut) -> Result<Piece, &'static str> {
        if read.starts_with(b"\r\n") {
            let _ = read.split_to(2);
            *self = Chunks::Over;
            return Ok(Piece::Over);
        }
        let Some(end) = memmem::find(read, b"\r\n\r\n") else {
            return if read.len() > LONGEST_TRAILERS { Err("the trailers are too long") } else { Ok(Piece::Missing) };
        };
        let trailers = parse_trailers(&read.split_to(end + 4)).ok_or("the trailers are malformed")?;
        *self = Chunks::Over;
        Ok(Piece::Trailers(trailers))
    }
}

fn parse_trailers(lines: &[u8]) -> Option<HeaderMap> {
    let mut parsed = [httparse::EMPTY_HEADER; MOST_TRAILERS];
    let httparse::Status::Complete((_, trailers)) = httparse::parse_headers(lines, &mut parsed).ok()? else {
        return None;
    };
    let pair = |line: &httparse::Header<'_>| {
        Some((HeaderName::from_bytes(line.name.as_bytes()).ok()?, HeaderValue::from_bytes(line.value).ok()?))
    };
    let mut map = HeaderMap::with_capacity(trailers.len());
    for line in trailers {
        let (name, value) = pair(line)?;
        map.append(name, value);
    }
    Some(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What all pieces say together, and whether the end was met.
    fn decode(parts: &[&[u8]]) -> Result<(Vec<u8>, Option<HeaderMap>, bool), &'static str> {
        let (mut chunks, mut read) = (Chunks::Size, BytesMut::new());
        let (mut data, mut trailers) = (Vec::new(), None);
        for part in parts {
            read.extend_from_slice(part);
            loop {
                match chunks.next(&mut read)? {
                    Piece::Data(piece) => data.extend_from_slice(&piece),
                    Piece::Trailers(map) => trailers = Some(map),
                    Piece::Missing => break,
                    Piece::Over => return Ok((data, trailers, true)),
                }
            }
        }
        Ok((data, trailers, false))
    }

    #[test]
    fn however_a_body_is_cut_it_says_the_same() {
        let body = b"3\r\nabc\r\nA;x=\"y\"\r\n0123456789\r\n0\r\ngrpc-status: 0\r\nx: y\r\n\r\n";
        for cut in 0..body.len() {
            let (first, second) = body.split_at(cut);
            let (data, trailers, is_over) = decode(&[first, second]).expect("a good body");
            assert_eq!((&*data, is_over), (&b"abc0123456789"[..], true), "{cut}");
            assert_eq!(trailers.expect("trailers").get("grpc-status").map(HeaderValue::as_bytes), Some(&b"0"[..]));
        }
        assert_eq!(decode(&[b"0\r\n\r\n"]), Ok((Vec::new(), None, true)));
        assert_eq!(decode(&[b"5\r\nabc"]), Ok((b"abc".to_vec(), None, false)));
    }

    #[test]
    fn what_breaks_the_rules_is_refused() {
        let long = [b'1'; LONGEST_LINE + 1];
        let cases: &[(&[u8], &str)] = &[
            (b"zz\r\n", "hexadecimal"),
            (b"\r\n", "hexadecimal"),
            (b"11111111111111111\r\n", "hexadecimal"),
            (b"1\na\r\n", "carriage return"),
            (b"1\r\nab\r\n", "longer"),
            (b"0\r\nno colon\r\n\r\n", "malformed"),
            (&long, "too long"),
        ];
        for (body, rule) in cases {
            let broken = decode(&[body]).expect_err("a bad body");
            assert!(broken.contains(rule), "{broken}");
        }
    }
}
