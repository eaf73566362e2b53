//! As much of HTTP/1.1 as a load generator must understand of an answer.

/// What stands at the beginning of a buffer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// More must be read.
    Incomplete,
    /// A whole answer.
    Whole(Whole),
    /// Not an answer with a length.
    Unreadable,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Whole {
    pub(crate) status: u16,
    /// Head and body, in bytes.
    pub(crate) length: usize,
    /// The body alone, in bytes.
    pub(crate) body: usize,
    /// The server closes the connection after it.
    pub(crate) closes: bool,
}

/// Reads the answer that `bytes` begins with.
pub(crate) fn read(bytes: &[u8]) -> Answer {
    let Some(head_end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Answer::Incomplete;
    };
    let head = &bytes[..head_end];
    match read_head(head) {
        None => Answer::Unreadable,
        Some((_, body, _)) if bytes.len() < head_end + 4 + body => Answer::Incomplete,
        Some((status, body, closes)) => Answer::Whole(Whole { status, length: head_end + 4 + body, body, closes }),
    }
}

fn read_head(head: &[u8]) -> Option<(u16, usize, bool)> {
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.trim_ascii_end());
    let status = lines.next()?.strip_prefix(b"HTTP/1.")?.get(2..5)?;
    let status = std::str::from_utf8(status).ok()?.parse().ok()?;
    // RFC 9112 section 6.3: these have no body and need no length.
    let (mut length, mut closes) = (matches!(status, 204 | 304).then_some(0), false);
    for line in lines {
        if let Some(value) = header(line, b"content-length:") {
            length = std::str::from_utf8(value).ok()?.parse().ok();
        } else if let Some(value) = header(line, b"connection:") {
            closes = value.eq_ignore_ascii_case(b"close");
        }
    }
    Some((status, length?, closes))
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
        let whole = Whole { status: 404, length: bytes.len() - 12, body: 2, closes: true };
        assert_eq!(read(bytes), Answer::Whole(whole));
    }

    #[test]
    fn half_an_answer_waits_and_one_without_a_length_is_refused() {
        assert_eq!(read(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"), Answer::Incomplete);
        assert_eq!(read(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na"), Answer::Incomplete);
        assert_eq!(read(b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\na"), Answer::Unreadable);
        assert_eq!(read(b"SSH-2.0\r\n\r\n"), Answer::Unreadable);
    }
}
