//! What comes back from a node, whichever protocol it speaks.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http2;

use super::http1::Http1;
use super::stream::Stream;
use crate::request::{UploadError, UpstreamBody};

/// A response's head with its body to come, or why there is none.
pub(crate) type Sent = Result<Response<AnswerBody>, NotAnswered>;

/// A request that got no response.
pub(crate) struct NotAnswered {
    /// Why.
    pub(crate) why: Broken,
    /// Whether nothing of it was sent.
    pub(crate) is_unsent: bool,
    /// Its body, when nothing was taken from that.
    pub(crate) body: Option<UpstreamBody>,
}

/// Why an exchange with a node broke off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    /// The connection failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The node closed the connection before its answer was whole.
    #[error("the connection was closed too early")]
    Closed,
    /// What the node sent is not HTTP/1.
    #[error("the answer is malformed: {0}")]
    Malformed(&'static str),
    /// The request's body broke off.
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// HTTP/2 failed.
    #[error(transparent)]
    Http2(#[from] hyper::Error),
}

impl Broken {
    /// Whether the request's body is to blame, which comes from the client.
    pub(crate) fn is_upload(&self) -> bool {
        match self {
            Broken::Upload(_) => true,
            Broken::Http2(error) => error.is_user(),
            Broken::Io(_) | Broken::Closed | Broken::Malformed(_) => false,
        }
    }
}

/// The body of a node's response.
pub(crate) enum AnswerBody {
    /// Read from the connection by whoever asks for it.
    Http1(Rc<Http1>),
    /// Handed over by the connection's task.
    Http2(Incoming),
}

impl AnswerBody {
    /// The connection's bytes once it is no longer HTTP, and what was read too much; `None` while somebody else holds
    /// the connection, and for HTTP/2, which cannot change.
    pub(crate) fn into_stream(self) -> Option<(Stream, Bytes)> {
        match self {
            AnswerBody::Http1(connection) => Rc::into_inner(connection).map(Http1::into_stream),
            AnswerBody::Http2(_) => None,
        }
    }
}

/// Sends a request on a connection of HTTP/2.
pub(crate) fn over_http2(
    sender: &mut http2::SendRequest<UpstreamBody>,
    request: Request<UpstreamBody>,
) -> impl Future<Output = Sent> + use<> {
    let answering = sender.try_send_request(request);
    async move {
        match answering.await {
            Ok(response) => Ok(response.map(AnswerBody::Http2)),
            Err(mut error) => {
                let body = error.take_message().map(Request::into_body);
                Err(NotAnswered { why: error.into_error().into(), is_unsent: body.is_some(), body })
            }
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self.get_mut() {
            AnswerBody::Http1(connection) => connection.poll_frame(context),
            AnswerBody::Http2(incoming) => Pin::new(incoming).poll_frame(context).map_err(Broken::from),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            AnswerBody::Http1(connection) => connection.is_answered(),
            AnswerBody::Http2(incoming) => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            AnswerBody::Http1(connection) => connection.length().map_or_else(SizeHint::default, SizeHint::with_exact),
            AnswerBody::Http2(incoming) => incoming.size_hint(),
        }
    }
}
