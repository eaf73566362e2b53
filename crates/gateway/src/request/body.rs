//! The request's body: streamed, or read whole when a plugin asked for it.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Method;
use http::header::{CONTENT_LENGTH, TRAILER};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use plugin_api::{BodyNeed, Exchange, graphql};

use crate::fault::Fault;
use crate::worker::connection::Connection;

/// Bodies that have fields.
const FIELDS: [&str; 3] = ["application/x-www-form-urlencoded", "application/json", "application/graphql"];
/// The longest that is read for its fields.
const FIELDS_LIMIT: usize = 8 * 1024 * 1024;

/// The longest that is read before it is sent, for the case that it has to be sent again.
const KEPT_LIMIT: u64 = 64 * 1024;

/// The request's body on its way to the upstream.
pub(crate) struct RequestBody {
    source: Source,
    /// The client's.
    connection: Rc<Connection>,
    /// How long the client may take to send a piece.
    pause: Duration,
}

enum Source {
    /// As it comes in; can be sent once.
    Streaming(Incoming),
    /// Whole; can be sent again.
    Whole(Bytes),
    /// Has been handed to a connection.
    Spent,
}

impl RequestBody {
    /// `pause` is how long the client may take to send a piece.
    pub(crate) fn new(body: Incoming, connection: Rc<Connection>, pause: Duration) -> Self {
        let source = if body.is_end_stream() { Source::Whole(Bytes::new()) } else { Source::Streaming(body) };
        Self { source, connection, pause }
    }

    /// Reads the body whole when `need` asks for it, and shows it to plugins.
    pub(crate) async fn collect(&mut self, exchange: &mut Exchange, need: BodyNeed) -> Result<(), Fault> {
        let BodyNeed::Whole { limit } = need else {
            return Ok(());
        };
        let limit = self.read(exchange, limit).await?;
        if let Source::Whole(body) = &self.source {
            // Another plugin, with a higher limit, may have read it.
            if body.len() > limit {
                return Err(Fault::BodyTooLarge(limit));
            }
            exchange.request_body = Some(body.clone());
        }
        Ok(())
    }

    /// Reads a short body whole, so that another try can send it again. What has trailers streams, for they come after it.
    pub(crate) async fn keep_short(&mut self, exchange: &mut Exchange) -> Result<(), Fault> {
        let Source::Streaming(incoming) = &self.source else { return Ok(()) };
        let is_short = incoming.size_hint().exact().is_some_and(|length| length <= KEPT_LIMIT);
        if is_short && !exchange.headers.contains_key(TRAILER) {
            self.read(exchange, KEPT_LIMIT as usize).await?;
        }
        Ok(())
    }

    /// Reads what has not been read; gives the bound that held.
    async fn read(&mut self, exchange: &mut Exchange, limit: usize) -> Result<usize, Fault> {
        let limit = exchange.request_body_limit.map_or(limit, |most| limit.min(most as usize));
        if let Source::Streaming(incoming) = &mut self.source {
            let body = Box::pin(read_whole(incoming, limit, &self.connection, self.pause)).await?;
            exchange.outcome.bytes_received += body.len() as u64;
            self.source = Source::Whole(body);
        }
        Ok(limit)
    }

    /// Takes over what a plugin that saw the body whole has made of it.
    pub(crate) fn adopt(&mut self, exchange: &mut Exchange, need: BodyNeed) {
        let (Source::Whole(body), Some(own)) = (&mut self.source, &exchange.request_body) else { return };
        if need == BodyNeed::Stream || body.as_ptr_range() == own.as_ptr_range() {
            return;
        }
        if let Some(length) = exchange.headers.get_mut(CONTENT_LENGTH) {
            *length = own.len().into();
        }
        body.clone_from(own);
    }

    /// Reads a form or JSON whole, because a route or a plugin asks for its fields. So is what says that it is short, for a
    /// GraphQL query may come under any type.
    pub(crate) async fn collect_fields(&mut self, exchange: &mut Exchange) -> Result<(), Fault> {
        let is_fields = exchange.header("content-type").is_some_and(|content_type| {
            FIELDS
                .iter()
                .any(|fields| content_type.get(..fields.len()).is_some_and(|own| own.eq_ignore_ascii_case(fields)))
        });
        match is_fields || (exchange.method == Method::POST && self.is_short()) {
            true => self.collect(exchange, BodyNeed::Whole { limit: FIELDS_LIMIT }).await,
            false => Ok(()),
        }
    }

