//! A request's body on its way to a node, framed as HTTP/1.1 wants it (RFC 9112, section 6).

use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method};
use http_body::Body;
use smallvec::SmallVec;

use super::outgoing::Outgoing;
use crate::request::{UploadError, UpstreamBody};

/// A body that is being sent.
pub(super) struct Upload {
    body: UpstreamBody,
    /// Whether it goes in chunks; else its length is known and was told.
    is_chunked: bool,
    /// Trailers that the head announced; no others are passed on.
    trailers: SmallVec<[HeaderName; 2]>,
    /// Whether anything was taken from the body.
    has_begun: bool,
}

impl Upload {
    /// Ends the head of a request with what its body needs; `None` when it has none.
    pub(super) fn begin(
        body: UpstreamBody,
        method: &Method,
        trailers: SmallVec<[HeaderName; 2]>,
        head: &mut Vec<u8>,
    ) -> Option<Self> {
        if body.is_end_stream() {
            // Where a body could be, nodes like to be told that there is none (RFC 9110, section 8.6).
            let expects_one = matches!(*method, Method::POST | Method::PUT | Method::PATCH);
            head.extend_from_slice(if expects_one { b"content-length: 0\r\n\r\n" } else { b"\r\n" });
            return None;
        }
        let length = body.size_hint().exact();
        match length {
            // Writing to a Vec cannot fail.
            Some(length) => drop(write!(head, "content-length: {length}\r\n\r\n")),
            None => head.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n"),
        }
        Some(Self { body, is_chunked: length.is_none(), trailers, has_begun: false })
    }

    /// Takes the next piece off the body; whether that was the last.
    pub(super) fn poll_next(
        &mut self,
        context: &mut Context<'_>,
        outgoing: &mut Outgoing,
    ) -> Poll<Result<bool, UploadError>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) else {
            return Poll::Pending;
        };
        self.has_begun = true;
        let Some(frame) = frame.transpose()? else {
            self.end(None, outgoing);
            return Poll::Ready(Ok(true));
        };
        match frame.into_data() {
            Ok(data) => self.push(data, outgoing),
            Err(frame) => {
                self.end(frame.trailers_ref(), outgoing);
                return Poll::Ready(Ok(true));
            }
        }
        // The end of chunks must be asked for: trailers may come before it.
        Poll::Ready(Ok(!self.is_chunked && self.body.is_end_stream()))
    }

    fn push(&self, data: Bytes, outgoing: &mut Outgoing) {
        if data.is_empty() {
            return;
        }
        if self.is_chunked {
            outgoing.push_text(format!("{:X}\r\n", data.len()).as_bytes());
        }
        outgoing.push_piece(data, if self.is_chunked { b"\r\n" } else { b"" });
    }

    fn end(&self, trailers: Option<&HeaderMap>, outgoing: &mut Outgoing) {
        if !self.is_chunked {
            return;
        }
        outgoing.push_text(b"0\r\n");
        let announced = trailers.into_iter().flatten().filter(|(name, _)| self.trailers.contains(name));
        for (name, value) in announced {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                outgoing.push_text(part);
            }
        }
        outgoing.push_text(b"\r\n");
    }

    /// The body, when nothing was taken from it.
    pub(super) fn untouched(self) -> Option<UpstreamBody> {
        (!self.has_begun).then_some(self.body)
    }
}
