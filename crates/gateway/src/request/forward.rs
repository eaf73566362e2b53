//! To the upstream: choose a node, connect or reuse, send, and try the next node when that is safe.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::Either;
use http::Response;
use http::uri::PathAndQuery;
use model::resource::Scheme;
use plan::{CompiledRoute, CompiledUpstream, Timeouts, UpstreamChoice};
use plugin_api::{ChosenUpstream, Exchange};

use super::Stop;
use super::body::{Bounds, RequestBody, UpstreamBody};
use super::choose::{self, Chosen, Tried};
use super::live::Live;
use super::normalise;
use super::upgrade;
use super::wire::{self, Errand};
use crate::fault::Fault;
use crate::health::Seen;
use crate::upstream::{self, AnswerBody, Lease, NotAnswered, Pool, Sender, Sent, Target, over_http2};
use crate::worker::local::LocalUpstream;
use crate::worker::wheel::Elapsed;

/// Sends the request and waits for the response's head.
pub(crate) async fn forward(live: &mut Live, body: &mut RequestBody) -> Result<Response<AnswerBody>, Stop> {
    let upstream = upstream(live)?;
    let compiled = &upstream.compiled;
    live.upgrade = upgrade::wanted(live)?.map(Box::new);
    let timeouts = live.route().and_then(CompiledRoute::timeouts).unwrap_or(compiled.timeouts);
    live.read_timeout = timeouts.read;
    let rewritten = rewritten(live);
    let is_idempotent = wire::method(live).is_idempotent();
    if is_idempotent && !live.exchange.streams_request_body {
        body.keep_short(&mut live.exchange).await?;
    }
    let started = Instant::now();
    let mut tried = Tried::default();
    let mut before = None;
    loop {
        let outcome = attempt(live, &upstream, &mut tried, rewritten.as_ref(), body, &timeouts).await;
        let fault = match outcome {
            Ok(response) => {
                if let Some(at) = tried.last {
                    upstream.report(at, Seen::Status(response.status().as_u16()));
                }
                if let Some(in_flight) = &mut live.in_flight {
                    in_flight.answered = true;
                }
                live.exchange.outcome.upstream_status.push(response.status().as_u16());
                live.exchange.outcome.upstream_latency = Some(started.elapsed());
                return Ok(response);
            }
            Err(fault) => fault,
        };
        if !matches!(fault, Fault::NoNode(_)) {
            if let (Some(at), Some(seen)) = (tried.last, seen(&fault)) {
                upstream.report(at, seen);
            }
            tracing::warn!(upstream = %compiled.owner, %fault, "a try failed");
            live.exchange.outcome.upstream_status.push(fault.reply().status.as_u16());
        }
        // No further node is no better an answer than what the node before did.
        let fault = match (fault, before.take()) {
            (Fault::NoNode(_), Some(before)) => return Err(give_up(&upstream, &tried, before)),
            (fault, _) => fault,
        };
        let in_time = compiled.retry_timeout.is_none_or(|limit| started.elapsed() < limit);
        // As in APISIX an only node is asked again, when retries are asked for.
        let is_another = tried.nodes.len() < compiled.nodes.len() || compiled.nodes.len() == 1;
        let again = tried.tries <= compiled.retries as usize && is_another;
        if !(fault.allows_retry(is_idempotent) && in_time && again && body.is_left()) {
            live.exchange.outcome.upstream_latency = Some(started.elapsed());
            return Err(give_up(&upstream, &tried, fault));
        }
        before = Some(fault);
    }
}

/// As in APISIX the status that the client gets is judged, too: `http_statuses` may name 502 or 504.
fn give_up(upstream: &LocalUpstream, tried: &Tried, fault: Fault) -> Stop {
    if let (Some(at), Some(_)) = (tried.last, seen(&fault)) {
        upstream.report(at, Seen::Status(fault.reply().status.as_u16()));
    }
    Stop::from(fault)
}