    fn is_short(&self) -> bool {
        let length = match &self.source {
            Source::Streaming(incoming) => incoming.size_hint().upper(),
            Source::Whole(body) => Some(body.len() as u64),
            Source::Spent => None,
        };
        length.is_some_and(|length| length <= graphql::LONGEST as u64)
    }

    /// The body for one try. A streaming one is spent by it.
    pub(crate) fn take(&mut self, bounds: Bounds) -> Option<UpstreamBody> {
        match std::mem::replace(&mut self.source, Source::Spent) {
            Source::Streaming(incoming) => {
                let (connection, pause) = (self.connection.clone(), self.pause);
                Some(UpstreamBody::Streaming { incoming, connection, pause, bounds, read: 0 })
            }
            Source::Whole(bytes) => {
                self.source = Source::Whole(bytes.clone());
                Some(UpstreamBody::Whole(Some(bytes).filter(|bytes| !bytes.is_empty())))
            }
            Source::Spent => None,
        }
    }

    /// A body comes back that was not sent.
    pub(crate) fn restore(&mut self, unsent: UpstreamBody) {
        if let UpstreamBody::Streaming { incoming, .. } = unsent {
            self.source = Source::Streaming(incoming);
        }
    }

    /// Whether there is something to send in another try.
    pub(crate) fn is_left(&self) -> bool {
        !matches!(self.source, Source::Spent)
    }
}

async fn read_whole(
    incoming: &mut Incoming,
    limit: usize,
    connection: &Connection,
    pause: Duration,
) -> Result<Bytes, Fault> {
    if incoming.size_hint().lower() > limit as u64 {
        return Err(Fault::BodyTooLarge(limit));
    }
    let mut whole = BytesMut::new();
    loop {
        let frame = connection.steps.limit(pause, incoming.frame()).await.map_err(|_| Fault::ClientStalled)?;
        let Some(frame) = frame else {
            return Ok(whole.freeze());
        };
        let Ok(data) = frame.map_err(|_| Fault::ClientGone)?.into_data() else {
            continue;
        };
        if whole.len() + data.len() > limit {
            return Err(Fault::BodyTooLarge(limit));
        }
        whole.extend_from_slice(&data);
    }
}

/// How long a node's step of an upload may take, and how long the body may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// The node, to take a piece.
    pub(crate) send: Duration,
    /// The node, to answer once it has the last one.
    pub(crate) read: Duration,
    /// Most bytes of the body, where a plugin bounds it.
    pub(crate) bytes: Option<u64>,
}

/// Why an upload breaks off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UploadError {
    /// The client went away, or what it sent breaks the rules.
    #[error(transparent)]
    Client(#[from] hyper::Error),
    /// The body is longer than a plugin takes.
    #[error("the body is too long")]
    TooLong,
}

/// What a connection to a node sends.
pub(crate) enum UpstreamBody {
    /// The client's body; the deadline belongs to whoever has to do the next step.
    Streaming {
        /// From the client.
        incoming: Incoming,
        /// Whose timer runs.
        connection: Rc<Connection>,
        /// How long the client may take to send a piece.
        pause: Duration,
        /// How long the node may take, and how much there may be.
        bounds: Bounds,
        /// Bytes that have passed.
        read: u64,
    },
    /// Bytes, sent at once.
    Whole(Option<Bytes>),
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        match self.get_mut() {
            UpstreamBody::Streaming { incoming, connection, pause, bounds, read } => {
                let Poll::Ready(frame) = Pin::new(&mut *incoming).poll_frame(cx) else {
                    if !connection.upload_waits.replace(true) {
                        connection.steps.arm(*pause);
                    }
                    return Poll::Pending;
                };
                connection.upload_waits.set(false);
                let is_last = frame.is_none() || incoming.is_end_stream();
                connection.steps.arm(if is_last { bounds.read } else { bounds.send });
                let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
                *read += data.map_or(0, |data| data.len() as u64);
                if bounds.bytes.is_some_and(|most| *read > most) {
                    connection.upload_too_long.set(true);
                    return Poll::Ready(Some(Err(UploadError::TooLong)));
                }
                Poll::Ready(frame.map(|frame| frame.map_err(UploadError::from)))
            }
            UpstreamBody::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            UpstreamBody::Streaming { incoming, .. } => incoming.is_end_stream(),
            UpstreamBody::Whole(bytes) => bytes.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            UpstreamBody::Streaming { incoming, .. } => incoming.size_hint(),
            UpstreamBody::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
        }
    }
}
