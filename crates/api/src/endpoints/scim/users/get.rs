//! `GET /scim/v2/Users/{id}`

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use control::Control;
use http::StatusCode;

use crate::input::PathOf;
use crate::scim::{Base, Preconditions, ScimCaller, ScimQuery, ScimResult, user_shape};

/// One user.
#[utoipa::path(get, path = "/scim/v2/Users/{id}", tag = "scim",
    params(("id" = String, Path), ("attributes" = Option<String>, Query), ("excludedAttributes" = Option<String>, Query)),
    responses((status = OK, body = serde_json::Value, content_type = "application/scim+json"),
        (status = NOT_FOUND, body = serde_json::Value, content_type = "application/scim+json")))]
pub(crate) async fn get_scim_user(
    caller: ScimCaller,
    State(control): State<Control>,
    base: Base,
    query: ScimQuery,
    preconditions: Preconditions,
    PathOf(id): PathOf<String>,
) -> ScimResult<Response> {
    let found = control.provisioned_user(&caller.actor, &id).await?;
    if preconditions.is_known(&user_shape::shown(&found, &base.0).version) {
        return Ok(StatusCode::NOT_MODIFIED.into_response());
    }
    Ok(super::answer(StatusCode::OK, &found, &query, &base.0))
}
