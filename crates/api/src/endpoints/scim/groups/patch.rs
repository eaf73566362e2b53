//! `PATCH /scim/v2/Groups/{id}`

use axum::extract::State;
use axum::response::Response;
use control::Control;
use http::StatusCode;
use scim::patch::Patch;
use scim::schema::GROUP;
use serde_json::Value;

use crate::input::PathOf;
use crate::scim::{Base, Preconditions, ScimBody, ScimCaller, ScimError, ScimQuery, ScimResult, group_shape};

/// Changes what the operations name.
#[utoipa::path(patch, path = "/scim/v2/Groups/{id}", tag = "scim", params(("id" = String, Path)),
    request_body(content = serde_json::Value, content_type = "application/scim+json"),
    responses((status = OK, body = serde_json::Value, content_type = "application/scim+json"),
        (status = BAD_REQUEST, body = serde_json::Value, content_type = "application/scim+json"),
        (status = FORBIDDEN, body = serde_json::Value, content_type = "application/scim+json"),
        (status = PRECONDITION_FAILED, body = serde_json::Value, content_type = "application/scim+json")))]
pub(crate) async fn patch_scim_group(
    caller: ScimCaller,
    State(control): State<Control>,
    base: Base,
    query: ScimQuery,
    preconditions: Preconditions,
    PathOf(id): PathOf<String>,
    ScimBody(body): ScimBody,
) -> ScimResult<Response> {
    let patch = Patch::parse(&body)?;
    let change = |before: &_| {
        let shown = group_shape::shown(before, &base.0);
        preconditions.check(&shown.version)?;
        let changed = patch.apply(&GROUP, &shown.resource)?;
        group_shape::spec(&Value::Object(changed), false)
    };
    let changed = control.reprovision_group::<ScimError>(&caller.actor, &id, change).await?;
    Ok(super::answer(StatusCode::OK, &changed, &query, &base.0))
}
