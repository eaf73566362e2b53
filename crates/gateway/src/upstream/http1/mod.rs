//! One HTTP/1.1 connection to a node, written and read by the request that uses it.
//!
//! hyper's client runs each connection as a task of its own and talks to it by channels; with copies of the headers on
//! the way that was two fifths of what a request cost the gateway. Here nothing stands between a request and its
//! connection: the head is written straight into the bytes that go out, and what comes in is parsed where it was read.

mod chunks;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzed;
mod head;
mod outgoing;
mod upload;

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use http::{HeaderName, Method, Response};
use http_body::Frame;
use smallvec::SmallVec;
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use super::answer::{AnswerBody, Broken, NotAnswered, Sent};
use super::stream::Stream;
use crate::request::UpstreamBody;
use chunks::Piece;
use head::{Framing, Head};
use outgoing::Outgoing;
use upload::Upload;

/// What is read at once at first, and at most when a node sends more than that.
const READ: usize = 8 * 1024;
const LARGEST_READ: usize = 256 * 1024;
/// With less room than this, more is made before reading.
const LEAST_ROOM: usize = 1024;

/// A connection. Its lease and the body of the response share it; one of them at a time does something with it.
pub(crate) struct Http1(RefCell<Inner>);

struct Inner {
    stream: Stream,
    outgoing: Outgoing,
    upload: Option<Upload>,
    read: BytesMut,
    /// How much is read at once.
    at_once: usize,
    framing: Framing,
    /// Whether it can carry another request when the one under way has ended.
    stays: bool,
    /// Whether the request was a HEAD.
    answers_head: bool,
    /// How many headers the response will get besides its own.
    more: usize,
    /// Why the node takes no more of the request; it may still answer.
    refusal: Option<io::Error>,
}

/// What a request's head leaves to the connection.
pub(crate) struct Outline<'r> {
    /// Its method.
    pub(crate) method: &'r Method,
    /// The trailers that it announces.
    pub(crate) trailers: SmallVec<[HeaderName; 2]>,
    /// How many headers are likely to join those of the response: room for them is made at once.
    pub(crate) more: usize,
}

impl Http1 {
    pub(super) fn new(stream: Stream) -> Rc<Self> {
        Rc::new(Self(RefCell::new(Inner {
            stream,
            outgoing: Outgoing::default(),
            upload: None,
            read: BytesMut::new(),
            at_once: READ,
            framing: Framing::Length(0),
            stays: true,
            answers_head: false,
            more: 0,
            refusal: None,
        })))
    }

    /// Sends a request and waits for the response's head. `write_head` writes the first line and all headers but
    /// those that frame the body.
    pub(crate) fn send(
        self: &Rc<Self>,
        outline: Outline<'_>,
        body: UpstreamBody,
        write_head: impl FnOnce(&mut Vec<u8>),
    ) -> Answering {
        let mut inner = self.0.borrow_mut();
        let head = inner.outgoing.begin();
        write_head(head);
        let upload = Upload::begin(body, outline.method, outline.trailers, head);
        inner.upload = upload;
        inner.answers_head = *outline.method == Method::HEAD;
        inner.more = outline.more;
        inner.at_once = READ;
        // What the response before was read into is free again by now, most often.
        let _ = inner.read.try_reclaim(READ);
        Answering(self.clone())
    }

    /// Whether the node has neither closed it nor said anything unasked. For one that no request uses.
    pub(crate) fn is_open(&self) -> bool {
        let mut byte = [0];
        let mut room = ReadBuf::new(&mut byte);
        let mut context = Context::from_waker(Waker::noop());
        Pin::new(&mut self.0.borrow_mut().stream).poll_read(&mut context, &mut room).is_pending()
    }

    /// Whether the exchange is over on both sides, and left nothing behind.
    pub(crate) fn is_free(&self) -> bool {
        let inner = self.0.borrow();
        let is_sent = inner.upload.is_none() && inner.outgoing.is_empty() && inner.refusal.is_none();
        inner.stays && is_sent && inner.framing.is_over() && inner.read.is_empty()
    }

    /// Lets go of the memory that a large response needed.
    pub(super) fn rest(&self) {
        let mut inner = self.0.borrow_mut();
        if inner.at_once > READ {
            inner.read = BytesMut::new();
        }
    }

    /// Whether the response's body is at its end.
    pub(super) fn is_answered(&self) -> bool {
        self.0.borrow().framing.is_over()
    }

    /// How much of the response's body is still to come, where that was told.
    pub(super) fn length(&self) -> Option<u64> {
        match self.0.borrow().framing {
            Framing::Length(left) => Some(left),
            _ => None,
        }
    }

