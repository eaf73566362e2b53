//! `PATCH /apisix/admin/{kind}/{id}`

use axum::extract::State;
use axum::response::Response;
use control::Control;
use serde_json::Value;

use crate::envelope::{at_revision, value};
use crate::error::ApiResult;
use crate::input::{Addressed, GroupOfRequest, GroupParam, IfMatch, JsonBody};
use crate::shape;

/// Changes parts of a resource: an array is a JSON Patch (RFC 6902), an object a JSON Merge Patch (RFC 7396).
#[utoipa::path(patch, path = "/apisix/admin/{kind}/{id}", request_body = Value,
    params(("kind" = String, Path), ("id" = String, Path), GroupParam),
    responses((status = OK, body = api_types::Valued<Value>), (status = BAD_REQUEST, body = api_types::ErrorBody),
        (status = NOT_FOUND, body = api_types::ErrorBody), (status = PRECONDITION_FAILED, body = api_types::ErrorBody)))]
pub(crate) async fn patch_resource(
    asked: GroupOfRequest,
    State(control): State<Control>,
    Addressed(key): Addressed,
    IfMatch(head): IfMatch,
    JsonBody(patch): JsonBody<Value>,
) -> ApiResult<Response> {
    let patch = if patch.is_object() { shape::body_of(&key, patch)? } else { patch };
    let written = control.patch_resource(&asked.caller.actor, &asked.group, key, patch, head).await?;
    Ok(at_revision(written.revision, value(shape::read(&written.resource)?)))
}
