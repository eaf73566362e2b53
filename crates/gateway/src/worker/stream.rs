//! A client's byte stream as the engines read it: what was read ahead comes first, what the client takes is
//! counted, and framing that breaks the rules never reaches the engine, nor does a flood of idle frames.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use smallvec::SmallVec;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use super::frame_guard::FrameGuard;
use super::head_guard::{HeadGuard, Violation};

/// What a client with prior knowledge of HTTP/2 sends first (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How much of the next request is read at once while there is no engine.
const AHEAD: usize = 1024;
/// A head and a body that are no longer are copied together: the kernel takes one piece in less time than two.
const JOINED: usize = 1024;
/// No request has it, so that the engine answers 400 as to any other malformed request.
const MALFORMED: &[u8] = b"\0\n";

/// What a stream tells the one who serves it.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Bytes that came from the client.
    pub(crate) read: Cell<u64>,
    /// Bytes that the client's socket took.
    pub(crate) written: Cell<u64>,
    /// A request that asked for an upgrade was answered without one.
    pub(crate) goes_on: Cell<bool>,
    /// What came makes whole requests of HTTP/1.
    pub(crate) is_between_requests: Cell<bool>,
    /// The client's socket did not take what it was last given.
    pub(crate) write_waits: Cell<bool>,
    /// Bytes that HTTP/2 has the engine write in answer to the client's PING and SETTINGS.
    owed: Cell<u64>,
    /// The head of HTTP/2 that has begun and not ended, by its number; 0 when there is none.
    pub(crate) open_head: Cell<u64>,
}

impl Tally {
    /// Bytes of answers to requests that the client has taken.
    pub(crate) fn taken(&self) -> u64 {
        self.written.get().saturating_sub(self.owed.get())
    }
}

/// A client's stream.
pub(crate) struct ClientStream<S> {
    stream: S,
    /// Read ahead and not yet given to the engine.
    ahead: Vec<u8>,
    tally: Rc<Tally>,
    guard: Guard,
    refused: bool,
}

/// Who reads along.
enum Guard {
    Nobody,
    Http1(HeadGuard),
    Http2(FrameGuard),
}

impl<S: AsyncRead + AsyncWrite + Unpin> ClientStream<S> {
    pub(crate) fn new(stream: S, tally: Rc<Tally>) -> Self {
        Self { stream, ahead: Vec::new(), tally, guard: Guard::Nobody, refused: false }
    }

    /// From now on the framing of HTTP/1 is checked.
    pub(crate) fn guard(&mut self) {
        self.guard = Guard::Http1(HeadGuard::new());
    }

    /// From now on frames of HTTP/2 are counted, of which so many may ask for nothing.
    pub(crate) fn guard_http2(&mut self, idle_frames: u32) {
        self.guard = Guard::Http2(FrameGuard::new(idle_frames, Instant::now()));
    }

    /// What comes is not HTTP/1 any more. `read` came before it, and was given to the engine.
    pub(crate) fn leave_http(&mut self, read: &[u8]) {
        self.guard = Guard::Nobody;
        self.ahead.splice(0..0, read.iter().copied());
    }

    /// An engine of HTTP/1 that ends gives back what it read but did not use: the next one reads it again.
    pub(crate) fn put_back(&mut self, read: &[u8]) {
        self.guard();
        self.ahead.splice(0..0, read.iter().copied());
    }

    /// Ready when the client has sent something, which is kept for the engine, or is gone; whether it has.
    pub(crate) fn poll_more(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        if !self.ahead.is_empty() {
            return Poll::Ready(true);
        }
        let mut piece = [0; AHEAD];
        let mut piece = ReadBuf::new(&mut piece);
        let read = ready!(Pin::new(&mut self.stream).poll_read(context, &mut piece));
        self.ahead.extend_from_slice(piece.filled());
        Poll::Ready(read.is_ok() && !self.ahead.is_empty())
    }

    /// Whether the client speaks HTTP/2 without having asked for it in a handshake.
    pub(crate) async fn has_preface(&mut self) -> io::Result<bool> {
        self.ahead.reserve(2048);
        while PREFACE.starts_with(&self.ahead) && self.ahead.len() < PREFACE.len() {
            if self.stream.read_buf(&mut self.ahead).await? == 0 {
                break;
            }
        }
        Ok(self.ahead.starts_with(PREFACE))
    }

