//! `PUT /scim/v2/Users/{id}`

use axum::extract::State;
use axum::response::Response;
use control::Control;
use http::StatusCode;

use crate::input::PathOf;
use crate::scim::{Base, Preconditions, ScimBody, ScimCaller, ScimError, ScimQuery, ScimResult, user_shape};

/// Replaces a user. `active` and `password` stay when they are left out.
#[utoipa::path(put, path = "/scim/v2/Users/{id}", tag = "scim", params(("id" = String, Path)),
    request_body(content = serde_json::Value, content_type = "application/scim+json"),
    responses((status = OK, body = serde_json::Value, content_type = "application/scim+json"),
        (status = BAD_REQUEST, body = serde_json::Value, content_type = "application/scim+json"),
        (status = FORBIDDEN, body = serde_json::Value, content_type = "application/scim+json"),
        (status = PRECONDITION_FAILED, body = serde_json::Value, content_type = "application/scim+json")))]
pub(crate) async fn replace_scim_user(
    caller: ScimCaller,
    State(control): State<Control>,
    base: Base,
    query: ScimQuery,
    preconditions: Preconditions,
    PathOf(id): PathOf<String>,
    ScimBody(body): ScimBody,
) -> ScimResult<Response> {
    let change = |before: &_| {
        preconditions.check(&user_shape::shown(before, &base.0).version)?;
        user_shape::spec(&body, Some(before))
    };
    let changed = control.reprovision_user::<ScimError>(&caller.actor, &id, change).await?;
    Ok(super::answer(StatusCode::OK, &changed, &query, &base.0))
}
