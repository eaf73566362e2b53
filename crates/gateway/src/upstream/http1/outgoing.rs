//! Bytes on their way to a node.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;

/// Pieces up to this size are copied, so that they go with what stands before them; longer ones are not.
const COPIED: usize = 4096;
/// Above this much nothing is added before some was written.
const ENOUGH: usize = 16 * 1024;

/// What has still to be written: text of ours, then a piece of a body, then what ends the piece.
#[derive(Default)]
pub(super) struct Outgoing {
    text: Vec<u8>,
    /// How much of `text` was written.
    at: usize,
    piece: Bytes,
    tail: &'static [u8],
    has_begun: bool,
}

impl Outgoing {
    /// A new request begins.
    pub(super) fn begin(&mut self) -> &mut Vec<u8> {
        self.has_begun = false;
        &mut self.text
    }

    /// Whether anything of the request was written.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty() && self.piece.is_empty() && self.tail.is_empty()
    }

    /// Whether more may be added.
    pub(super) fn has_room(&self) -> bool {
        self.piece.is_empty() && self.tail.is_empty() && self.text.len() < ENOUGH
    }

    pub(super) fn push_text(&mut self, text: &[u8]) {
        self.text.extend_from_slice(text);
    }

    /// Adds a piece of a body and what ends it. There must be room.
    pub(super) fn push_piece(&mut self, piece: Bytes, tail: &'static [u8]) {
        if piece.len() <= COPIED {
            self.text.extend_from_slice(&piece);
            self.text.extend_from_slice(tail);
        } else {
            (self.piece, self.tail) = (piece, tail);
        }
    }

    /// Writes all of it.
    pub(super) fn poll_write<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.is_empty() {
            let text = self.text.get(self.at..).unwrap_or_default();
            let written = if self.piece.is_empty() && self.tail.is_empty() {
                ready!(Pin::new(&mut *stream).poll_write(context, text))?
            } else {
                let slices = [IoSlice::new(text), IoSlice::new(&self.piece), IoSlice::new(self.tail)];
                ready!(Pin::new(&mut *stream).poll_write_vectored(context, &slices))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(written);
        }
        Pin::new(stream).poll_flush(context)
    }

    /// Nothing more is written.
    pub(super) fn give_up(&mut self) {
        *self = Self { has_begun: self.has_begun, ..Self::default() };
    }

    fn advance(&mut self, written: usize) {
        self.has_begun = true;
        let of_text = written.min(self.text.len() - self.at);
        self.at += of_text;
        if self.at == self.text.len() {
            self.text.clear();
            self.at = 0;
        }
        let of_piece = (written - of_text).min(self.piece.len());
        self.piece.advance(of_piece);
        self.tail = self.tail.get(written - of_text - of_piece..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes at a time.
    struct Narrow(Vec<u8>, usize);

    impl AsyncWrite for Narrow {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            let now = bytes.len().min(self.1);
            self.0.extend_from_slice(&bytes[..now]);
            Poll::Ready(Ok(now))
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let all: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
            let now = all.len().min(self.1);
            self.0.extend_from_slice(&all[..now]);
            Poll::Ready(Ok(now))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn everything_goes_in_order_however_little_is_taken() {
        let mut context = Context::from_waker(std::task::Waker::noop());
        for at_a_time in [1, 3, 1000, 5000, 1 << 20] {
            let (mut outgoing, mut stream) = (Outgoing::default(), Narrow(Vec::new(), at_a_time));
            outgoing.begin().extend_from_slice(b"head ");
            assert!(!outgoing.has_begun());
            outgoing.push_piece(Bytes::from_static(b"short"), b" end ");
            outgoing.push_piece(Bytes::from(vec![b'x'; COPIED + 1]), b" tail");
            assert!(!outgoing.has_room(), "a long piece goes first");
            assert!(outgoing.poll_write(&mut stream, &mut context).is_ready());
            let expected = [&b"head short end "[..], &[b'x'; COPIED + 1], b" tail"].concat();
            assert!(stream.0 == expected && outgoing.is_empty() && outgoing.has_begun(), "{at_a_time}");
        }
    }
}
