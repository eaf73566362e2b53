//! `PUT /api/permission_policies/{permission_policy_id}`

use api_types::{PermissionPolicySpec, SavedPolicy};
use axum::Json;
use axum::extract::State;
use control::Control;

use crate::auth::Caller;
use crate::error::ApiResult;
use crate::input::{JsonBody, PathOf};

/// Replaces a permission policy; what it decides changes at once.
#[utoipa::path(put, path = "/api/permission_policies/{permission_policy_id}", tag = "permission policies", request_body = PermissionPolicySpec,
    params(("permission_policy_id" = String, Path)),
    responses((status = OK, body = SavedPolicy), (status = BAD_REQUEST, body = api_types::ErrorBody), (status = CONFLICT, body = api_types::ErrorBody)))]
pub(crate) async fn update_permission_policy(
    caller: Caller,
    State(control): State<Control>,
    PathOf(policy): PathOf<String>,
    JsonBody(body): JsonBody<PermissionPolicySpec>,
) -> ApiResult<Json<SavedPolicy>> {
    let changed = control.update_policy(&caller.actor, &policy, super::spec(body)).await?;
    Ok(Json(super::saved(changed)?))
}
