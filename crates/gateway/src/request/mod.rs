//! A request's way, step by step. Each step is a file; the order is here.
//!
//! 1. `open`: the head becomes an [`Exchange`]; from here on every exit is logged.
//! 2. `normalise`: host and path in one form, what is ambiguous refused. Before routing, so that nothing
//!    matches one path and forwards another. Then `forwarded`: what a client says of the connection before ours is
//!    believed of trusted addresses only; and `client_auth`: hosts may demand a client certificate.
//! 3. `route`: by host, path, method, client, variables.
//! 4. `phases`: `rewrite` of the global rules, of the route, which finds the consumer, and of the consumer; then
//!    `access` of the global rules, which know the consumer so, and of the merged chain. Where there is no route, the
//!    global rules alone. Source: APISIX since 3.17, <https://github.com/apache/apisix/pull/13345>.
//! 5. `body`: read whole before the first plugin that asked for it, and not sooner: those before it may refuse.
//! 6. `forward`: `before_proxy`, choose a node, connect or reuse, send, try the next node.
//! 7. `answer`: `header_filter`, then the body streams through `body_filter`.
//! 8. `log`: when the last byte is handed over or the client is gone, whichever way the request went.

mod answer;
mod body;
mod choose;
mod client_auth;
mod forward;
mod forwarded;
mod headers;
mod live;
mod log;
mod normalise;
mod phases;
mod response;
mod upgrade;
mod wire;

use std::convert::Infallible;
use std::rc::Rc;

use http::{Request, Response};
use hyper::body::Incoming;
use plugin_api::{Phases, Reply};

use crate::fault::Fault;
use crate::upstream::AnswerBody;
use crate::worker::connection::Connection;
use crate::worker::local::Local;
use body::RequestBody;
pub(crate) use body::{UploadError, UpstreamBody};
pub(crate) use live::Live;
pub(crate) use response::ResponseBody;

#[cfg(feature = "fuzzing")]
pub(crate) use normalise::normalised;

/// How a request ends when no upstream answers it.
pub(crate) enum Stop {
    /// A plugin answers.
    Reply(Reply),
    /// Something went wrong.
    Fault(Fault),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Stop::Fault(fault)
    }
}

/// A request as it comes in.
enum Received {
    Ready(Box<Live>, Incoming),
    /// There is no configuration yet.
    NotReady(Rc<Connection>, Rc<Local>),
}

/// Serves one request. What this gives is moved and kept for each connection, so it is kept small: the head is taken
/// in before it begins, and what is rarely needed is boxed.
pub(crate) fn serve(
    worker: Rc<Local>,
    connection: Rc<Connection>,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<ResponseBody>, Infallible>> {
    let received = receive(worker, connection, request);
    async move {
        Ok(match received {
            Received::Ready(live, body) => answer(live, body).await,
            Received::NotReady(connection, worker) => response::not_ready(&connection, &worker),
        })
    }
}

fn receive(worker: Rc<Local>, connection: Rc<Connection>, request: Request<Incoming>) -> Received {
    connection.begin();
    match worker.plan() {
        Some(plan) => {
            let (live, body) = Live::open(worker, connection, plan, request);
            Received::Ready(live, body)
        }
        None => Received::NotReady(connection, worker),
    }
}

async fn answer(mut live: Box<Live>, body: Incoming) -> Response<ResponseBody> {
    match steps(&mut live, body).await {
        Ok(upstream) => answer::proxied(live, upstream).await,
        Err(Stop::Reply(reply)) => answer::local(live, reply),
        Err(Stop::Fault(fault)) => answer::fault(live, &fault),
    }
}

async fn steps(live: &mut Live, body: Incoming) -> Result<Response<AnswerBody>, Stop> {
    normalise::check(&mut live.exchange, live.worker.limits.head_bytes)?;
    forwarded::check(&mut live.exchange, &live.connection.facts, &live.worker.trusted);
    client_auth::check(&live.exchange, live.plan.tls())?;
    // Before anything runs: the rule that is at fault may be the one that guards all routes.
    if live.plan.is_closed() {
        return Err(Fault::Closed.into());
    }
    let mut body = RequestBody::new(body, live.connection.clone(), live.worker.limits.client_body);
    if live.plan.is_routed_by_body() {
        body.collect_fields(&mut live.exchange).await?;
    }
    let is_found = live.find_route();
    phases::run_global(live, Phases::REWRITE, &mut body).await?;
    if !is_found {
        phases::run_global(live, Phases::ACCESS, &mut body).await?;
        return Err(Fault::RouteNotFound.into());
    }
    live.refuse_closed()?;
    phases::run(live, Phases::REWRITE, &mut body).await?;
    if live.merge_consumer() {
        phases::run_consumer_rewrite(live, &mut body).await?;
    }
    for phase in [Phases::ACCESS, Phases::BEFORE_PROXY] {
        phases::run_global(live, phase, &mut body).await?;
        phases::run(live, phase, &mut body).await?;
    }
    // For plugins that log it, or come after the upstream.
    if live.reads_fields() {
        body.collect_fields(&mut live.exchange).await?;
    }
    let need = live.request_body_need();
    body.collect(&mut live.exchange, need).await?;
    forward::forward(live, &mut body).await
}
