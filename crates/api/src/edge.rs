//! What holds for every request: an id, a deadline, an answer even after a panic, and safe headers.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use control::Control;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::attempt::{Attempt, Surface, Told};
use crate::auth::{SESSION_COOKIE, cookie};
use crate::error::{ApiError, ApiResult};
use crate::pace::Pace;
use crate::serve::Connection;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest request id taken from a client; a longer one is replaced.
const MAX_REQUEST_ID_LEN: usize = 128;

/// What the edge works with.
#[derive(Clone)]
pub(crate) struct Edge {
    /// Longest time for one request.
    pub(crate) deadline: Duration,
    /// Owner of the requests under way; shutdown waits for it.
    pub(crate) tasks: TaskTracker,
    /// Where refused attempts are recorded.
    pub(crate) control: Control,
    /// Which API this is.
    pub(crate) surface: Surface,
    /// How many requests a client may send.
    pub(crate) pace: Pace,
}

/// Runs a request as a task of its own: a write that has begun is finished even when the client leaves or the deadline
/// passes (so the store and what is kept in memory never part), and a panic ends this request alone.
pub(crate) async fn guard(State(edge): State<Edge>, mut request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    if let Err(refusal) = paced(&edge.pace, &request) {
        return with_headers(refusal.into_response(), id);
    }
    let attempt = Attempt::new(&request, id.to_str().unwrap_or_default(), edge.surface);
    request.extensions_mut().insert(attempt.clone());
    let span = tracing::info_span!("request", id = id.to_str().unwrap_or_default(), method = %request.method(), path = request.uri().path());
    let control = edge.control;
    let work = async move {
        let response = next.run(request).await;
        // Here and nowhere else, so that no endpoint can forget it.
        let told = response.extensions().get::<Told>().cloned();
        attempt.ended(&control, response.status(), told.as_ref()).await;
        response
    };
    let work = edge.tasks.spawn(work.instrument(span.clone()));
    let response = match tokio::time::timeout(edge.deadline, work).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => {
            span.in_scope(|| tracing::error!(%error, "a request panicked"));
            ApiError::internal().into_response()
        }
        Err(_) => too_late(edge.deadline).into_response(),
    };
    with_headers(response, id)
}

/// By address, and by the key or session that the request shows.
fn paced(pace: &Pace, request: &Request) -> ApiResult<()> {
    if let Some(connection) = request.extensions().get::<Connection>() {
        pace.count("address", &connection.peer.ip().to_string())?;
    }
    let headers = request.headers();
    let key = headers.get("x-api-key").and_then(|key| key.to_str().ok()).map(str::to_owned);
    match key.or_else(|| cookie(headers, SESSION_COOKIE)) {
        Some(key) => pace.count("key", &key),
        None => Ok(()),
    }
}

fn too_late(deadline: Duration) -> ApiError {
    let message = format!("the request took longer than {} s; it may still take effect", deadline.as_secs());
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, message)
}

fn request_id(headers: &HeaderMap) -> HeaderValue {
    let usable = |value: &&HeaderValue| (1..=MAX_REQUEST_ID_LEN).contains(&value.len()) && value.to_str().is_ok();
    let given = headers.get(REQUEST_ID).filter(usable).cloned();
    given.unwrap_or_else(|| {
        let id = uuid::Uuid::new_v4().to_string();
        HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("-"))
    })
}

/// No `Strict-Transport-Security`: it would hold for all ports of the host, the plain one of the API included.
fn with_headers(mut response: Response, id: HeaderValue) -> Response {
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id);
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ];
    for (name, value) in fixed {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