/// The upstream that a plugin chose, else the route's.
fn upstream(live: &Live) -> Result<Rc<LocalUpstream>, Fault> {
    let inline: Arc<CompiledUpstream>;
    let chosen = match (&live.exchange.target.upstream, live.route()) {
        (Some(ChosenUpstream::Inline(chosen)), _) => {
            inline = chosen.0.clone().downcast().map_err(|_| Fault::UpstreamGone)?;
            Some(&inline)
        }
        (Some(ChosenUpstream::Id(id)), route) => {
            let service = route.and_then(|route| route.info.service_id.as_deref());
            live.plan.upstream_by_id(service, id)
        }
        (None, Some(route)) if !matches!(route.upstream, UpstreamChoice::None) => live.plan.upstream(&route.upstream),
        (None, _) => return Err(Fault::NoUpstream),
    };
    let chosen = chosen.ok_or(Fault::UpstreamGone)?;
    match chosen.scheme {
        Scheme::Http | Scheme::Https | Scheme::Grpc | Scheme::Grpcs => Ok(live.worker.upstream(chosen)),
        other => Err(Fault::Scheme(other)),
    }
}

/// Path and query for the node where they are not the client's: a plugin's, or without the service's prefix.
fn rewritten(live: &Live) -> Option<PathAndQuery> {
    let exchange = &live.exchange;
    let target = match &exchange.target.path_and_query {
        Some(target) => Cow::from(target),
        None => without_prefix(exchange, live.route()?.strip_prefix()?).into(),
    };
    Some(target.parse().unwrap_or_else(|_| PathAndQuery::from_static("/")))
}

/// What the client wrote passes only when it means what was matched: `/api/../api/x` must not become `/../api/x`.
fn without_prefix(exchange: &Exchange, prefix: &str) -> String {
    let matched = exchange.path().strip_prefix(prefix).unwrap_or_default();
    let written = exchange.uri.path().strip_prefix(prefix).filter(|written| normalise::means(written, matched));
    let path = written.map_or_else(|| escape(matched), str::to_owned);
    let slash = if path.starts_with('/') { "" } else { "/" };
    let query = exchange.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{slash}{path}{query}")
}

fn escape(path: &str) -> String {
    use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
    const PATH: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'?').add(b'`').add(b'%');
    utf8_percent_encode(path, PATH).to_string()
}

/// One try: the next node, a connection to it, the request on it.
async fn attempt(
    live: &mut Live,
    upstream: &Rc<LocalUpstream>,
    tried: &mut Tried,
    rewritten: Option<&PathAndQuery>,
    body: &mut RequestBody,
    timeouts: &Timeouts,
) -> Result<Response<AnswerBody>, Fault> {
    let compiled = &upstream.compiled;
    let no_node = || Fault::NoNode(compiled.owner.clone());
    let chosen = choose::next(live, upstream, tried).await;
    let Chosen { at, node, address, pool } = chosen.ok_or_else(no_node)?;
    live.exchange.outcome.upstream_name = node.socket.is_none().then(|| node.address.clone());
    live.exchange.outcome.upstream_addr = Some(address.clone());
    live.in_flight = upstream.begin(at);
    loop {
        let mut lease = match pool.take() {
            Some(lease) if lease.sender.is_ready() => lease,
            // Rare, and so kept out of the size of a request.
            kept => Box::pin(lease(live, kept, &pool, &address, timeouts)).await?,
        };
        let bounds = Bounds { send: timeouts.send, read: timeouts.read, bytes: live.exchange.request_body_limit };
        let Some(sent_body) = body.take(bounds) else {
            return Err(no_node());
        };
        let errand = Errand { upstream: compiled, node, rewritten };
        let answering = send(&mut lease, live, errand, &pool.target, sent_body);
        let sent = live.connection.steps.limit(timeouts.read, answering).await;
        match judge(live, sent, body, &address) {
            Ok(response) => {
                live.lease = Some(lease);
                return Ok(response);
            }
            // A kept connection that the node closed meanwhile is no fault of the node: try it afresh.
            Err(fault) if lease.reused && is_stale(&fault, wire::method(live).is_idempotent()) && body.is_left() => {}
            Err(fault) => return Err(fault),
        }
    }
}

