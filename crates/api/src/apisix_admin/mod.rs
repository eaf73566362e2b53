//! The Admin API of Apache APISIX, for the clients, scripts and tools that speak it.
//!
//! A thin adapter: it finds out who asks (`caller`) and for what (`routes`, `target`), checks what is sent as APISIX does
//! (`definitions`, `check`), says it to the same use cases as the rest of the API (`read`, `write`, `delete`), and
//! gives the answer in APISIX's words (`entry`, `refusal`). The key decides the gateway group.
//!
//! Source: <https://apisix.apache.org/docs/apisix/admin-api/>

mod body;
mod caller;
mod check;
mod definitions;
mod delete;
mod empty;
mod entry;
mod query;
mod read;
mod refusal;
mod routes;
mod schemas;
mod target;
mod unknown;
mod validate;
mod write;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use control::Control;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use model::Kind;
use serde_json::Value;
use tokio_util::task::TaskTracker;

use crate::attempt::{Attempt, Surface};
use crate::client_address::TrustedProxies;
use crate::edge::{self, Edge};
use crate::pace::Pace;
use crate::serve::ApiSettings;
use caller::Caller;
use query::Query;
use refusal::Refusal;
pub(crate) use routes::table;
use routes::{Doing, To};
use target::{Place, Target};

/// The version whose Admin API this is; clients choose what they send by it.
const SERVER: HeaderValue = HeaderValue::from_static("APISIX/3.18.0");
/// Where everything lies.
const ROOT: &str = "/apisix/admin";
/// What browsers are allowed, on every answer.
const CORS: [(HeaderName, &str); 4] = [
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    (header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true"),
    (header::ACCESS_CONTROL_EXPOSE_HEADERS, "*"),
    (header::ACCESS_CONTROL_MAX_AGE, "3600"),
];
/// What they are told when they ask before they send.
const PREFLIGHT: [(HeaderName, &str); 6] = [
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    (header::ACCESS_CONTROL_ALLOW_METHODS, "POST, GET, PUT, OPTIONS, DELETE, PATCH"),
    (header::ACCESS_CONTROL_MAX_AGE, "3600"),
    (header::ACCESS_CONTROL_ALLOW_HEADERS, "*"),
    (header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true"),
    (header::CONTENT_TYPE, "text/plain"),
];

/// An answer in the making.
type Answer = Result<Response, Refusal>;

/// What a request asks, once it is known who asks.
struct Asked {
    control: Control,
    caller: Caller,
    method: Method,
    query: Query,
    body: Bytes,
}

/// The API, ready to serve.
pub(crate) fn router(settings: &ApiSettings, control: Control, tasks: TaskTracker) -> Router {
    let surface = Surface::ApisixAdmin;
    let pace = Pace::of(settings.requests_per_second);
    let proxies = TrustedProxies::new(&settings.trusted_proxies);
    let edge = Edge { deadline: settings.request_deadline, tasks, control: control.clone(), surface, pace, proxies };
    Router::new()
        .fallback(any(answer))
        .layer(DefaultBodyLimit::max(settings.body_limit_bytes))
        .layer(middleware::from_fn_with_state(edge, edge::guard))
        .layer(middleware::map_response(with_headers))
        .with_state(control)
}

async fn with_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::SERVER, SERVER);
    if !headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
        headers.extend(CORS.map(|(name, value)| (name, HeaderValue::from_static(value))));
    }
    response
}

async fn answer(
    State(control): State<Control>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    attempt: Attempt,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    if method == Method::OPTIONS {
        return PREFLIGHT.into_response();
    }
    let Some(path) = uri.path().strip_prefix(ROOT).filter(|path| path.is_empty() || path.starts_with('/')) else {
        return Refusal::new(StatusCode::NOT_FOUND, "404 Route Not Found").into_response();
    };
    // Clients find out the version by this, before they have a key.
    if method == Method::HEAD && path.trim_matches('/').is_empty() {
        return StatusCode::OK.into_response();
    }
    let query = Query::of(&uri);
    let caller = match caller::authenticate(&control, &headers, &query, &attempt).await {
        Ok(caller) => caller,
        Err(refusal) => return refusal.into_response(),
    };
    let Ok(body) = body else {
        let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        return body::too_large(length.unwrap_or_default()).into_response();
    };
    let asked = Asked { control, caller, method, query, body };
    let mut response = route(asked, path.trim_start_matches('/')).await.unwrap_or_else(Refusal::into_response);
    response.headers_mut().insert("x-api-version", HeaderValue::from_static("v3"));
    response
}

async fn route(asked: Asked, path: &str) -> Answer {
    let decoded = target::segments(path)?;
    let segments: Vec<&str> = decoded.iter().map(String::as_str).collect();
    let found = routes::find(asked.method.as_str(), &segments);
    let (to, parts) = found.ok_or_else(|| nothing_there(asked.method.as_str(), &segments))?;
    let name = parts.get("name").and_then(|name| name.first()).copied().unwrap_or_default();
    match to {
        To::ValidateAll => validate::all(&asked),
        To::ValidateOne => validate::one(&asked, name),
        To::Reload if asked.method == Method::PUT => Ok("done".into_response()),
        To::Reload => Err(nothing_there(asked.method.as_str(), &segments)),
        To::PluginNames => schemas::plugin_names(&asked),
        To::Plugins => schemas::plugins(&asked),
        To::Plugin => schemas::plugin(&asked, name),
        To::Schema => schemas::kind(name),
        To::Resource(kind, doing) => resource(asked, doing, Target::of(kind, &parts)).await,
    }
}

fn nothing_there(method: &str, segments: &[&str]) -> Refusal {
    let is_known = |plural: &str| Kind::ALL.into_iter().any(|kind| kind.plural() == plural && kind != Kind::Credential);
    match segments {
        ["plugins", "reload"] => {
            let message = format!("please use PUT method to reload the plugins, {method} method is not allowed.");
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, message)
        }
        ["plugins" | "schema", ..] => Refusal::new(StatusCode::NOT_FOUND, "not found"),
        [first, ..] if !is_known(first) => {
            Refusal::new(StatusCode::NOT_FOUND, format!("Unsupported resource type: {first}"))
        }
        _ => Refusal::new(StatusCode::NOT_FOUND, "not found"),
    }
}

async fn resource(asked: Asked, doing: Doing, target: Target) -> Answer {
    let ttl = asked.query.get("ttl");
    if ttl.is_some_and(|ttl| ttl.trim().parse::<f64>().is_err()) {
        return Err(Refusal::bad_request("invalid argument ttl: should be a number"));
    }
    match (doing, &target.place) {
        (Doing::Read, Place::All) => read::list(&asked, &target).await,
        (Doing::Read, Place::One(_)) => read::get(&asked, &target).await,
        (Doing::Put, _) => write::put(&asked, &target).await,
        (Doing::Post, _) => write::post(&asked, &target).await,
        (Doing::Patch, _) => write::patch(&asked, &target).await,
        (Doing::Delete, _) => delete::delete(&asked, &target).await,
    }
}

/// JSON with an end of line, as APISIX sends it.
fn answer_json(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], format!("{body}\n")).into_response()
}

impl Asked {
    /// The body as JSON; `None` when there is none.
    fn json(&self) -> Result<Option<Value>, Refusal> {
        body::read(&self.body)
    }
}

#[cfg(feature = "fuzzing")]
pub(crate) fn fuzzed_body(bytes: &[u8]) -> Option<String> {
    let refusal = body::read(bytes).err()?;
    Some(refusal.told())
}