    /// Reads along with the engine; an error ends the connection.
    fn check(&mut self, buf: &mut ReadBuf<'_>, before: usize) -> io::Result<()> {
        let fresh = buf.filled().get(before..).unwrap_or_default();
        match &mut self.guard {
            Guard::Nobody => Ok(()),
            Guard::Http1(guard) => {
                if self.tally.goes_on.take() {
                    guard.resume();
                }
                let Err(violation) = guard.feed(fresh) else {
                    self.tally.is_between_requests.set(guard.is_between_requests());
                    return Ok(());
                };
                let _ = self.refuse(&violation);
                // In the place of the bad line the engine gets one that it refuses.
                buf.set_filled(before + violation.at);
                let room = buf.remaining().min(MALFORMED.len());
                buf.put_slice(MALFORMED.get(..room).unwrap_or_default());
                Ok(())
            }
            Guard::Http2(guard) => {
                let fed = guard.feed(fresh, self.tally.taken(), Instant::now());
                self.tally.owed.set(guard.owed());
                self.tally.open_head.set(guard.open_head());
                fed.map_err(|violation| self.refuse(&violation))
            }
        }
    }

    fn refuse(&mut self, violation: &Violation) -> io::Error {
        tracing::debug!(rule = violation.rule, "a request was refused");
        self.refused = true;
        io::ErrorKind::InvalidData.into()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for ClientStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.refused {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        let before = buf.filled().len();
        if self.ahead.is_empty() {
            let read = Pin::new(&mut self.stream).poll_read(cx, buf);
            if !matches!(read, Poll::Ready(Ok(()))) {
                return read;
            }
        } else {
            let now = buf.remaining().min(self.ahead.len());
            buf.put_slice(self.ahead.get(..now).unwrap_or_default());
            self.ahead.drain(..now);
            if self.ahead.is_empty() {
                self.ahead = Vec::new();
            }
        }
        self.tally.read.set(self.tally.read.get() + (buf.filled().len() - before) as u64);
        Poll::Ready(self.check(buf, before))
    }
}

/// All pieces in one, when they are short.
fn joined(pieces: &[io::IoSlice<'_>]) -> Option<SmallVec<[u8; JOINED]>> {
    let length: usize = pieces.iter().map(|piece| piece.len()).sum();
    (pieces.len() > 1 && length <= JOINED).then(|| {
        let mut joined = SmallVec::new();
        pieces.iter().for_each(|piece| joined.extend_from_slice(piece));
        joined
    })
}

impl<S> ClientStream<S> {
    fn count(&self, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(taken)) = &outcome {
            self.tally.written.set(self.tally.written.get() + *taken as u64);
        }
        self.tally.write_waits.set(outcome.is_pending());
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ClientStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.count(outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = match joined(bufs) {
            Some(joined) => Pin::new(&mut self.stream).poll_write(cx, &joined),
            None => Pin::new(&mut self.stream).poll_write_vectored(cx, bufs),
        };
        self.count(outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Nobody flushes before all was taken.
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.tally.write_waits.set(flushed.is_pending());
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    /// Keeps what each call writes: one piece, or several.
    #[derive(Default)]
    struct Recorder(Vec<Vec<usize>>);

    impl AsyncRead for Recorder {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for Recorder {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, piece: &[u8]) -> Poll<io::Result<usize>> {
            self.0.push(vec![piece.len()]);
            Poll::Ready(Ok(piece.len()))
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            pieces: &[io::IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            self.0.push(pieces.iter().map(|piece| piece.len()).collect());
            Poll::Ready(Ok(pieces.iter().map(|piece| piece.len()).sum()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn short_pieces_are_written_as_one_and_long_ones_are_not_copied() {
        let tally = Rc::new(Tally::default());
        let mut stream = ClientStream::new(Recorder::default(), tally.clone());
        for (head, body) in [(200, 129), (200, JOINED), (JOINED, 0)] {
            let (head, body) = (vec![b'h'; head], vec![b'b'; body]);
            let pieces = [io::IoSlice::new(&head), io::IoSlice::new(&body)];
            let written = poll_fn(|context| Pin::new(&mut stream).poll_write_vectored(context, &pieces)).await;
            assert_eq!(written.unwrap(), head.len() + body.len());
        }
        assert_eq!(stream.stream.0, [vec![329], vec![200, JOINED], vec![JOINED]]);
        assert_eq!(tally.written.get(), (329 + 200 + 2 * JOINED) as u64);
    }
}
