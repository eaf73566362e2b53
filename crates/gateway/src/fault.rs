//! What can go wrong on a request's way, and the answer it becomes. The one place where faults turn into responses.

use http::StatusCode;
use plugin_api::Reply;

use crate::upstream::Broken;

/// Why a request did not reach its upstream's answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// No route matches.
    #[error("no route matches")]
    RouteNotFound,
    /// The route, or a global rule, cannot be served.
    #[error("what should serve the request is at fault")]
    Closed,
    /// The request is ambiguous or malformed.
    #[error("bad request: {0}")]
    BadRequest(&'static str),
    /// A method that no gateway serves: CONNECT, TRACE.
    #[error("the method is not allowed")]
    MethodNotAllowed,
    /// The request's head is longer than the instance takes.
    #[error("the request's head is too long")]
    HeadTooLarge,
    /// The request's body is longer than a plugin takes.
    #[error("the request's body has more than {0} bytes")]
    BodyTooLarge(usize),
    /// The client went away or sent no more.
    #[error("the client went away")]
    ClientGone,
    /// The client stopped in the middle of its body.
    #[error("the client sent no more of its body in time")]
    ClientStalled,
    /// The route leads to no upstream.
    #[error("the route has no upstream")]
    NoUpstream,
    /// The upstream that the route or a plugin names is not there.
    #[error("the upstream is not known")]
    UnknownUpstream,
    /// The upstream has no node that may serve.
    #[error("upstream {0} has no node that may serve")]
    NoNode(Box<str>),
    /// The upstream speaks what this version does not.
    #[error("scheme {0:?} is not served yet")]
    Scheme(model::resource::Scheme),
    /// No connection to the node.
    #[error("connecting to {node}: {source}")]
    Connect {
        /// `host:port`
        node: std::sync::Arc<str>,
        /// Why.
        source: std::io::Error,
    },
    /// The node did not do the step in time.
    #[error("{node} timed out while {step}")]
    Timeout {
        /// `host:port`
        node: std::sync::Arc<str>,
        /// `connecting`, `sending`, `reading`
        step: &'static str,
    },
    /// The connection broke before the response's head was here.
    #[error("{node} broke off: {source}")]
    Broken {
        /// `host:port`
        node: std::sync::Arc<str>,
        /// Why.
        source: Broken,
        /// Whether nothing of the request was sent, so that it may be sent elsewhere.
        unsent: bool,
    },
    /// The node switched protocols though nobody had asked.
    #[error("the node switched protocols unasked")]
    UnwantedUpgrade,
    /// The node answered as if nobody had asked it to switch protocols.
    #[error("the node did not switch protocols")]
    NotSwitched,
    /// The response's body is longer than a plugin takes.
    #[error("the response's body has more than {0} bytes")]
    ResponseTooLarge(usize),
}

impl Fault {
    /// The answer the client gets.
    pub(crate) fn reply(&self) -> Reply {
        match self {
            // APISIX's text.
            Fault::RouteNotFound => Reply::error_msg(StatusCode::NOT_FOUND, "404 Route Not Found"),
            Fault::BadRequest(why) => Reply::error_msg(StatusCode::BAD_REQUEST, why),
            _ => Reply::page(self.status()),
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Fault::RouteNotFound => StatusCode::NOT_FOUND,
            Fault::BadRequest(_) | Fault::ClientGone => StatusCode::BAD_REQUEST,
            Fault::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Fault::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Fault::BodyTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Fault::ClientStalled => StatusCode::REQUEST_TIMEOUT,
            Fault::Closed | Fault::NoUpstream | Fault::NoNode(_) => StatusCode::SERVICE_UNAVAILABLE,
            Fault::UnknownUpstream
            | Fault::Scheme(_)
            | Fault::UnwantedUpgrade
            | Fault::NotSwitched
            | Fault::Connect { .. }
            | Fault::Broken { .. }
            | Fault::ResponseTooLarge(_) => StatusCode::BAD_GATEWAY,
            Fault::Timeout { .. } => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// For the access log: what went wrong, in one word.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Fault::RouteNotFound => "route_not_found",
            Fault::Closed => "closed",
            Fault::BadRequest(_) => "bad_request",
            Fault::MethodNotAllowed => "method_not_allowed",
            Fault::HeadTooLarge => "head_too_large",
            Fault::BodyTooLarge(_) => "body_too_large",
            Fault::ClientGone => "client_gone",
            Fault::ClientStalled => "client_stalled",
            Fault::NoUpstream => "no_upstream",
            Fault::UnknownUpstream => "unknown_upstream",
            Fault::NoNode(_) => "no_node",
            Fault::Scheme(_) => "scheme_not_served",
            Fault::Connect { .. } => "upstream_connect",
            Fault::Timeout { .. } => "upstream_timeout",
            Fault::Broken { .. } => "upstream_broke_off",
            Fault::UnwantedUpgrade => "unwanted_upgrade",
            Fault::NotSwitched => "not_switched",
            Fault::ResponseTooLarge(_) => "response_too_large",
        }
    }

    /// Whether another node may be asked: nothing was sent, or the request may be sent twice.
    pub(crate) fn allows_retry(&self, idempotent: bool) -> bool {
        match self {
            Fault::Connect { .. } => true,
            Fault::Timeout { step, .. } => *step == "connecting" || idempotent,
            Fault::Broken { unsent, .. } => *unsent || idempotent,
            _ => false,
        }
    }
}