/// Sends the request in the way of the connection, and waits for the response's head.
fn send(
    lease: &mut Lease,
    live: &Live,
    errand: Errand<'_>,
    target: &Target,
    body: UpstreamBody,
) -> impl Future<Output = Sent> + use<> {
    match &mut lease.sender {
        Sender::Http1(connection) => {
            let outline = wire::outline(live, &body);
            Either::Left(connection.send(outline, body, |out| wire::write_head(out, live, errand)))
        }
        // Boxed, for it is ninety times as large.
        Sender::Http2(sender) => Either::Right(Box::pin(over_http2(sender, wire::request(live, errand, target, body)))),
    }
}

/// What a fault says of the node; nothing when the client was at fault.
fn seen(fault: &Fault) -> Option<Seen> {
    match fault {
        Fault::Connect { .. } | Fault::Broken { .. } => Some(Seen::Failure),
        Fault::Timeout { .. } => Some(Seen::Timeout),
        _ => None,
    }
}

fn is_stale(fault: &Fault, is_idempotent: bool) -> bool {
    matches!(fault, Fault::Broken { unsent, .. } if *unsent || is_idempotent)
}

/// A kept connection that was not ready, once it is, else a new one.
async fn lease(
    live: &Live,
    mut kept: Option<Lease>,
    pool: &Rc<Pool>,
    node: &Arc<str>,
    timeouts: &Timeouts,
) -> Result<Lease, Fault> {
    while let Some(lease) = kept {
        // The connection's task may not yet have seen the end of the response before: it gets one turn. One that
        // answered before it had the whole request may not be ready for long, and is left to itself.
        tokio::task::yield_now().await;
        if lease.sender.is_ready() {
            return Ok(lease);
        }
        kept = pool.take();
    }
    let _opening = pool.opening().await;
    // Another request may have opened one meanwhile.
    if let Some(lease) = pool.target.http2.then(|| pool.take()).flatten() {
        return Ok(lease);
    }
    let connecting = upstream::connect(&pool.target);
    match live.connection.steps.limit(timeouts.connect, connecting).await {
        Ok(Ok(sender)) => Ok(pool.lease(sender)),
        Ok(Err(source)) => Err(Fault::Connect { node: node.clone(), source }),
        Err(_) => Err(Fault::Timeout { node: node.clone(), step: "connecting" }),
    }
}

/// What became of a request that was sent. A body of which nothing was sent can be sent again.
fn judge(
    live: &Live,
    sent: Result<Sent, Elapsed>,
    body: &mut RequestBody,
    node: &Arc<str>,
) -> Result<Response<AnswerBody>, Fault> {
    let NotAnswered { why, is_unsent, body: unsent } = match sent {
        Ok(Ok(response)) => return Ok(response),
        Ok(Err(not_answered)) => not_answered,
        Err(Elapsed) if live.connection.upload_waits.get() => return Err(Fault::ClientStalled),
        Err(Elapsed) => return Err(Fault::Timeout { node: node.clone(), step: "reading" }),
    };
    if let Some(unsent) = unsent {
        body.restore(unsent);
    }
    // The body comes from the client: it went away, or what it sent breaks the rules.
    if why.is_upload() {
        let too_long = live.connection.upload_too_long.get().then_some(live.exchange.request_body_limit);
        let too_long = too_long.flatten().map(|most| Fault::BodyTooLarge(most as usize));
        return Err(too_long.unwrap_or(Fault::ClientGone));
    }
    Err(Fault::Broken { node: node.clone(), source: why, unsent: is_unsent })
}