    pub(super) fn poll_frame(&self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        self.0.borrow_mut().poll_frame(context)
    }

    /// The bytes below, and what was read of them too much.
    pub(super) fn into_stream(self) -> (Stream, Bytes) {
        let inner = self.0.into_inner();
        (inner.stream, inner.read.freeze())
    }
}

/// A request on its way, until the response's head is here.
pub(crate) struct Answering(Rc<Http1>);

impl Future for Answering {
    type Output = Sent;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Sent> {
        let mut inner = self.0.0.borrow_mut();
        let head = match ready!(inner.poll_answer(context)) {
            Ok(head) => head,
            Err(why) => return Poll::Ready(Err(inner.not_answered(why))),
        };
        let mut response = Response::new(AnswerBody::Http1(self.0.clone()));
        *response.status_mut() = head.status;
        *response.headers_mut() = head.headers;
        inner.framing = head.framing;
        inner.stays = head.keeps;
        Poll::Ready(Ok(response))
    }
}

impl Inner {
    /// Sends, and reads the response's head: a node may answer before it has the whole request.
    fn poll_answer(&mut self, context: &mut Context<'_>) -> Poll<Result<Head, Broken>> {
        if let Poll::Ready(Err(broken)) = self.poll_send(context) {
            return Poll::Ready(Err(broken));
        }
        loop {
            if let Some(head) = head::take(&mut self.read, self.answers_head, self.more).map_err(Broken::Malformed)? {
                return Poll::Ready(Ok(head));
            }
            match ready!(self.poll_read(context)) {
                Ok(1..) => {}
                Ok(0) => return Poll::Ready(Err(self.refusal.take().map_or(Broken::Closed, Broken::Io))),
                Err(error) => return Poll::Ready(Err(Broken::Io(self.refusal.take().unwrap_or(error)))),
            }
        }
    }

    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if self.upload.is_some() || !self.outgoing.is_empty() {
            // What the response did not wait for goes on beside it.
            let _ = self.poll_send(context)?;
        }
        loop {
            match self.framing.next(&mut self.read).map_err(Broken::Malformed)? {
                Piece::Data(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Piece::Trailers(trailers) => return Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
                Piece::Over => return Poll::Ready(None),
                Piece::Missing => {}
            }
            if ready!(self.poll_read(context))? == 0 {
                let is_end = self.framing == Framing::UntilClose;
                self.framing = Framing::Length(0);
                self.stays = false;
                return Poll::Ready(if is_end { None } else { Some(Err(Broken::Closed)) });
            }
        }
    }

    /// Sends what there is of the request; ready when that was all. A node that takes no more may still answer.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        loop {
            let waits = self.poll_take(context)?.is_pending();
            if let Err(error) = ready!(self.outgoing.poll_write(&mut self.stream, context)) {
                if !self.outgoing.has_begun() {
                    return Poll::Ready(Err(error.into()));
                }
                self.refuse(error);
            }
            if self.upload.is_none() {
                return Poll::Ready(Ok(()));
            }
            if waits {
                return Poll::Pending;
            }
        }
    }

    /// Takes from the request's body what there is room for; pending when the client must send more.
    fn poll_take(&mut self, context: &mut Context<'_>) -> Result<Poll<()>, Broken> {
        while self.outgoing.has_room()
            && let Some(upload) = &mut self.upload
        {
            match upload.poll_next(context, &mut self.outgoing) {
                Poll::Ready(Ok(false)) => {}
                Poll::Ready(Ok(true)) => self.upload = None,
                Poll::Ready(Err(error)) => return Err(error.into()),
                Poll::Pending => return Ok(Poll::Pending),
            }
        }
        Ok(Poll::Ready(()))
    }

    fn refuse(&mut self, error: io::Error) {
        self.refusal = Some(error);
        self.upload = None;
        self.outgoing.give_up();
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.read.capacity() - self.read.len() < LEAST_ROOM {
            self.read.reserve(self.at_once);
        }
        let room = self.read.capacity() - self.read.len();
        let read = ready!(pin!(self.stream.read_buf(&mut self.read)).poll(context))?;
        if read == room {
            self.at_once = (self.at_once * 2).min(LARGEST_READ);
        }
        Poll::Ready(Ok(read))
    }

    fn not_answered(&mut self, why: Broken) -> NotAnswered {
        let body = self.upload.take().and_then(Upload::untouched);
        NotAnswered { why, is_unsent: !self.outgoing.has_begun(), body }
    }
}
