//! The response's body as hyper takes it; its end is the end of the request.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use plugin_api::Reply;

use super::live::Live;
use super::phases;
use crate::upstream::{AnswerBody, Broken};
use crate::worker::connection::Connection;
use crate::worker::local::Local;

/// The body of a response to a client.
pub(crate) struct ResponseBody {
    source: Source,
    /// `None` once the request is over, and for answers without a plan.
    live: Option<Box<Live>>,
}

enum Source {
    /// From the upstream, piece by piece.
    Upstream { incoming: AnswerBody, filters: bool, pause: Duration, waiting: bool },
    /// Here.
    Whole(Bytes),
    /// Handed over.
    Done,
}

/// Why a response breaks off after its head was sent: the client sees the connection close.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BrokenOff {
    /// The upstream's connection broke.
    #[error(transparent)]
    Upstream(#[from] Broken),
    /// The upstream sent nothing for too long.
    #[error("the upstream timed out in the middle of its response")]
    Timeout,
}

/// The answer while there is no configuration to serve from: never 404.
pub(super) fn not_ready(connection: &Connection, worker: &Local) -> Response<ResponseBody> {
    connection.finish(worker);
    let reply = Reply::error_msg(StatusCode::SERVICE_UNAVAILABLE, "no configuration yet");
    let mut response = Response::new(ResponseBody { source: Source::Whole(reply.body), live: None });
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.headers;
    response
}

impl ResponseBody {
    pub(super) fn whole(live: Box<Live>, body: Bytes) -> Self {
        Self { source: Source::Whole(body), live: Some(live) }
    }

    /// None, of a response that ends with its head.
    pub(super) fn empty() -> Self {
        Self { source: Source::Done, live: None }
    }

    pub(super) fn streaming(live: Box<Live>, incoming: AnswerBody, filters: bool) -> Self {
        let pause = live.read_timeout;
        Self { source: Source::Upstream { incoming, filters, pause, waiting: false }, live: Some(live) }
    }

    fn poll_upstream(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let (Source::Upstream { incoming, filters, pause, waiting }, Some(live)) = (&mut self.source, &mut self.live)
        else {
            return Poll::Ready(None);
        };
        loop {
            match Pin::new(&mut *incoming).poll_frame(context) {
                Poll::Pending => {
                    if !*waiting {
                        live.connection.steps.arm(*pause);
                        live.connection.await_upstream();
                        *waiting = true;
                    }
                    let fired = live.connection.steps.poll_fired(context);
                    return fired.map(|()| Some(Err(live.break_off("upstream_timeout", BrokenOff::Timeout))));
                }
                Poll::Ready(Some(Ok(frame))) => {
                    *waiting = false;
                    let frame = if *filters { filter(live, frame, incoming.is_end_stream()) } else { frame };
                    // hyper does not ask for the end of a body whose length it knows.
                    *filters &= !(frame.is_data() && incoming.is_end_stream());
                    let is_empty = frame.data_ref().is_some_and(Bytes::is_empty);
                    live.count(&frame);
                    if !is_empty {
                        live.connection.hand_over(&live.worker);
                        return Poll::Ready(Some(Ok(frame)));
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Some(Err(live.break_off("upstream_broke_off", error.into()))));
                }
                Poll::Ready(None) => return Poll::Ready(self.end().map(Ok)),
            }
        }
    }

    /// The upstream's body is at its end; filters may have a last piece to say.
    fn end(&mut self) -> Option<Frame<Bytes>> {
        let filters = matches!(self.source, Source::Upstream { filters: true, .. });
        self.source = Source::Done;
        let mut live = self.live.take()?;
        live.give_back();
        if !filters {
            return None;
        }
        let frame = Frame::data(phases::filter_body(&mut live, Bytes::new(), true));
        live.count(&frame);
        Some(frame).filter(|frame| frame.data_ref().is_some_and(|data| !data.is_empty()))
    }
}

/// A frame as filters make it; they do not see trailers.
fn filter(live: &mut Live, frame: Frame<Bytes>, last: bool) -> Frame<Bytes> {
    frame.into_data().map_or_else(|trailers| trailers, |data| Frame::data(phases::filter_body(live, data, last)))
}

impl Live {
    fn count(&mut self, frame: &Frame<Bytes>) {
        if let Some(data) = frame.data_ref() {
            self.exchange.outcome.body_bytes_sent += data.len() as u64;
        }
    }

    fn break_off(&mut self, name: &'static str, error: BrokenOff) -> BrokenOff {
        self.exchange.outcome.fault = Some(name);
        self.lease = None;
        error
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let this = self.get_mut();
        match std::mem::replace(&mut this.source, Source::Done) {
            Source::Whole(bytes) => {
                if let Some(live) = &mut this.live {
                    live.exchange.outcome.body_bytes_sent += bytes.len() as u64;
                }
                this.live = None;
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Source::Done => Poll::Ready(None),
            upstream => {
                this.source = upstream;
                this.poll_upstream(context)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Upstream { incoming, filters, .. } => !filters && incoming.is_end_stream(),
            Source::Whole(bytes) => bytes.is_empty(),
            Source::Done => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Upstream { filters: true, .. } => SizeHint::default(),
            Source::Upstream { incoming, .. } => incoming.size_hint(),
            Source::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Done => SizeHint::with_exact(0),
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        // hyper stops asking once it has all the bytes that Content-Length promised.
        if let (Source::Upstream { incoming, .. }, Some(live)) = (&self.source, &mut self.live)
            && incoming.is_end_stream()
        {
            live.give_back();
        }
    }
}
