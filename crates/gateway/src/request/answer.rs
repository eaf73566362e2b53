//! From an upstream's response, a plugin's reply or a fault to what the client gets.

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderName, HeaderValue, SERVER};
use http::{Response, StatusCode, Version};
use http_body::Body;
use http_body_util::BodyExt;
use plugin_api::{BodyNeed, Phases, Reply};

use super::live::Live;
use super::response::ResponseBody;
use super::{headers, phases, upgrade};
use crate::fault::Fault;
use crate::upstream::AnswerBody;

const UPSTREAM_STATUS: HeaderName = HeaderName::from_static("x-apisix-upstream-status");
static SERVER_NAME: HeaderValue = HeaderValue::from_static(concat!("Flotilla/", env!("CARGO_PKG_VERSION")));

/// Answers with what the upstream answered.
pub(super) async fn proxied(mut live: Box<Live>, upstream: Response<AnswerBody>) -> Response<ResponseBody> {
    match (upstream.status(), &live.upgrade) {
        (StatusCode::SWITCHING_PROTOCOLS, Some(_)) => return upgrade::switch(live, upstream),
        (StatusCode::SWITCHING_PROTOCOLS, None) => return fault(live, &Fault::UnwantedUpgrade),
        // To a client of HTTP/2 it would look as if the node had.
        (status, _) if status.is_success() && live.extended.is_some() => return fault(live, &Fault::NotSwitched),
        _ => {}
    }
    let incoming = take_in(&mut live, upstream);
    if let Some(replaced) = live.exchange.response.body.take() {
        // The connection still has a body on it that nobody reads.
        live.lease = None;
        return whole(live, replaced);
    }
    match live.response_body_need() {
        BodyNeed::Stream => stream(live, incoming),
        BodyNeed::Whole { limit } => match Box::pin(read_whole(&mut live, incoming, limit)).await {
            Ok(body) => whole(live, body),
            Err(fault) => self::fault(live, &fault),
        },
    }
}

/// The head of the upstream's response becomes that of ours; its body is left.
fn take_in(live: &mut Live, upstream: Response<AnswerBody>) -> AnswerBody {
    let (head, incoming) = upstream.into_parts();
    let response = &mut live.exchange.response;
    response.status = head.status;
    response.headers = head.headers;
    headers::remove_hop_by_hop(&mut response.headers);
    filter_head(live);
    incoming
}

/// The head of what the upstream answered, apart from the body.
pub(super) fn head_of(live: &mut Live, upstream: Response<AnswerBody>) -> (Response<()>, AnswerBody) {
    let body = take_in(live, upstream);
    (head(live), body)
}

/// Answers with a plugin's reply.
pub(super) fn local(mut live: Box<Live>, reply: Reply) -> Response<ResponseBody> {
    let response = &mut live.exchange.response;
    response.status = reply.status;
    response.headers = reply.headers;
    response.local = true;
    response.body = None;
    filter_head(&mut live);
    let body = live.exchange.response.body.take().unwrap_or(reply.body);
    whole(live, body)
}

/// Answers with the response that a fault becomes.
pub(super) fn fault(mut live: Box<Live>, fault: &Fault) -> Response<ResponseBody> {
    live.exchange.outcome.fault = Some(fault.name());
    live.lease = None;
    let is_http1 = live.exchange.version < Version::HTTP_2;
    let mut response = local(live, fault.reply());
    // After a request that breaks the rules, where the next one begins is not to be relied on.
    if is_http1 && matches!(fault, Fault::BadRequest(_) | Fault::ClientGone | Fault::BodyTooLarge(_)) {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Tells that it was the upstream that failed, with the status of each try. Source: APISIX, "Debugging", upstream status.
fn tell_upstream_failure(live: &mut Live) {
    let statuses = &live.exchange.outcome.upstream_status;
    if !statuses.last().is_some_and(|status| (500..600).contains(status)) {
        return;
    }
    let joined = statuses.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    if let Ok(value) = HeaderValue::try_from(joined) {
        live.exchange.response.headers.insert(UPSTREAM_STATUS, value);
    }
}

/// What earlier phases want on the response, then `header_filter`.
fn filter_head(live: &mut Live) {
    tell_upstream_failure(live);
    for (name, value) in std::mem::take(&mut live.exchange.early_headers) {
        live.exchange.response.headers.insert(name, value);
    }
    phases::each(live, Phases::HEADER_FILTER, |entry, exchange| entry.plugin.header_filter(exchange));
}

async fn read_whole(live: &mut Live, mut incoming: AnswerBody, limit: usize) -> Result<Bytes, Fault> {
    if incoming.size_hint().lower() > limit as u64 {
        return Err(Fault::ResponseTooLarge(limit));
    }
    let pause = live.read_timeout;
    let node = live.exchange.outcome.upstream_addr.clone().unwrap_or_else(|| "".into());
    let mut whole = BytesMut::new();
    loop {
        let frame = live.connection.steps.limit(pause, incoming.frame()).await;
        let frame = frame.map_err(|_| Fault::Timeout { node: node.clone(), step: "reading" })?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|source| Fault::Broken { node: node.clone(), source, unsent: false })?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if whole.len() + data.len() > limit {
            return Err(Fault::ResponseTooLarge(limit));
        }
        whole.extend_from_slice(&data);
    }
    live.give_back();
    Ok(whole.freeze())
}

/// A body that is here: filtered in one piece, its length told.
fn whole(mut live: Box<Live>, body: Bytes) -> Response<ResponseBody> {
    let body = phases::filter_body(&mut live, body, true);
    live.exchange.response.headers.remove(CONTENT_LENGTH);
    let head = head(&mut live);
    head.map(|()| ResponseBody::whole(live, body))
}

/// A body that streams. A plugin that changes its length has removed `Content-Length` by now.
fn stream(mut live: Box<Live>, incoming: AnswerBody) -> Response<ResponseBody> {
    if !incoming.is_end_stream() {
        let filters = live.has_phase(Phases::BODY_FILTER);
        let head = head(&mut live);
        return head.map(|()| ResponseBody::streaming(live, incoming, filters));
    }
    live.give_back();
    let body = phases::filter_body(&mut live, Bytes::new(), true);
    let head = head(&mut live);
    head.map(|()| ResponseBody::whole(live, body))
}

fn head(live: &mut Live) -> Response<()> {
    let keeps = live.has_phase(Phases::BODY_FILTER) || live.has_phase(Phases::HEADERS_IN_LOG);
    let response = &mut live.exchange.response;
    response.headers.insert(SERVER, SERVER_NAME.clone());
    live.exchange.outcome.bytes_sent = super::log::head_bytes(&response.headers);
    live.answered = true;
    let mut head = Response::new(());
    *head.status_mut() = response.status;
    *head.headers_mut() = if keeps { response.headers.clone() } else { std::mem::take(&mut response.headers) };
    head
}
