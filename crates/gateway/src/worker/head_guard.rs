//! Refuses what is ambiguous in the framing of HTTP/1 requests, before the engine sees it.
//!
//! The engine takes a bare line feed for a line's end, lets one of two equal Content-Lengths fall, and prefers
//! Transfer-Encoding to Content-Length without a word. Another server behind or before us may read such a request
//! otherwise, and that is how requests are smuggled. The guard reads along, line by line, and tells where a request
//! breaks the rules (RFC 9112, sections 2.2, 5.2, 6.3 and 7.1); it keeps no more than an unfinished line.

use memchr::memchr;

/// Longest line that is kept while it is unfinished; longer ones are for the engine to refuse.
const LONGEST_LINE: usize = 128 * 1024;
/// Most digits of a chunk's size.
const SIZE_DIGITS: usize = 16;

/// The request breaks the rules at this place of what was fed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// Where the bad line, as far as it was fed now, begins.
    pub(crate) at: usize,
    /// Which rule.
    pub(crate) rule: &'static str,
}

/// Where in a message the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    RequestLine,
    Header,
    Body(u64),
    ChunkSize,
    ChunkData(u64),
    /// The line end after a chunk's data.
    ChunkEnd,
    Trailer,
    /// What may follow an upgrade is not HTTP; see [`HeadGuard::resume`].
    Unknown,
}

/// Reads along with one connection.
#[derive(Debug)]
pub(crate) struct HeadGuard {
    place: Place,
    /// The beginning of a line whose end has not come yet.
    line: Vec<u8>,
    length: Option<u64>,
    chunked: bool,
    upgrade: bool,
}

impl HeadGuard {
    pub(crate) fn new() -> Self {
        Self { place: Place::RequestLine, line: Vec::new(), length: None, chunked: false, upgrade: false }
    }

    /// Whether all that was fed makes whole requests.
    pub(crate) fn is_between_requests(&self) -> bool {
        self.place == Place::RequestLine && self.line.is_empty()
    }

    /// The request that asked for an upgrade was answered without one: requests go on.
    pub(crate) fn resume(&mut self) {
        if self.place == Place::Unknown {
            self.place = Place::RequestLine;
        }
    }

    /// Reads the next bytes of the connection.
    ///
    /// # Errors
    /// The first violation; the connection must not be read on after it.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            at += match self.place {
                Place::Unknown => return Ok(()),
                Place::Body(left) => self.skip(left, rest.len(), Place::Body, Place::RequestLine),
                Place::ChunkData(left) => self.skip(left, rest.len(), Place::ChunkData, Place::ChunkEnd),
                _ => self.take_line(rest).map_err(|rule| Violation { at, rule })?,
            };
        }
        Ok(())
    }

    /// Passes over data; how much of it.
    fn skip(&mut self, left: u64, here: usize, more: fn(u64) -> Place, end: Place) -> usize {
        let now = left.min(here as u64);
        self.place = if now == left { end } else { more(left - now) };
        now as usize
    }

    /// Reads to the end of a line, or all there is of it; how much that was.
    fn take_line(&mut self, rest: &[u8]) -> Result<usize, &'static str> {
        let Some(end) = memchr(b'\n', rest) else {
            if self.line.len() + rest.len() > LONGEST_LINE {
                return Err("a line is too long");
            }
            self.line.extend_from_slice(rest);
            return Ok(rest.len());
        };
        let part = rest.get(..=end).unwrap_or_default();
        if self.line.is_empty() {
            self.read_line(part)?;
        } else {
            let mut line = std::mem::take(&mut self.line);
            line.extend_from_slice(part);
            self.read_line(&line)?;
        }
        Ok(end + 1)
    }

    fn read_line(&mut self, line: &[u8]) -> Result<(), &'static str> {
        let line = line.strip_suffix(b"\r\n").ok_or("a line ends without a carriage return")?;
        match self.place {
            // An empty line before a request is passed over (RFC 9112, section 2.2).
            Place::RequestLine if line.is_empty() => Ok(()),
            Place::RequestLine => {
                (self.length, self.chunked, self.upgrade) = (None, false, false);
                self.place = Place::Header;
                Ok(())
            }
            Place::Header if line.is_empty() => {
                self.place = self.after_head();
                Ok(())
            }
            Place::Header => self.read_header(line),
            Place::ChunkSize => self.read_chunk_size(line),
            Place::ChunkEnd if line.is_empty() => {
                self.place = Place::ChunkSize;
                Ok(())
            }
            Place::ChunkEnd => Err("a chunk is longer than its size"),
            Place::Trailer if line.is_empty() => {
                self.place = Place::RequestLine;
                Ok(())
            }
            Place::Trailer => refuse_folded(line),
            Place::Body(_) | Place::ChunkData(_) | Place::Unknown => Ok(()),
        }
    }

    fn after_head(&self) -> Place {
        match (self.upgrade, self.chunked, self.length) {
            (_, true, _) => Place::ChunkSize,
            (_, _, Some(length @ 1..)) => Place::Body(length),
            (true, ..) => Place::Unknown,
            _ => Place::RequestLine,
        }
    }

    fn read_header(&mut self, line: &[u8]) -> Result<(), &'static str> {
        refuse_folded(line)?;
        // Only names that begin like these are looked at further.
        if !matches!(line.first(), Some(b'c' | b'C' | b't' | b'T' | b'u' | b'U')) {
            return Ok(());
        }
        let colon = memchr(b':', line).ok_or("a header has no colon")?;
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = decimal(value).ok_or("Content-Length is not a number")?;
            if self.length.replace(length).is_some() {
                return Err("Content-Length is given twice");
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err("Transfer-Encoding is not chunked alone");
            }
            self.chunked = true;
        } else if name.eq_ignore_ascii_case(b"upgrade") {
            self.upgrade = true;
        }
        if self.chunked && self.length.is_some() {
            return Err("both Content-Length and Transfer-Encoding are given");
        }
        Ok(())
    }

    fn read_chunk_size(&mut self, line: &[u8]) -> Result<(), &'static str> {
        self.place = match chunk_size(line).ok_or("a chunk's size is not a hexadecimal number")? {
            0 => Place::Trailer,
            size => Place::ChunkData(size),
        };
        Ok(())
    }
}

