//! The Admin API of Apache APISIX, for the clients, scripts and tools that speak it.
//!
//! A thin adapter: it finds out who asks (`caller`) and for what (`target`), says it to the same use cases as the rest
//! of the API (`read`, `write`, `delete`, `schemas`), and gives the answer in APISIX's words (`entry`, `refusal`). It
//! has no rule of its own. The key decides the gateway group.
//!
//! Source: <https://apisix.apache.org/docs/apisix/admin-api/>

mod caller;
mod delete;
mod entry;
mod query;
mod read;
mod refusal;
mod schemas;
mod target;
mod write;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Json, middleware};
use control::Control;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

use crate::attempt::{Attempt, Surface};
use crate::edge::{self, Edge};
use crate::pace::Pace;
use crate::serve::ApiSettings;
use caller::Caller;
use query::Query;
use refusal::Refusal;
use target::{Place, Target};

/// The version whose Admin API this is; clients choose what they send by it.
const SERVER: HeaderValue = HeaderValue::from_static("APISIX/3.18.0");
/// Below which everything lies.
const ROOT: &str = "/apisix/admin/";

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
    let edge = Edge { deadline: settings.request_deadline, tasks, control: control.clone(), surface, pace };
    Router::new()
        .fallback(any(answer))
        .layer(DefaultBodyLimit::max(settings.body_limit_bytes))
        .layer(middleware::from_fn_with_state(edge, edge::guard))
        .layer(middleware::map_response(with_server))
        .with_state(control)
}

async fn with_server(mut response: Response) -> Response {
    response.headers_mut().insert(header::SERVER, SERVER);
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
    let Some(path) = uri.path().strip_prefix(ROOT) else {
        return Refusal::new(StatusCode::NOT_FOUND, "404 Route Not Found").into_response();
    };
    let query = Query::of(&uri);
    let caller = match caller::authenticate(&control, &headers, &query, &attempt).await {
        Ok(caller) => caller,
        Err(refusal) => return refusal.into_response(),
    };
    let Ok(body) = body else {
        return Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "request body is too large").into_response();
    };
    let asked = Asked { control, caller, method, query, body };
    route(asked, path).await.unwrap_or_else(Refusal::into_response)
}

async fn route(asked: Asked, path: &str) -> Answer {
    let decoded = target::segments(path)?;
    let segments: Vec<&str> = decoded.iter().map(String::as_str).collect();
    match (asked.method.as_str(), segments.as_slice()) {
        ("POST", ["configs", "validate"]) => schemas::validate_all(asked).await,
        ("POST", ["schema", "validate", plural]) => schemas::validate_one(&asked, plural),
        ("GET", ["schema", "plugins", name] | ["plugins", name]) if *name != "list" => schemas::plugin(&asked, name),
        ("GET", ["schema", kind]) => schemas::kind(kind),
        ("GET", ["plugins"]) => schemas::plugins(&asked),
        ("GET", ["plugins", "list"]) => schemas::plugin_names(&asked),
        ("PUT", ["plugins", "reload"]) => Ok("done".into_response()),
        _ => resource(asked, Target::parse(&segments)?).await,
    }
}

async fn resource(asked: Asked, target: Target) -> Answer {
    match (asked.method.as_str(), &target.place) {
        ("GET" | "HEAD", Place::All) => read::list(&asked, &target).await,
        ("GET" | "HEAD", Place::One(_)) => read::get(&asked, &target).await,
        ("PUT", _) => write::put(&asked, &target).await,
        ("POST", _) => write::post(&asked, &target).await,
        ("PATCH", _) => write::patch(&asked, &target).await,
        ("DELETE", _) => delete::delete(&asked, &target).await,
        _ => Err(Refusal::new(StatusCode::NOT_FOUND, "not found")),
    }
}

fn answer_json(status: StatusCode, body: &Value) -> Response {
    (status, Json(body)).into_response()
}

impl Asked {
    /// The body as JSON; `None` when there is none.
    fn json(&self) -> Result<Option<Value>, Refusal> {
        if self.body.is_empty() {
            return Ok(None);
        }
        serde_json::from_slice(&self.body).map(Some).map_err(|error| {
            let body = String::from_utf8_lossy(&self.body);
            let message = format!("invalid request body: {error}");
            Refusal::body(StatusCode::BAD_REQUEST, json!({ "error_msg": message, "req_body": body }))
        })
    }
}
