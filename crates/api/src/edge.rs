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
use crate::auth::{SESSION_COOKIE, cookie, kind_of_key};
use crate::client_address::TrustedProxies;
use crate::error::{ApiError, ApiResult};
use crate::pace::Pace;
use crate::serve::Connection;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
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
    /// Who may say where a request comes from.
    pub(crate) proxies: TrustedProxies,
}

/// Runs a request as a task of its own: a write that has begun is finished even when the client leaves or the deadline
/// passes (so the store and what is kept in memory never part), and a panic ends this request alone.
pub(crate) async fn guard(State(edge): State<Edge>, mut request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    name_client(&edge.proxies, &mut request);
    let shown = shown(&request);
    let paced = paced(&edge.pace, &request, shown.as_ref());
    let attempt = Attempt::new(&request, id.to_str().unwrap_or_default(), edge.surface);
    if let Err(refusal) = paced {
        attempt.is_one_too_many(shown.map_or("", |(kind, _)| kind));
        return with_headers(refused(edge, attempt, refusal).await, id);
    }
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

/// From here on the connection's client is who it is, whatever proxies are in between.
fn name_client(proxies: &TrustedProxies, request: &mut Request) {
    let Some(mut connection) = request.extensions().get::<Connection>().copied() else { return };
    connection.client = proxies.client(connection.peer.ip(), request.headers());
    request.extensions_mut().insert(connection);
}

/// Records a request that is one too many, as any that is refused; apart, so that it is done though the client leaves.
async fn refused(edge: Edge, attempt: Attempt, refusal: ApiError) -> Response {
    let response = refusal.into_response();
    let (status, told) = (response.status(), response.extensions().get::<Told>().cloned());
    let recorded = edge.tasks.spawn(async move { attempt.ended(&edge.control, status, told.as_ref()).await });
    if let Err(error) = recorded.await {
        tracing::error!(%error, "a request that was one too many could not be recorded");
    }
    response
}

/// By address, and by what the request shows.
fn paced(pace: &Pace, request: &Request, shown: Option<&(&'static str, String)>) -> ApiResult<()> {
    if let Some(connection) = request.extensions().get::<Connection>() {
        pace.count("address", &connection.client.to_string())?;
    }
    shown.map_or(Ok(()), |(_, secret)| pace.count("key", secret))
}

/// The key, session or password that a request shows, and what sort it is of.
fn shown(request: &Request) -> Option<(&'static str, String)> {
    let headers = request.headers();
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).map(str::to_owned);
    if let Some(key) = text(API_KEY) {
        return Some((kind_of_key(&key), key));
    }
    if let Some(session) = cookie(headers, SESSION_COOKIE) {
        return Some(("session", session));
    }
    let authorization = text(header::AUTHORIZATION)?;
    let is_bearer = authorization.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer "));
    Some((if is_bearer { "scim_token" } else { "password" }, authorization))
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
