//! `GET /scim/v2/Groups/{id}`

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use control::Control;
use http::StatusCode;

use crate::input::PathOf;
use crate::scim::{Base, Preconditions, ScimCaller, ScimQuery, ScimResult, group_shape};

/// One group.
#[utoipa::path(get, path = "/scim/v2/Groups/{id}", tag = "scim",
    params(("id" = String, Path), ("attributes" = Option<String>, Query), ("excludedAttributes" = Option<String>, Query)),
    responses((status = OK, body = serde_json::Value, content_type = "application/scim+json"),
        (status = NOT_FOUND, body = serde_json::Value, content_type = "application/scim+json")))]
pub(crate) async fn get_scim_group(
    caller: ScimCaller,
    State(control): State<Control>,
    base: Base,
    query: ScimQuery,
    preconditions: Preconditions,
    PathOf(id): PathOf<String>,
) -> ScimResult<Response> {
    let found = control.provisioned_group(&caller.actor, &id, true).await?;
    if preconditions.is_known(&group_shape::shown(&found, &base.0).version) {
        return Ok(StatusCode::NOT_MODIFIED.into_response());
    }
    Ok(super::answer(StatusCode::OK, &found, &query, &base.0))
}
