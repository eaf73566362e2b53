//! `POST /apisix/admin/{kind}`

use axum::extract::State;
use axum::response::Response;
use control::Control;
use serde_json::Value;

use crate::envelope::{at_revision, value};
use crate::error::ApiResult;
use crate::input::{Collection, GroupOfRequest, GroupParam, IfMatch, JsonBody};
use crate::shape;

/// Creates a resource under the id in its body (`username` for consumers), or under a new one. An id that exists gives 409.
#[utoipa::path(post, path = "/apisix/admin/{kind}", request_body = Value, params(("kind" = String, Path), GroupParam),
    responses((status = OK, body = api_types::Valued<Value>), (status = BAD_REQUEST, body = api_types::ErrorBody),
        (status = CONFLICT, body = api_types::ErrorBody)))]
pub(crate) async fn create_resource(
    asked: GroupOfRequest,
    State(control): State<Control>,
    collection: Collection,
    IfMatch(head): IfMatch,
    JsonBody(body): JsonBody<Value>,
) -> ApiResult<Response> {
    let key = collection.key(shape::id_of_new(collection.kind, &body)?);
    let body = shape::body_of(&key, body)?;
    let written = control.create_resource(&asked.caller.actor, &asked.group, key, body, head).await?;
    Ok(at_revision(written.revision, value(shape::read(&written.resource)?)))
}