/// `1a`, and after a semicolon extensions, which are passed over; `None` when it is not.
pub(crate) fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii_end();
    if digits.is_empty() || digits.len() > SIZE_DIGITS || line.contains(&b'\r') {
        return None;
    }
    let digit = |byte: &u8| char::from(*byte).to_digit(16).map(u64::from);
    digits.iter().try_fold(0u64, |size, byte| Some(size << 4 | digit(byte)?))
}

/// A line that goes on from the one before, which old clients wrote (RFC 9112, section 5.2).
fn refuse_folded(line: &[u8]) -> Result<(), &'static str> {
    if line.starts_with(b" ") || line.starts_with(b"\t") { Err("a header is folded over lines") } else { Ok(()) }
}

fn decimal(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    digits.then(|| std::str::from_utf8(text).ok()?.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> Result<Place, &'static str> {
        let mut guard = HeadGuard::new();
        guard.feed(text.as_bytes()).map_err(|violation| violation.rule)?;
        Ok(guard.place)
    }

    #[test]
    fn requests_that_keep_the_rules_pass() {
        let cases = [
            ("GET / HTTP/1.1\r\nhost: a\r\n\r\n", Place::RequestLine),
            ("\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n", Place::RequestLine),
            ("GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nho", Place::Header),
            ("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\na\nb", Place::Body(2)),
            ("POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\na\nb\n\nGET", Place::RequestLine),
            (
                "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\na\nb\r\n0\r\nt: u\r\n\r\n",
                Place::RequestLine,
            ),
            ("POST / HTTP/1.1\r\ntransfer-encoding: Chunked \r\n\r\nA\r\n123", Place::ChunkData(7)),
            ("GET / HTTP/1.1\r\nupgrade: websocket\r\n\r\n\x01\n", Place::Unknown),
        ];
        for (text, place) in cases {
            assert_eq!(whole(text), Ok(place), "{text:?}");
        }
    }

    #[test]
    fn requests_that_break_them_do_not() {
        let cases = [
            ("GET / HTTP/1.1\nhost: a\r\n\r\n", "carriage return"),
            ("GET / HTTP/1.1\r\nhost: a\n\r\n", "carriage return"),
            ("GET / HTTP/1.1\r\nhost: a\r\n b\r\n\r\n", "folded"),
            ("POST / HTTP/1.1\r\ncontent-length: 3\r\nContent-Length: 3\r\n\r\n", "twice"),
            ("POST / HTTP/1.1\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n", "both"),
            ("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n", "both"),
            ("POST / HTTP/1.1\r\ntransfer-encoding: chunked, identity\r\n\r\n", "alone"),
            ("POST / HTTP/1.1\r\ntransfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n", "alone"),
            ("POST / HTTP/1.1\r\ncontent-length: +3\r\n\r\n", "number"),
            ("POST / HTTP/1.1\r\ncontent-length: 3, 3\r\n\r\n", "number"),
            ("POST / HTTP/1.1\r\ncontent-length: 99999999999999999999\r\n\r\n", "number"),
            ("POST / HTTP/1.1\r\ncontent-length : 3\r\ntransfer-encoding\r\n\r\n", "colon"),
            ("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0x3\r\nabc\r\n", "hexadecimal"),
            ("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\nabc\r\n", "carriage return"),
            ("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3;a\rb\r\nabc\r\n", "hexadecimal"),
            ("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabcd\r\n", "longer"),
            ("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n11111111111111111\r\n", "hexadecimal"),
        ];
        for (text, rule) in cases {
            let broken = whole(text).expect_err(text);
            assert!(broken.contains(rule), "{text:?} gave {broken:?}");
        }
    }

    /// However a connection is cut into pieces, the verdict is the same and names the same line.
    #[test]
    fn pieces_change_nothing() {
        let text = b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET / HTTP/1.1\r\nx: y\nz: 1\r\n\r\n";
        for cut in 1..text.len() {
            let mut guard = HeadGuard::new();
            let (first, second) = text.split_at(cut);
            let verdict = guard.feed(first).and_then(|()| guard.feed(second));
            assert_eq!(
                verdict.map_err(|violation| violation.rule),
                Err("a line ends without a carriage return"),
                "{cut}"
            );
        }
    }

    #[test]
    fn an_upgrade_that_did_not_happen_is_followed_by_requests() {
        let mut guard = HeadGuard::new();
        assert_eq!(guard.feed(b"GET / HTTP/1.1\r\nupgrade: h2c\r\n\r\n"), Ok(()));
        guard.resume();
        assert!(guard.feed(b"GET / HTTP/1.1\n").is_err());
    }
}
