//! `POST /api/permission_policies`

use api_types::{PermissionPolicySpec, SavedPolicy};
use axum::Json;
use axum::extract::State;
use control::Control;

use crate::auth::Caller;
use crate::error::ApiResult;
use crate::input::JsonBody;

/// Makes a permission policy. What is odd about it, such as a pattern that nothing can match, is told as a warning.
#[utoipa::path(post, path = "/api/permission_policies", tag = "permission policies", request_body = PermissionPolicySpec,
    responses((status = OK, body = SavedPolicy), (status = BAD_REQUEST, body = api_types::ErrorBody), (status = CONFLICT, body = api_types::ErrorBody)))]
pub(crate) async fn create_permission_policy(
    caller: Caller,
    State(control): State<Control>,
    JsonBody(body): JsonBody<PermissionPolicySpec>,
) -> ApiResult<Json<SavedPolicy>> {
    let made = control.create_policy(&caller.actor, super::spec(body)).await?;
    Ok(Json(super::saved(made)?))
}
