//! The head of a response (RFC 9112, section 4), and what it says of the body.

use std::mem::MaybeUninit;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use smallvec::SmallVec;

use super::chunks::{Chunks, Piece};

/// Most headers of a response.
const MOST_HEADERS: usize = 100;
/// Most bytes of a response's head.
const LONGEST_HEAD: usize = 400 * 1024;

/// A response's head.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) framing: Framing,
    /// Whether the node keeps the connection open after the response.
    pub(super) keeps: bool,
}

/// How the end of a response's body is found (RFC 9112, section 6.3).
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes are left.
    Length(u64),
    Chunked(Chunks),
    /// Where the connection ends.
    UntilClose,
}

impl Framing {
    /// Takes the next piece of the body off what was read.
    ///
    /// # Errors
    /// How the body breaks the rules.
    pub(super) fn next(&mut self, read: &mut BytesMut) -> Result<Piece, &'static str> {
        match self {
            Framing::Length(0) => Ok(Piece::Over),
            Framing::Chunked(chunks) => chunks.next(read),
            _ if read.is_empty() => Ok(Piece::Missing),
            Framing::Length(left) => {
                let now = (*left).min(read.len() as u64);
                *left -= now;
                Ok(Piece::Data(read.split_to(now as usize).freeze()))
            }
            Framing::UntilClose => Ok(Piece::Data(read.split().freeze())),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self, Framing::Length(0) | Framing::Chunked(Chunks::Over))
    }
}

/// Takes a head off what was read; `None` when it is not all there. Responses that announce another are passed over.
/// There is room for `more` headers besides those of the response.
///
/// # Errors
/// How the head breaks the rules.
pub(super) fn take(read: &mut BytesMut, answers_head: bool, more: usize) -> Result<Option<Head>, &'static str> {
    while !read.is_empty() {
        let Some(Lines { length, status, version, lines }) = parse(read)? else {
            return if read.len() > LONGEST_HEAD { Err("the head is too long") } else { Ok(None) };
        };
        let headers = collect(&read.split_to(length).freeze(), &lines, more)?;
        if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
            continue;
        }
        return finish(status, headers, version, answers_head).map(Some);
    }
    Ok(None)
}

struct Lines {
    length: usize,
    status: StatusCode,
    /// HTTP/1.1, or 1.0.
    version: Version,
    lines: Places,
}

/// Where names and values stand.
type Places = SmallVec<[(Range<u32>, Range<u32>); 16]>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    Http10,
    Http11,
}

fn parse(read: &[u8]) -> Result<Option<Lines>, &'static str> {
    let mut room = [const { MaybeUninit::uninit() }; MOST_HEADERS];
    let mut head = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let parsed = config.parse_response_with_uninit_headers(&mut head, read, &mut room);
    let httparse::Status::Complete(length) = parsed.map_err(|_| "it is not HTTP/1")? else {
        return Ok(None);
    };
    let begin = read.as_ptr().addr();
    // A head is much shorter than 4 GiB.
    let place = |part: &[u8]| {
        let at = part.as_ptr().addr() - begin;
        at as u32..(at + part.len()) as u32
    };
    let line = |line: &httparse::Header<'_>| (place(line.name.as_bytes()), place(line.value));
    Ok(Some(Lines {
        length,
        status: StatusCode::from_u16(head.code.unwrap_or_default()).map_err(|_| "the status is out of range")?,
        version: if head.version == Some(1) { Version::Http11 } else { Version::Http10 },
        lines: head.headers.iter().map(line).collect(),
    }))
}

/// The values stay where they were read, and share that memory.
fn collect(text: &Bytes, lines: &Places, more: usize) -> Result<HeaderMap, &'static str> {
    let usize_of = |place: &Range<u32>| place.start as usize..place.end as usize;
    let mut headers = HeaderMap::with_capacity(lines.len() + more);
    for (name, value) in lines {
        let name = text.get(usize_of(name)).unwrap_or_default();
        let name = HeaderName::from_bytes(name).map_err(|_| "a header has no good name")?;
        // An empty value may stand anywhere, even beyond the end.
        let value = if value.is_empty() { Bytes::new() } else { text.slice(usize_of(value)) };
        let value = HeaderValue::from_maybe_shared(value).map_err(|_| "a header has no good value")?;
        headers.append(name, value);
    }
    Ok(headers)
}

fn finish(
    status: StatusCode,
    mut headers: HeaderMap,
    version: Version,
    answers_head: bool,
) -> Result<Head, &'static str> {
    let framing = framing(status, &mut headers, version, answers_head)?;
    let keeps = framing != Framing::UntilClose && keeps(&headers, version);
    Ok(Head { status, headers, framing, keeps })
}

