//! `GET /api/status`

use api_types::{Status, Valued};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use control::Control;
use http::StatusCode;

use crate::envelope::value;

/// Whether the control plane can do its work: 503 while its database does not answer. Needs no key.
#[utoipa::path(get, path = "/api/status", tag = "product",
    responses((status = OK, body = Valued<Status>), (status = SERVICE_UNAVAILABLE, body = Valued<Status>)))]
pub(crate) async fn get_status(State(control): State<Control>) -> Response {
    match control.store_health().await {
        Ok(()) => told("ok").into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, told("unavailable")).into_response(),
    }
}

fn told(word: &str) -> Json<Valued<Status>> {
    value(Status { status: word.to_owned(), store: word.to_owned() })
}
