//! `POST /scim/v2/Groups`

use axum::extract::State;
use axum::response::Response;
use control::Control;
use http::StatusCode;

use crate::scim::{Base, ScimBody, ScimCaller, ScimQuery, ScimResult, group_shape};

/// Makes a role that has no policies, and gives it to the members.
#[utoipa::path(post, path = "/scim/v2/Groups", tag = "scim",
    request_body(content = serde_json::Value, content_type = "application/scim+json"),
    responses((status = CREATED, body = serde_json::Value, content_type = "application/scim+json"),
        (status = BAD_REQUEST, body = serde_json::Value, content_type = "application/scim+json"),
        (status = CONFLICT, body = serde_json::Value, content_type = "application/scim+json")))]
pub(crate) async fn create_scim_group(
    caller: ScimCaller,
    State(control): State<Control>,
    base: Base,
    query: ScimQuery,
    ScimBody(body): ScimBody,
) -> ScimResult<Response> {
    let spec = group_shape::spec(&body, false)?;
    let made = control.provision_group(&caller.actor, &spec).await?;
    Ok(super::answer(StatusCode::CREATED, &made, &query, &base.0))
}
