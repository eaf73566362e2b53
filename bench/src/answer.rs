//! As much of HTTP/1.1 as a load generator must understand of an answer.

use std::borrow::Cow;

/// What stands at the beginning of a buffer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer<'a> {
    /// More must be read.
    Incomplete,
    /// A whole answer.
    Whole(Whole<'a>),
    /// Not an answer with a length.
    Unreadable,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Whole<'a> {
    pub(crate) status: u16,
    /// Bytes of the head.
    pub(crate) head: usize,
    /// Bytes of head and body as they were sent.
    pub(crate) length: usize,
    /// Without the frames of chunks.
    pub(crate) body: Cow<'a, [u8]>,
    /// The server closes the connection after it.
    pub(crate) closes: bool,
}

/// Reads the answer that `bytes` begins with.
pub(crate) fn read(bytes: &[u8]) -> Answer<'_> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Answer::Incomplete;
    };
    let (head, rest) = (end + 4, bytes.get(end + 4..).unwrap_or_default());
    let Some(Head { status, length, closes }) = bytes.get(..end).and_then(read_head) else { return Answer::Unreadable };
    let (body, length) = match length {
        Length::Bytes(length) => match rest.get(..length) {
            Some(body) => (Cow::Borrowed(body), length),
            None => return Answer::Incomplete,
        },
        Length::Chunks => match read_chunks(rest) {
            Chunks::Whole { body, length } => (Cow::Owned(body), length),
            Chunks::Incomplete => return Answer::Incomplete,
            Chunks::Unreadable => return Answer::Unreadable,
        },
    };
    Answer::Whole(Whole { status, head, length: head + length, body, closes })
}

struct Head {
    status: u16,
    length: Length,
    closes: bool,
}

/// How a body says where it ends (RFC 9112, section 6.3).
enum Length {
    Bytes(usize),
    Chunks,
}

fn read_head(head: &[u8]) -> Option<Head> {
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.trim_ascii_end());
    let status = lines.next()?.strip_prefix(b"HTTP/1.")?.get(2..5)?;
    let status = std::str::from_utf8(status).ok()?.parse().ok()?;
    // These have no body and need no length.
    let (mut length, mut closes) = (matches!(status, 204 | 304).then_some(Length::Bytes(0)), false);
    for line in lines {
        if let Some(value) = header(line, b"content-length:") {
            length = Some(Length::Bytes(std::str::from_utf8(value).ok()?.parse().ok()?));
        } else if header(line, b"transfer-encoding:").is_some_and(|value| value.eq_ignore_ascii_case(b"chunked")) {
            length = Some(Length::Chunks);
        } else if let Some(value) = header(line, b"connection:") {
            closes = value.eq_ignore_ascii_case(b"close");
        }
    }
    Some(Head { status, length: length?, closes })
}

enum Chunks {
    Whole { body: Vec<u8>, length: usize },
    Incomplete,
    Unreadable,
}

/// RFC 9112, section 7.1; without trailers, which nobody sends here.
fn read_chunks(bytes: &[u8]) -> Chunks {
    let (mut body, mut rest) = (Vec::new(), bytes);
    loop {
        let Some(end) = rest.windows(2).position(|window| window == b"\r\n") else { return Chunks::Incomplete };
        let size = rest.get(..end).and_then(|line| std::str::from_utf8(line).ok());
        let Some(size) = size.and_then(|text| usize::from_str_radix(text, 16).ok()) else { return Chunks::Unreadable };
        let Some((data, left)) = rest.get(end + 2..).and_then(|data| data.split_at_checked(size)) else {
            return Chunks::Incomplete;
        };
        rest = match left.split_at_checked(2) {
            Some((b"\r\n", left)) => left,
            Some(_) => return Chunks::Unreadable,
            None => return Chunks::Incomplete,
        };
        if size == 0 {
            return Chunks::Whole { body, length: bytes.len() - rest.len() };
        }
        body.extend_from_slice(data);
    }
}

/// The value of a header line when it has this name (with its colon).
pub(crate) fn header<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (found, value) = line.split_at_checked(name.len())?;
    found.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_answer_is_measured() {
        let bytes = b"HTTP/1.1 404 Not Found\r\nContent-length: 2\r\nConnection: Close\r\n\r\nnoHTTP/1.1 200";
        let length = bytes.len() - 12;
        let body = Cow::Borrowed(&b"no"[..]);
        assert_eq!(read(bytes), Answer::Whole(Whole { status: 404, head: length - 2, length, body, closes: true }));
    }

    #[test]
    fn chunks_are_put_together_once_all_are_there() {
        let bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n1\r\nx\r\n0\r\n\r\n";
        let Answer::Whole(whole) = read(bytes) else { panic!("not whole") };
        assert_eq!((whole.length, &*whole.body), (bytes.len(), &b"0123456789x"[..]));
        for end in 0..bytes.len() {
            assert_eq!(read(&bytes[..end]), Answer::Incomplete, "{end} bytes");
        }
        assert_eq!(read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno\r\n"), Answer::Unreadable);
    }

    #[test]
    fn half_an_answer_waits_and_one_without_a_length_is_refused() {
        assert_eq!(read(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"), Answer::Incomplete);
        assert_eq!(read(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na"), Answer::Incomplete);
        assert_eq!(read(b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\na"), Answer::Unreadable);
        assert_eq!(read(b"SSH-2.0\r\n\r\n"), Answer::Unreadable);
    }
}
