//! `DELETE /apisix/admin/{kind}/{id}`

use axum::extract::State;
use axum::response::Response;
use control::Control;

use crate::envelope::{at_revision, done};
use crate::error::ApiResult;
use crate::input::{Addressed, GroupOfRequest, GroupParam, IfMatch};

/// Removes a resource with all that stands below it: a service with its routes and upstreams, a consumer with its credentials.
#[utoipa::path(delete, path = "/apisix/admin/{kind}/{id}",
    params(("kind" = String, Path), ("id" = String, Path), GroupParam),
    responses((status = OK), (status = NOT_FOUND, body = api_types::ErrorBody),
        (status = PRECONDITION_FAILED, body = api_types::ErrorBody)))]
pub(crate) async fn delete_resource(
    asked: GroupOfRequest,
    State(control): State<Control>,
    Addressed(key): Addressed,
    IfMatch(head): IfMatch,
) -> ApiResult<Response> {
    let revision = control.delete_resource(&asked.caller.actor, &asked.group, key, head).await?;
    Ok(at_revision(revision, done()))
}
