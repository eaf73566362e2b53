//! `POST /scim/v2/Users`

use axum::extract::State;
use axum::response::Response;
use control::Control;
use http::StatusCode;

use crate::scim::{Base, ScimBody, ScimCaller, ScimQuery, ScimResult, user_shape};

/// Makes a user without any role. `password` is good for one login; without one the user comes in by sign-on alone.
#[utoipa::path(post, path = "/scim/v2/Users", tag = "scim",
    request_body(content = serde_json::Value, content_type = "application/scim+json"),
    responses((status = CREATED, body = serde_json::Value, content_type = "application/scim+json"),
        (status = BAD_REQUEST, body = serde_json::Value, content_type = "application/scim+json"),
        (status = CONFLICT, body = serde_json::Value, content_type = "application/scim+json")))]
pub(crate) async fn create_scim_user(
    caller: ScimCaller,
    State(control): State<Control>,
    base: Base,
    query: ScimQuery,
    ScimBody(body): ScimBody,
) -> ScimResult<Response> {
    let spec = user_shape::spec(&body, None)?;
    let made = control.provision_user(&caller.actor, spec).await?;
    Ok(super::answer(StatusCode::CREATED, &made, &query, &base.0))
}
