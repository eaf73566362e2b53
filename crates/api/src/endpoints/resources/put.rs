//! `PUT /apisix/admin/{kind}/{id}`

use axum::extract::State;
use axum::response::Response;
use control::Control;
use serde_json::Value;

use crate::envelope::{at_revision, value};
use crate::error::ApiResult;
use crate::input::{Addressed, GroupOfRequest, GroupParam, IfMatch, JsonBody};
use crate::shape;

/// Creates or replaces a resource. With `If-Match`, only while that revision is the head of the group: else 412.
#[utoipa::path(put, path = "/apisix/admin/{kind}/{id}", request_body = Value,
    params(("kind" = String, Path), ("id" = String, Path), GroupParam),
    responses((status = OK, body = api_types::Valued<Value>), (status = BAD_REQUEST, body = api_types::ErrorBody),
        (status = PRECONDITION_FAILED, body = api_types::ErrorBody)))]
pub(crate) async fn put_resource(
    asked: GroupOfRequest,
    State(control): State<Control>,
    Addressed(key): Addressed,
    IfMatch(head): IfMatch,
    JsonBody(body): JsonBody<Value>,
) -> ApiResult<Response> {
    let body = shape::body_of(&key, body)?;
    let written = control.put_resource(&asked.caller.actor, &asked.group, key, body, head).await?;
    Ok(at_revision(written.revision, value(shape::read(&written.resource)?)))
}