fn framing(
    status: StatusCode,
    headers: &mut HeaderMap,
    version: Version,
    answers_head: bool,
) -> Result<Framing, &'static str> {
    let has_no_body =
        matches!(status, StatusCode::SWITCHING_PROTOCOLS | StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if has_no_body || answers_head {
        return Ok(Framing::Length(0));
    }
    let Some(codings) = headers.get_all(TRANSFER_ENCODING).iter().next_back() else {
        return Ok(content_length(headers)?.map_or(Framing::UntilClose, Framing::Length));
    };
    if version == Version::Http10 {
        return Err("HTTP/1.0 knows no Transfer-Encoding");
    }
    let last = codings.to_str().ok().and_then(|codings| codings.rsplit(',').next()).unwrap_or_default();
    let is_chunked = last.trim().eq_ignore_ascii_case("chunked");
    // The length is overruled, and must not reach a client that might believe it.
    headers.remove(CONTENT_LENGTH);
    Ok(if is_chunked { Framing::Chunked(Chunks::Size) } else { Framing::UntilClose })
}

/// One length may be given several times, but not several.
fn content_length(headers: &HeaderMap) -> Result<Option<u64>, &'static str> {
    let mut length = None;
    for value in headers.get_all(CONTENT_LENGTH) {
        for text in value.as_bytes().split(|byte| *byte == b',') {
            let given = decimal(text.trim_ascii()).ok_or("Content-Length is not a number")?;
            if length.replace(given).is_some_and(|other| other != given) {
                return Err("Content-Length is given twice");
            }
        }
    }
    Ok(length)
}

fn decimal(text: &[u8]) -> Option<u64> {
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| u64::from(byte - b'0'));
    let add = |sum: u64, byte| sum.checked_mul(10)?.checked_add(digit(byte)?);
    if text.is_empty() { None } else { text.iter().try_fold(0, add) }
}

fn keeps(headers: &HeaderMap, version: Version) -> bool {
    let mut options = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok()).peekable();
    if options.peek().is_none() {
        return version == Version::Http11;
    }
    let mut says_keep = false;
    for option in options.flat_map(|line| line.split(',')).map(str::trim) {
        if option.eq_ignore_ascii_case("close") {
            return false;
        }
        says_keep |= option.eq_ignore_ascii_case("keep-alive");
    }
    says_keep || version == Version::Http11
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Result<Option<Head>, &'static str> {
        take(&mut BytesMut::from(text), false, 0)
    }

    #[test]
    fn the_head_tells_how_the_body_ends() {
        let cases = [
            ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", Framing::Length(5), true),
            ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 5, 5\r\n\r\n", Framing::Length(5), true),
            ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: x, Close\r\n\r\n", Framing::Length(5), false),
            ("HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\n", Framing::Length(5), false),
            ("HTTP/1.0 200 OK\r\ncontent-length: 5\r\nconnection: keep-alive\r\n\r\n", Framing::Length(5), true),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n", Framing::Chunked(Chunks::Size), true),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n", Framing::Chunked(Chunks::Size), true),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n", Framing::UntilClose, false),
            ("HTTP/1.1 200 OK\r\n\r\n", Framing::UntilClose, false),
            ("HTTP/1.1 204 No Content\r\n\r\n", Framing::Length(0), true),
            ("HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", Framing::Length(0), true),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n", Framing::Length(1), true),
        ];
        for (text, framing, keeps) in cases {
            let head = head(text).expect("a good head").expect("all of it");
            assert_eq!((head.framing, head.keeps), (framing, keeps), "{text:?}");
        }
        let answer = take(&mut BytesMut::from("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"), true, 0);
        assert_eq!(answer.expect("good").expect("all").framing, Framing::Length(0), "of a HEAD");
    }

    #[test]
    fn a_length_beside_chunks_is_not_believed() {
        let text = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n";
        let head = head(text).expect("a good head").expect("all of it");
        assert_eq!(head.framing, Framing::Chunked(Chunks::Size));
        assert!(!head.headers.contains_key(CONTENT_LENGTH));
    }

    #[test]
    fn values_are_what_was_written() {
        let mut read = BytesMut::from("HTTP/1.1 200 OK\r\nX-A:  one \r\nx-empty:\r\nx-a: two\r\n\r\nrest");
        let head = take(&mut read, false, 0).expect("a good head").expect("all of it");
        let all: Vec<_> = head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        assert_eq!(all, [("x-a", &b"one"[..]), ("x-a", b"two"), ("x-empty", b"")]);
        assert_eq!(read, "rest");
    }

    #[test]
    fn half_a_head_is_waited_for_and_a_bad_one_refused() {
        for text in ["", "HTTP", "HTTP/1.1 200 OK\r\nx: y\r\n", "HTTP/1.1 100 Continue\r\n\r\n"] {
            assert!(matches!(head(text), Ok(None)), "{text:?}");
        }
        let bad = [
            "SSH-2.0-OpenSSH\r\n\r\n",
            "HTTP/1.1 2x0 OK\r\n\r\n",
            "HTTP/2.0 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: +5\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n",
            "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        ];
        for text in bad {
            assert!(head(text).is_err(), "{text:?}");
        }
    }
}
