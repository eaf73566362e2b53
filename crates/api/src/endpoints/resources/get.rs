//! `GET /apisix/admin/{kind}/{id}`

use axum::extract::State;
use axum::response::Response;
use control::Control;
use serde_json::Value;

use crate::envelope::{at_revision, value};
use crate::error::ApiResult;
use crate::input::{Addressed, GroupOfRequest, GroupParam};
use crate::shape;

/// One resource. The `ETag` is the head of its group, to be sent back as `If-Match`.
#[utoipa::path(get, path = "/apisix/admin/{kind}/{id}",
    params(("kind" = String, Path), ("id" = String, Path), GroupParam),
    responses((status = OK, body = api_types::Valued<Value>), (status = NOT_FOUND, body = api_types::ErrorBody)))]
pub(crate) async fn get_resource(
    asked: GroupOfRequest,
    State(control): State<Control>,
    Addressed(key): Addressed,
) -> ApiResult<Response> {
    let (found, head) = control.get_resource(&asked.caller.actor, &asked.group, &key).await?;
    Ok(at_revision(head, value(shape::read(&found)?)))
}
